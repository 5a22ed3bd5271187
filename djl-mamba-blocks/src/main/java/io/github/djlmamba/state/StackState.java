/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.state;

import ai.djl.ndarray.NDList;
import java.util.List;
import java.util.Objects;
import org.apiguardian.api.API;

/**
 * The state of a stack of mixers.
 *
 * @param layers the state of each layer, the first layer's first
 * @param position the number of tokens that have been seen
 */
@API(status = API.Status.EXPERIMENTAL)
public record StackState(List<MixerState> layers, long position) implements MixerState {

    /**
     * Checks and copies the components.
     *
     * @throws IllegalArgumentException if a state is missing or the position is negative
     */
    public StackState {
        if (layers == null || layers.stream().anyMatch(Objects::isNull)) {
            throw new IllegalArgumentException(
                    "stack state: the state of a layer is null; give one state for each layer");
        }
        if (position < 0) {
            throw new IllegalArgumentException(
                    "stack state: position is " + position + "; expected 0 or more");
        }
        layers = List.copyOf(layers);
    }

    /** {@inheritDoc} */
    @Override
    public NDList arrays() {
        NDList arrays = new NDList();
        for (MixerState layer : layers) {
            arrays.addAll(layer.arrays());
        }
        return arrays;
    }
}
