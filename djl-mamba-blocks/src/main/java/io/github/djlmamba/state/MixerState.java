/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.state;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import java.util.List;
import java.util.stream.IntStream;
import org.apiguardian.api.API;

/**
 * What a {@link SequenceMixer} carries from one token to the next.
 *
 * <p>A state is never changed: each call that continues from it leaves a new one, so a caller may
 * continue from one state several times. It belongs to the caller, in the manager of the input that
 * produced it; a loop closes each state when it has the next, and memory stays flat. States made
 * with {@code training = true} are differentiable. Thread safe as long as nobody closes it.
 */
@API(status = API.Status.EXPERIMENTAL)
public interface MixerState extends AutoCloseable {

    /**
     * Returns the arrays of this state, not copied, in a fixed order. The first axis of each is the
     * batch.
     *
     * @return the arrays; none for a mixer that carries nothing
     */
    NDList arrays();

    /**
     * Returns how many tokens each sequence has seen, where the mixer needs to know.
     *
     * @return the positions, or null
     */
    default SequencePositions positions() {
        return null;
    }

    /**
     * Returns a state of this kind around other arrays: of another batch, or read from a file.
     *
     * @param arrays as many as {@link #arrays} has, in its order, alike but for the batch and,
     *     where the state grows, the length
     * @param positions how many tokens each sequence has seen; may be null where {@link #positions}
     *     is
     * @return the state, around the given arrays
     */
    MixerState with(NDList arrays, SequencePositions positions);

    /**
     * Returns a state of some of the sequences, copied.
     *
     * @param rows their places in the batch, from 0, in the order wanted; one may come several
     *     times
     * @return the state, in the manager of this one's arrays
     */
    default MixerState select(int... rows) {
        long[] indices = IntStream.of(rows).asLongStream().toArray();
        NDList selected = new NDList();
        for (NDArray array : arrays()) {
            try (NDArray index = array.getManager().create(indices)) {
                selected.add(array.get(new NDIndex("{}", index)));
            }
        }
        return with(selected, positions() == null ? null : positions().select(rows));
    }

    /**
     * Returns a state of the sequences of this state and then of others, copied. The sequences may
     * have seen different numbers of tokens.
     *
     * @param others the other states, of the same mixer
     * @return the state, in the manager of this one's arrays
     */
    default MixerState join(List<? extends MixerState> others) {
        NDList joined = new NDList();
        for (int i = 0; i < arrays().size(); i++) {
            NDList parts = new NDList(arrays().get(i));
            for (MixerState other : others) {
                parts.add(other.arrays().get(i));
            }
            joined.add(NDArrays.concat(parts, 0));
        }
        SequencePositions positions = positions();
        if (positions != null) {
            for (MixerState other : others) {
                positions = positions.join(other.positions());
            }
        }
        return with(joined, positions);
    }

    /**
     * Moves this state to another manager, so that it outlives the one of the input.
     *
     * @param manager the manager that closes the state at the latest
     */
    default void attach(NDManager manager) {
        for (NDArray array : arrays()) {
            array.attach(manager);
        }
    }

    /** Frees the arrays of this state. Closing twice has no effect. */
    @Override
    default void close() {
        for (NDArray array : arrays()) {
            array.close();
        }
    }
}
