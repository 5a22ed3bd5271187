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
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.List;

/** The naive form of an op over packed sequences: each by itself, the results side by side. */
final class PackedForm {

    private PackedForm() {}

    /** What an op computes of one sequence. */
    interface Single {

        /**
         * Computes the output (1, length, ...) and the final state (1, ...).
         *
         * @param tokens the sequence's part of each array of tokens, (1, length, ...) or null
         * @param initialState its initial state, (1, ...) or null
         */
        NDList compute(List<NDArray> tokens, NDArray initialState);
    }

    /**
     * Computes an op over packed sequences, of which there is at least one row.
     *
     * @param tokens the arrays of tokens, (B, L, ...) each, or null
     * @param initialState the states (B, S, ...), or null
     * @param single what computes one sequence, which may be empty
     * @return the output (B, L, ...) and the final states (B, S, ...)
     */
    static NDList compute(
            PackedSequences packed, List<NDArray> tokens, NDArray initialState, Single single) {
        int rows = (int) packed.batch();
        int count = packed.sequences();
        List<List<NDArray>> byRow = split(tokens, singly(rows), 0);
        List<NDArray> states = split(initialState, singly(rows), 0);
        NDList outputs = new NDList();
        NDList finalStates = new NDList();
        for (int row = 0; row < rows; row++) {
            long[] cuts = new long[count - 1];
            for (int s = 0; s < cuts.length; s++) {
                cuts[s] = packed.end(row, s);
            }
            List<List<NDArray>> sequences = split(byRow.get(row), cuts, 1);
            List<NDArray> initial = split(states.get(row), singly(count), 1);
            NDList output = new NDList();
            NDList finalState = new NDList();
            for (int s = 0; s < count; s++) {
                NDArray before = initial.get(s);
                NDList results =
                        single.compute(sequences.get(s), before == null ? null : before.squeeze(1));
                output.add(results.get(0));
                finalState.add(results.get(1).expandDims(1));
            }
            outputs.add(concat(output, 1));
            finalStates.add(concat(finalState, 1));
        }
        return new NDList(concat(outputs, 0), concat(finalStates, 0));
    }

    /** The cuts that leave one entry in each part. */
    private static long[] singly(int parts) {
        long[] cuts = new long[parts - 1];
        for (int i = 0; i < cuts.length; i++) {
            cuts[i] = i + 1;
        }
        return cuts;
    }

    /** The parts of each array: a list of arrays for each part. */
    private static List<List<NDArray>> split(List<NDArray> arrays, long[] cuts, int axis) {
        List<List<NDArray>> parts = new ArrayList<>();
        for (int i = 0; i <= cuts.length; i++) {
            parts.add(new ArrayList<>());
        }
        for (NDArray array : arrays) {
            List<NDArray> ofArray = split(array, cuts, axis);
            for (int i = 0; i < parts.size(); i++) {
                parts.get(i).add(ofArray.get(i));
            }
        }
        return parts;
    }

    /** The parts of one array; of null, nulls. */
    private static List<NDArray> split(NDArray array, long[] cuts, int axis) {
        List<NDArray> parts = new ArrayList<>();
        if (array != null && cuts.length > 0) {
            // Not slice by slice: the gradient of each would be as large as the whole.
            return array.split(cuts, axis);
        }
        for (int i = 0; i <= cuts.length; i++) {
            parts.add(array);
        }
        return parts;
    }

    /** Concatenates arrays; DJL cuts the graph of an array concatenated with nothing. */
    static NDArray concat(NDList arrays, int axis) {
        return arrays.size() == 1 ? arrays.get(0) : NDArrays.concat(arrays, axis);
    }

    /** The shape of an op's states: (B, rest) or, packed, (B, S, rest). */
    static Shape stateShape(PackedSequences packed, long batch, long... rest) {
        return packed == null ? new Shape(batch).add(rest) : new Shape(packed.stateShape(rest));
    }
}
