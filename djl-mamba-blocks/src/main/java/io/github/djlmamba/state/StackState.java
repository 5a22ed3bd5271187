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
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.apiguardian.api.API;

/**
 * The state of a stack of mixers.
 *
 * @param layers the state of each layer, the first layer's first
 * @param positions how many tokens each sequence has seen
 */
@API(status = API.Status.EXPERIMENTAL)
public record StackState(List<MixerState> layers, SequencePositions positions)
        implements MixerState {

    /**
     * Checks and copies the components.
     *
     * @throws IllegalArgumentException if a state or the positions are missing
     */
    public StackState {
        if (layers == null || layers.stream().anyMatch(Objects::isNull)) {
            throw new IllegalArgumentException(
                    "stack state: the state of a layer is null; give one state for each layer");
        }
        if (positions == null) {
            throw new IllegalArgumentException(
                    "stack state: the positions are null; give that of each sequence");
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

    /** {@inheritDoc} */
    @Override
    public MixerState with(NDList arrays, SequencePositions newPositions) {
        List<MixerState> states = new ArrayList<>(layers.size());
        int from = 0;
        for (MixerState layer : layers) {
            int to = from + layer.arrays().size();
            states.add(layer.with(new NDList(arrays.subList(from, to)), newPositions));
            from = to;
        }
        return new StackState(states, newPositions);
    }

    /** {@inheritDoc} */
    @Override
    public MixerState select(int... rows) {
        return new StackState(
                layers.stream().map(layer -> layer.select(rows)).toList(), positions.select(rows));
    }

    /** {@inheritDoc} */
    @Override
    public MixerState join(List<? extends MixerState> others) {
        List<MixerState> states = new ArrayList<>(layers.size());
        for (int i = 0; i < layers.size(); i++) {
            int layer = i;
            states.add(
                    layers.get(i)
                            .join(
                                    others.stream()
                                            .map(other -> ((StackState) other).layers().get(layer))
                                            .toList()));
        }
        SequencePositions joined = positions;
        for (MixerState other : others) {
            joined = joined.join(other.positions());
        }
        return new StackState(states, joined);
    }
}
