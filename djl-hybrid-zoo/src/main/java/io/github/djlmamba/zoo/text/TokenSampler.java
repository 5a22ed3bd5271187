/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import java.util.Arrays;
import java.util.BitSet;

/**
 * Chooses the next token of one sequence from the model's scores, as {@link GenerationOptions}
 * says. Not thread safe.
 */
final class TokenSampler {

    private final GenerationOptions options;
    private final SplitMix64 random;

    TokenSampler(GenerationOptions options) {
        this.options = options;
        random = new SplitMix64(options.seed());
    }

    /**
     * Chooses a token.
     *
     * @param logits the scores, one for each token of the vocabulary
     * @param seen the tokens that have come before
     * @return the token
     * @throws IllegalStateException if there is none to choose, the scores being no numbers
     */
    int next(float[] logits, BitSet seen) {
        double[] scores = penalised(logits, seen);
        int best = best(scores);
        return options.temperature() == 0 ? best : distribution(scores, best).at(random.uniform());
    }

    /** What tokens are drawn from, after all filters. */
    Distribution distribution(float[] logits, BitSet seen) {
        double[] scores = penalised(logits, seen);
        return distribution(scores, best(scores));
    }

    private double[] penalised(float[] logits, BitSet seen) {
        double[] scores = new double[logits.length];
        for (int id = 0; id < scores.length; id++) {
            scores[id] = logits[id];
        }
        double penalty = options.repetitionPenalty();
        if (penalty != 1) {
            for (int id = seen.nextSetBit(0); id >= 0; id = seen.nextSetBit(id + 1)) {
                scores[id] = scores[id] < 0 ? scores[id] * penalty : scores[id] / penalty;
            }
        }
        return scores;
    }

    private static int best(double[] scores) {
        int best = -1;
        for (int id = 0; id < scores.length; id++) {
            if (Double.isNaN(scores[id]) || scores[id] == Double.POSITIVE_INFINITY) {
                throw new IllegalStateException(
                        "generation: the model's score of token "
                                + id
                                + " is "
                                + scores[id]
                                + "; its parameters or the state are not those of a sound model");
            }
            if (scores[id] > (best < 0 ? Double.NEGATIVE_INFINITY : scores[best])) {
                best = id;
            }
        }
        if (best < 0) {
            throw new IllegalStateException(
                    "generation: the model scores every token as minus infinity; its parameters or"
                            + " the state are not those of a sound model");
        }
        return best;
    }

    private Distribution distribution(double[] scores, int best) {
        double least =
                options.topK() == 0 ? Double.NEGATIVE_INFINITY : highest(scores, options.topK());
        int[] ids = new int[scores.length];
        double[] weights = new double[scores.length];
        int count = 0;
        for (int id = 0; id < scores.length; id++) {
            if (scores[id] >= least && scores[id] != Double.NEGATIVE_INFINITY) {
                ids[count] = id;
                // Relative to the highest, so that no temperature overflows.
                weights[count++] = Math.exp((scores[id] - scores[best]) / options.temperature());
            }
        }
        Distribution all =
                new Distribution(Arrays.copyOf(ids, count), Arrays.copyOf(weights, count));
        // The most probable token has weight 1 throughout.
        return all.withTopP(options.topP()).withLeast(options.minP());
    }

    /** The k-th highest score, or the lowest where there are fewer. */
    private static double highest(double[] scores, int k) {
        int size = Math.min(k, scores.length);
        // The k highest so far, as a heap whose first is the lowest of them.
        double[] heap = Arrays.copyOf(scores, size);
        for (int i = size / 2 - 1; i >= 0; i--) {
            sink(heap, i);
        }
        for (int i = size; i < scores.length; i++) {
            if (scores[i] > heap[0]) {
                heap[0] = scores[i];
                sink(heap, 0);
            }
        }
        return heap[0];
    }

    private static void sink(double[] heap, int from) {
        int parent = from;
        double value = heap[from];
        while (2 * parent + 1 < heap.length) {
            int child = 2 * parent + 1;
            if (child + 1 < heap.length && heap[child + 1] < heap[child]) {
                child++;
            }
            if (heap[child] >= value) {
                break;
            }
            heap[parent] = heap[child];
            parent = child;
        }
        heap[parent] = value;
    }

    /**
     * Tokens with their weights, which need not add up to 1.
     *
     * @param ids the tokens, ascending
     * @param weights the weight of each
     */
    record Distribution(int[] ids, double[] weights) {

        /** Leaves out the least probable, which together have at most 1 - p. */
        Distribution withTopP(double p) {
            if (p == 1) {
                return this;
            }
            double budget = (1 - p) * Arrays.stream(weights).sum();
            // Those with no more than an equal share of the budget go in any case: few need
            // sorting.
            double share = budget / weights.length;
            double spent = Arrays.stream(weights).filter(weight -> weight <= share).sum();
            double[] rest =
                    Arrays.stream(weights).filter(weight -> weight > share).sorted().toArray();
            int first = 0;
            while (first < rest.length - 1 && spent + rest[first] <= budget) {
                spent += rest[first++];
            }
            double least = rest[first];
            // Of equally probable ones those with the lowest ids stay.
            int equal = 0;
            for (int i = first; i < rest.length && rest[i] == least; i++) {
                equal++;
            }
            return only(least, equal);
        }

        /** Leaves out those with less than a weight. */
        Distribution withLeast(double least) {
            return least == 0 ? this : only(least, Integer.MAX_VALUE);
        }

        private Distribution only(double least, int equal) {
            int[] keptIds = new int[ids.length];
            double[] keptWeights = new double[ids.length];
            int count = 0;
            int left = equal;
            for (int i = 0; i < ids.length; i++) {
                if (weights[i] > least || (weights[i] == least && left-- > 0)) {
                    keptIds[count] = ids[i];
                    keptWeights[count++] = weights[i];
                }
            }
            return new Distribution(
                    Arrays.copyOf(keptIds, count), Arrays.copyOf(keptWeights, count));
        }

        /** The token at a place from 0 to 1 of their probabilities side by side. */
        int at(double place) {
            double left = place * Arrays.stream(weights).sum();
            for (int i = 0; i < ids.length - 1; i++) {
                left -= weights[i];
                if (left < 0) {
                    return ids[i];
                }
            }
            return ids[ids.length - 1];
        }
    }

    /**
     * SplitMix64 (Steele, Lea and Flood, 2014, figure 17). It is written out since the numbers must
     * not change with the JDK, whose generators are not all specified.
     */
    private static final class SplitMix64 {

        private long state;

        SplitMix64(long seed) {
            state = seed;
        }

        /** The next number, at least 0 and below 1. */
        double uniform() {
            state += 0x9E3779B97F4A7C15L;
            long mixed = (state ^ (state >>> 30)) * 0xBF58476D1CE4E5B9L;
            mixed = (mixed ^ (mixed >>> 27)) * 0x94D049BB133111EBL;
            return ((mixed ^ (mixed >>> 31)) >>> 11) * 0x1.0p-53;
        }
    }
}
