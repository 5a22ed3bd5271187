/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ssm;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import io.github.djlmamba.state.MixerState;
import io.github.djlmamba.state.SequencePositions;
import org.apiguardian.api.API;

/**
 * What a {@link Mamba2Block} carries between tokens, of constant size.
 *
 * @param convolution the last W - 1 inputs of the convolution, the oldest first, of shape (B, W -
 *     1, D + 2 G N)
 * @param dual the state of the state space dual, of shape (B, H, P, N)
 */
@API(status = API.Status.EXPERIMENTAL)
public record Mamba2State(NDArray convolution, NDArray dual) implements MixerState {

    /** {@inheritDoc} */
    @Override
    public NDList arrays() {
        return new NDList(convolution, dual);
    }

    /** {@inheritDoc} */
    @Override
    public MixerState with(NDList arrays, SequencePositions positions) {
        return new Mamba2State(arrays.get(0), arrays.get(1));
    }
}
