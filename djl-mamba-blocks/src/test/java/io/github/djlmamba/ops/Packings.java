/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** Packed sequences to test ops with. */
public final class Packings {

    /** Short, empty, equal and single sequences, in one row and in several. */
    public static final List<PackedSequences> AWKWARD =
            List.of(
                    of(new long[] {3, 5, 1, 9}),
                    of(new long[] {0, 18}, new long[] {18, 0}),
                    of(
                            new long[] {0, 0, 7, 0, 20, 0},
                            new long[] {27, 0, 0, 0, 0, 0},
                            new long[] {1, 1, 1, 1, 22, 1}),
                    of(new long[] {16, 16, 16}, new long[] {15, 17, 16}),
                    of(new long[] {70, 1, 33}, new long[] {40, 40, 24}),
                    of(new long[] {4}, new long[] {4}));

    /** Rows without tokens. */
    public static final PackedSequences EMPTY = of(new long[] {0, 0}, new long[] {0, 0});

    private Packings() {}

    private static PackedSequences of(long[]... lengths) {
        return PackedSequences.ofLengths(lengths);
    }

    /** One row of so many sequences of 1 to 199 tokens. */
    public static PackedSequences many(int count) {
        Random random = new Random(11);
        long[] lengths = new long[count];
        Arrays.setAll(lengths, i -> 1 + random.nextInt(199));
        return PackedSequences.ofLengths(lengths);
    }
}
