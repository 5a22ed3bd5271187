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
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.Arrays;
import org.apiguardian.api.API;

/**
 * Sequences that lie side by side in the rows of one array (B, L, ...), so that short ones need no
 * padding: what the reference package of Mamba calls {@code seq_idx} or {@code cu_seqlens}.
 *
 * <p>Each row holds S sequences, some of which may be empty; together they fill it. An op that is
 * given them treats each as a sequence by itself, with an initial and a final state of its own:
 * states have shape (B, S, ...) instead of (B, ...). Tokens that only fill up a row can be a
 * sequence of their own, whose results are ignored. Immutable and thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class PackedSequences {

    private final int sequences;
    private final long length;
    private final long[][] offsets;

    private PackedSequences(int sequences, long length, long[][] offsets) {
        this.sequences = sequences;
        this.length = length;
        this.offsets = offsets;
    }

    /**
     * Packs sequences of known lengths into one row.
     *
     * @param lengths the number of tokens of each sequence
     * @return the packed sequences, with B = 1
     * @throws IllegalArgumentException if there is no sequence, or a length is negative
     */
    public static PackedSequences ofLengths(long... lengths) {
        return ofLengths(new long[][] {lengths});
    }

    /**
     * Packs sequences of known lengths into rows.
     *
     * @param lengths the number of tokens of each sequence of each row, (B, S); each row has the
     *     same sum L
     * @return the packed sequences
     * @throws IllegalArgumentException if there is no sequence, a length is negative, or rows
     *     differ in their number of sequences or of tokens
     */
    public static PackedSequences ofLengths(long[][] lengths) {
        if (lengths.length == 0 || lengths[0].length == 0) {
            throw failure("there is no sequence; give the length of at least one");
        }
        int count = lengths[0].length;
        long[][] offsets = new long[lengths.length][count + 1];
        for (int row = 0; row < offsets.length; row++) {
            if (lengths[row].length != count) {
                throw failure(
                        "row "
                                + row
                                + " has "
                                + lengths[row].length
                                + " sequences and row 0 has "
                                + count
                                + "; give each row as many, of length 0 where it has fewer");
            }
            for (int s = 0; s < count; s++) {
                if (lengths[row][s] < 0) {
                    throw failure("sequence " + s + " of row " + row + " has a negative length");
                }
                offsets[row][s + 1] = Math.addExact(offsets[row][s], lengths[row][s]);
            }
            if (offsets[row][count] != offsets[0][count]) {
                throw failure(
                        "row "
                                + row
                                + " has "
                                + offsets[row][count]
                                + " tokens and row 0 has "
                                + offsets[0][count]
                                + "; let each row have as many");
            }
        }
        return new PackedSequences(count, offsets[0][count], offsets);
    }

    /**
     * Packs sequences by the number of the sequence that each token belongs to.
     *
     * @param indices the numbers, of shape (B, L), int32 or int64; in each row they do not fall,
     *     and are at least 0 and below S
     * @param sequences S, the number of sequences of a row
     * @return the packed sequences
     * @throws IllegalArgumentException if the indices have another shape or type, fall, or are out
     *     of range
     */
    public static PackedSequences ofIndices(NDArray indices, int sequences) {
        Shape shape = indices.getShape();
        if (shape.dimension() != 2 || !indices.getDataType().isInteger()) {
            throw failure(
                    "the indices have shape "
                            + shape
                            + " and type "
                            + indices.getDataType()
                            + "; expected (B, L), int32 or int64");
        }
        if (sequences <= 0) {
            throw failure("the number of sequences is " + sequences + "; expected at least 1");
        }
        int rows = Math.toIntExact(shape.get(0));
        int tokens = Math.toIntExact(shape.get(1));
        long[] values = Arrays.stream(indices.toArray()).mapToLong(Number::longValue).toArray();
        long[][] offsets = new long[rows][sequences + 1];
        for (int row = 0; row < rows; row++) {
            long before = 0;
            for (int t = 0; t < tokens; t++) {
                long index = values[row * tokens + t];
                if (index < before || index >= sequences) {
                    throw failure(
                            "token "
                                    + t
                                    + " of row "
                                    + row
                                    + " has index "
                                    + index
                                    + "; expected indices that do not fall, from 0 to "
                                    + (sequences - 1));
                }
                before = index;
                offsets[row][(int) index + 1] = t + 1;
            }
            for (int s = 1; s <= sequences; s++) {
                offsets[row][s] = Math.max(offsets[row][s], offsets[row][s - 1]);
            }
        }
        return new PackedSequences(sequences, tokens, offsets);
    }

    /**
     * Packs sequences by the number of the sequence that each token belongs to, as many as there
     * are numbers up to the largest.
     *
     * @param indices the numbers, of shape (B, L), int32 or int64; in each row they do not fall
     * @return the packed sequences
     * @throws IllegalArgumentException if the indices have another shape or type, fall, are
     *     negative, or reach L
     */
    public static PackedSequences ofIndices(NDArray indices) {
        Shape shape = indices.getShape();
        if (shape.dimension() != 2 || shape.size() == 0 || !indices.getDataType().isInteger()) {
            return ofIndices(indices, 1);
        }
        long last = indices.max().toType(DataType.INT64, false).getLong();
        // An index that reaches L would only make empty sequences, perhaps more than memory holds.
        return ofIndices(indices, (int) Math.max(1, Math.min(last + 1, shape.get(1))));
    }

    /**
     * Returns the number of rows.
     *
     * @return B
     */
    public long batch() {
        return offsets.length;
    }

    /**
     * Returns the number of sequences of a row.
     *
     * @return S
     */
    public int sequences() {
        return sequences;
    }

    /**
     * Returns the number of tokens of a row.
     *
     * @return L
     */
    public long length() {
        return length;
    }

    /**
     * Returns where a sequence begins in its row.
     *
     * @param row the row
     * @param sequence the number of the sequence
     * @return its first token; for an empty sequence, that of the next
     */
    public long begin(int row, int sequence) {
        return offsets[row][sequence];
    }

    /**
     * Returns where a sequence ends in its row.
     *
     * @param row the row
     * @param sequence the number of the sequence
     * @return the token after its last
     */
    public long end(int row, int sequence) {
        return offsets[row][sequence + 1];
    }

    /**
     * Returns the length of the longest sequence.
     *
     * @return its number of tokens; 0 if all are empty
     */
    public long longest() {
        long longest = 0;
        for (long[] row : offsets) {
            for (int s = 0; s < sequences; s++) {
                longest = Math.max(longest, row[s + 1] - row[s]);
            }
        }
        return longest;
    }

    /**
     * Returns the position of each token in its sequence, counted from 0, one row after the other.
     *
     * @return a new array of B L positions
     */
    public long[] positions() {
        long[] positions = new long[Math.toIntExact(batch() * length)];
        for (int row = 0; row < offsets.length; row++) {
            int from = Math.toIntExact(row * length);
            for (int s = 0; s < sequences; s++) {
                for (long t = offsets[row][s]; t < offsets[row][s + 1]; t++) {
                    positions[from + (int) t] = t - offsets[row][s];
                }
            }
        }
        return positions;
    }

    /**
     * Returns all offsets, one row after the other: S + 1 of each, from 0 to L.
     *
     * @return a new array of B (S + 1) offsets
     */
    public long[] offsets() {
        return Arrays.stream(offsets).flatMapToLong(Arrays::stream).toArray();
    }

    /** Returns the shape of states: (B, S, rest). */
    long[] stateShape(long... rest) {
        long[] shape = new long[2 + rest.length];
        shape[0] = batch();
        shape[1] = sequences;
        System.arraycopy(rest, 0, shape, 2, rest.length);
        return shape;
    }

    private static IllegalArgumentException failure(String what) {
        return new IllegalArgumentException("packed sequences: " + what);
    }
}
