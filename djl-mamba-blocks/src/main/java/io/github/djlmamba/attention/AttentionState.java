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
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDScope;
import ai.djl.ndarray.types.Shape;
import io.github.djlmamba.state.MixerState;
import io.github.djlmamba.state.SequencePositions;
import java.util.List;
import org.apiguardian.api.API;

/**
 * What a {@link CausalSelfAttentionBlock} carries between tokens: it grows with the sequence, or up
 * to the block's window.
 *
 * <p>Sequences of a batch that have seen different numbers of tokens end at one place: the keys of
 * one that has seen n tokens are the last n of its T, and what stands before them is never read.
 *
 * <p>The arrays of successive states may share memory, as {@link
 * io.github.djlmamba.ops.SequenceAppend} says; each stays what it is, and the memory is freed with
 * the last of them.
 *
 * @param keys the keys of the last T tokens, turned by their positions, of shape (B, T, K, P)
 * @param values their values, of shape (B, T, K, P)
 * @param positions how many tokens each sequence has seen, the greatest at least T
 */
@API(status = API.Status.EXPERIMENTAL)
public record AttentionState(NDArray keys, NDArray values, SequencePositions positions)
        implements MixerState {

    /** {@inheritDoc} */
    @Override
    public NDList arrays() {
        return new NDList(keys, values);
    }

    /** {@inheritDoc} */
    @Override
    public MixerState with(NDList arrays, SequencePositions newPositions) {
        return new AttentionState(arrays.get(0), arrays.get(1), newPositions);
    }

    /** {@inheritDoc} */
    @Override
    public MixerState select(int... rows) {
        long total = keys.getShape().get(1);
        long read = Math.min(total, positions.select(rows).greatest());
        if (read == total) {
            return MixerState.super.select(rows);
        }
        // The places before belong to longer sequences, which are not among those selected.
        try (NDArray lastKeys = keys.get(":, {}:", total - read);
                NDArray lastValues = values.get(":, {}:", total - read)) {
            return new AttentionState(lastKeys, lastValues, positions).select(rows);
        }
    }

    /** {@inheritDoc} */
    @Override
    public MixerState join(List<? extends MixerState> others) {
        AttentionState longest = this;
        boolean alike = true;
        for (MixerState other : others) {
            AttentionState state = (AttentionState) other;
            alike &= state.length() == length();
            if (state.length() > longest.length()) {
                longest = state;
            }
        }
        if (alike) {
            return MixerState.super.join(others);
        }
        try (NDScope scope = new NDScope()) {
            scope.suppressNotUsedWarning();
            NDList joinedKeys = new NDList(padded(keys, longest.keys));
            NDList joinedValues = new NDList(padded(values, longest.values));
            SequencePositions joined = positions;
            for (MixerState other : others) {
                AttentionState state = (AttentionState) other;
                joinedKeys.add(padded(state.keys, longest.keys));
                joinedValues.add(padded(state.values, longest.values));
                joined = joined.join(state.positions);
            }
            AttentionState result =
                    new AttentionState(
                            NDArrays.concat(joinedKeys, 0),
                            NDArrays.concat(joinedValues, 0),
                            joined);
            NDScope.unregister(result.arrays());
            return result;
        }
    }

    private long length() {
        return keys.getShape().get(1);
    }

    /** What is as long as another array, by places in front that nobody reads. */
    private static NDArray padded(NDArray array, NDArray longest) {
        Shape shape = array.getShape();
        long missing = longest.getShape().get(1) - shape.get(1);
        if (missing == 0) {
            return array;
        }
        // Copies of what is there, since an array of the type may not be made from nothing: DJL has
        // no name for bfloat16.
        NDArray filling =
                longest.get(":1, :1")
                        .broadcast(new Shape(shape.get(0), missing, shape.get(2), shape.get(3)));
        return filling.concat(array, 1);
    }
}
