/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import java.util.HashSet;
import java.util.Set;
import java.util.function.Function;

/**
 * Which of the states of a decode step each of its rows continues: what the ops that change a state
 * in place share.
 */
final class StateSlots {

    private static final long PADDING = -1;

    private StateSlots() {}

    /**
     * Checks that each row has a state of its own, of the first axis of the given one, whose shape
     * has been checked.
     */
    static void check(ArgumentCheck check, NDArray state, NDArray slots, long rows) {
        long states = state.getShape().get(0);
        if (slots == null) {
            if (rows != states) {
                throw check.failure(
                        "state",
                        "has "
                                + states
                                + " slots for "
                                + rows
                                + " rows; give as many, or name the slot of each row with"
                                + " withSlots");
            }
            return;
        }
        check.integers("slots", slots, "(B)", rows);
        Set<Long> seen = new HashSet<>();
        for (long slot : read(slots)) {
            if (slot < PADDING || slot >= states) {
                throw check.failure(
                        "slots",
                        "name slot "
                                + slot
                                + "; expected -1 for padding, or from 0 to "
                                + (states - 1));
            }
            if (slot != PADDING && !seen.add(slot)) {
                throw check.failure("slots", "name slot " + slot + " for two rows");
            }
        }
    }

    private static long[] read(NDArray slots) {
        return slots.size() == 0 ? new long[0] : slots.toLongArray();
    }

    /**
     * Computes a step in its naive form.
     *
     * @param state the states, of which those of the rows are changed
     * @param slots the slot of each row, or null
     * @param op gives the output and the next states of all rows from their states
     * @return the output, which is zero for rows of padding
     */
    static NDArray step(NDArray state, NDArray slots, Function<NDArray, NDList> op) {
        if (slots == null) {
            NDList results = op.apply(state);
            if (state.size() > 0) {
                state.set(new NDIndex("..."), results.get(1));
            }
            return results.get(0);
        }
        long[] rows = read(slots);
        Shape one = new Shape(1).add(state.getShape().slice(1).getShape());
        NDList before = new NDList();
        for (long slot : rows) {
            before.add(
                    slot == PADDING
                            ? state.getManager().zeros(one, state.getDataType())
                            : state.get("{}:{}", slot, slot + 1));
        }
        if (rows.length == 0) {
            before.add(state.get("0:0"));
        }
        NDList results = op.apply(NDArrays.concat(before, 0));
        NDArray output = results.get(0);
        for (int row = 0; row < rows.length; row++) {
            if (rows[row] == PADDING) {
                output.set(new NDIndex("{}", row), 0);
            } else {
                state.set(new NDIndex("{}", rows[row]), results.get(1).get(row));
            }
        }
        return output;
    }
}
