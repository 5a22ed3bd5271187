/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.state;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.LongStream;
import org.apiguardian.api.API;

/**
 * How many tokens each sequence of a batch has seen, which is also the position of its next token.
 * Immutable and thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class SequencePositions {

    private final long[] positions;

    private SequencePositions(long[] positions) {
        for (long position : positions) {
            if (position < 0) {
                throw new IllegalArgumentException(
                        "sequence positions: position is " + position + "; expected 0 or more");
            }
        }
        this.positions = positions;
    }

    /**
     * Returns the positions of sequences one by one.
     *
     * @param positions the number of tokens that each has seen
     * @return the positions
     * @throws IllegalArgumentException if one is negative
     */
    public static SequencePositions of(long... positions) {
        return new SequencePositions(positions.clone());
    }

    /**
     * Returns the positions of sequences that are all equally long.
     *
     * @param batch the number of sequences
     * @param position the number of tokens that each has seen
     * @return the positions
     * @throws IllegalArgumentException if the position is negative
     */
    public static SequencePositions alike(long batch, long position) {
        long[] positions = new long[Math.toIntExact(batch)];
        Arrays.fill(positions, position);
        return new SequencePositions(positions);
    }

    /**
     * Returns the number of sequences.
     *
     * @return B
     */
    public int size() {
        return positions.length;
    }

    /**
     * Returns the position of one sequence.
     *
     * @param row its place in the batch, from 0
     * @return the number of tokens that it has seen
     */
    public long get(int row) {
        return positions[row];
    }

    /**
     * Returns the greatest position.
     *
     * @return the number of tokens that the longest sequence has seen; 0 without sequences
     */
    public long greatest() {
        return LongStream.of(positions).max().orElse(0);
    }

    /**
     * Returns the positions after as many more tokens in each sequence.
     *
     * @param tokens the number of tokens
     * @return the positions
     */
    public SequencePositions plus(long tokens) {
        return new SequencePositions(
                LongStream.of(positions).map(position -> position + tokens).toArray());
    }

    /**
     * Returns the positions of some of the sequences.
     *
     * @param rows their places in the batch, from 0, in the order wanted
     * @return the positions
     */
    public SequencePositions select(int... rows) {
        return new SequencePositions(
                Arrays.stream(rows).mapToLong(row -> positions[row]).toArray());
    }

    /**
     * Returns the positions of these sequences and then of others.
     *
     * @param others those of the others
     * @return the positions
     */
    public SequencePositions join(SequencePositions others) {
        return new SequencePositions(
                LongStream.concat(LongStream.of(positions), LongStream.of(others.positions))
                        .toArray());
    }

    /**
     * Returns the sequences in groups of neighbours with one position, which can be treated at
     * once.
     *
     * @return the groups, in the order of the batch; none without sequences
     */
    public List<Run> runs() {
        List<Run> runs = new ArrayList<>();
        int from = 0;
        for (int row = 1; row <= positions.length; row++) {
            if (row == positions.length || positions[row] != positions[from]) {
                runs.add(new Run(from, row, positions[from]));
                from = row;
            }
        }
        return runs;
    }

    /** {@inheritDoc} */
    @Override
    public boolean equals(Object other) {
        return other instanceof SequencePositions
                && Arrays.equals(positions, ((SequencePositions) other).positions);
    }

    /** {@inheritDoc} */
    @Override
    public int hashCode() {
        return Arrays.hashCode(positions);
    }

    /** {@inheritDoc} */
    @Override
    public String toString() {
        return Arrays.toString(positions);
    }

    /**
     * Neighbouring sequences of a batch with one position.
     *
     * @param from the place of the first
     * @param to the place after the last
     * @param position the number of tokens that each has seen
     */
    public record Run(int from, int to, long position) {}
}
