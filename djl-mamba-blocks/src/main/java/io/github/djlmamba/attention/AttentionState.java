/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.attention;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import io.github.djlmamba.state.MixerState;
import org.apiguardian.api.API;

/**
 * What a {@link CausalSelfAttentionBlock} carries between tokens: it grows with the sequence, or up
 * to the block's window.
 *
 * <p>The arrays of successive states may share memory, as {@link
 * io.github.djlmamba.ops.SequenceAppend} says; each stays what it is, and the memory is freed with
 * the last of them.
 *
 * @param keys the keys of the last T tokens, turned by their positions, of shape (B, T, K, P)
 * @param values their values, of shape (B, T, K, P)
 * @param position the number of tokens that have been seen, at least T
 */
@API(status = API.Status.EXPERIMENTAL)
public record AttentionState(NDArray keys, NDArray values, long position) implements MixerState {

    /** {@inheritDoc} */
    @Override
    public NDList arrays() {
        return new NDList(keys, values);
    }
}
