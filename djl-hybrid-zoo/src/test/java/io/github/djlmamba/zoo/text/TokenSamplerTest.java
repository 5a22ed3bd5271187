/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class TokenSamplerTest {

    private static final GenerationOptions SAMPLED = GenerationOptions.DEFAULTS.withTemperature(1);
    private static final double NONE = Double.NEGATIVE_INFINITY;

    @Test
    void greedyTakesTheFirstOfTheHighest() {
        TokenSampler sampler = new TokenSampler(GenerationOptions.DEFAULTS);
        assertEquals(1, sampler.next(new float[] {-3, 2, 2, 1}, new BitSet()));
        assertEquals(0, sampler.next(new float[] {-3, -4}, new BitSet()));
        assertEquals(
                1,
                sampler.next(
                        new float[] {Float.NEGATIVE_INFINITY, -1e30f, Float.NEGATIVE_INFINITY},
                        new BitSet()));
    }

    @Test
    void theRepetitionPenaltyLowersWhatHasCome() {
        GenerationOptions options = GenerationOptions.DEFAULTS.withRepetitionPenalty(2);
        BitSet seen = new BitSet();
        seen.set(0);
        seen.set(2);
        TokenSampler sampler = new TokenSampler(options);
        // 3 becomes 1.5, which is below 2; -1 becomes -2, which is below -1.5.
        assertEquals(1, sampler.next(new float[] {3, 2, -1}, seen));
        assertEquals(1, sampler.next(new float[] {-1, -1.5f, -1}, seen));
        assertEquals(0, sampler.next(new float[] {3, 1.4f, -1}, seen));
    }

    /** The filters one by one and together, against the library's rules applied as they read. */
    @Test
    void filtersAreThoseOfAPlainComputation() {
        Random random = new Random(5);
        int checked = 0;
        for (int round = 0; round < 400; round++) {
            int size = 1 + random.nextInt(60);
            float[] logits = new float[size];
            for (int i = 0; i < size; i++) {
                // Rounded in every second round, so that there are equal ones.
                logits[i] = (float) random.nextGaussian() * 3;
                logits[i] = round % 2 == 0 ? logits[i] : Math.round(logits[i]);
            }
            BitSet seen = new BitSet();
            IntStream.range(0, size).filter(i -> random.nextInt(4) == 0).forEach(seen::set);
            GenerationOptions options =
                    SAMPLED.withTemperature(0.2 + random.nextDouble() * 2)
                            .withTopK(random.nextBoolean() ? 0 : 1 + random.nextInt(70))
                            .withTopP(random.nextBoolean() ? 1 : 0.05 + 0.95 * random.nextDouble())
                            .withMinP(random.nextBoolean() ? 0 : 0.3 * random.nextDouble())
                            .withRepetitionPenalty(
                                    random.nextBoolean() ? 1 : 0.5 + random.nextDouble());
            double[] expected = plain(logits, seen, options);
            double[] actual = new double[size];
            TokenSampler.Distribution result = new TokenSampler(options).distribution(logits, seen);
            double total = Arrays.stream(result.weights()).sum();
            for (int i = 0; i < result.ids().length; i++) {
                actual[result.ids()[i]] = result.weights()[i] / total;
            }
            assertArrayEquals(expected, actual, 1e-9, options + " " + Arrays.toString(logits));
            checked += result.ids().length < size ? 1 : 0;
        }
        assertTrue(checked > 200, "the filters have left something out in " + checked + " rounds");
    }

    private static double[] plain(float[] logits, BitSet seen, GenerationOptions options) {
        int size = logits.length;
        double[] scores = new double[size];
        for (int i = 0; i < size; i++) {
            double score = logits[i];
            if (seen.get(i)) {
                score =
                        score < 0
                                ? score * options.repetitionPenalty()
                                : score / options.repetitionPenalty();
            }
            scores[i] = score / options.temperature();
        }
        if (options.topK() > 0) {
            double[] sorted = scores.clone();
            Arrays.sort(sorted);
            double least = sorted[Math.max(0, size - options.topK())];
            for (int i = 0; i < size; i++) {
                scores[i] = scores[i] < least ? NONE : scores[i];
            }
        }
        double[] probabilities = softmax(scores);
        List<Integer> ascending = new ArrayList<>(IntStream.range(0, size).boxed().toList());
        // Of equal ones the highest id goes first.
        ascending.sort(
                Comparator.<Integer>comparingDouble(i -> probabilities[i])
                        .thenComparing(Comparator.reverseOrder()));
        double sum = 0;
        for (int i : ascending.subList(0, size - 1)) {
            sum += probabilities[i];
            if (sum <= 1 - options.topP()) {
                scores[i] = NONE;
            }
        }
        double[] left = softmax(scores);
        double best = Arrays.stream(left).max().orElseThrow();
        for (int i = 0; i < size; i++) {
            scores[i] = left[i] < options.minP() * best ? NONE : scores[i];
        }
        return softmax(scores);
    }

    private static double[] softmax(double[] scores) {
        double best = Arrays.stream(scores).max().orElseThrow();
        double[] exp = Arrays.stream(scores).map(score -> Math.exp(score - best)).toArray();
        double sum = Arrays.stream(exp).sum();
        return Arrays.stream(exp).map(value -> value / sum).toArray();
    }

    @Test
    void extremeSettingsLeaveTheBest() {
        float[] logits = {0.1f, 3e38f, -3e38f, 2};
        for (GenerationOptions options :
                List.of(
                        SAMPLED.withTemperature(1e-300),
                        SAMPLED.withTopK(1),
                        SAMPLED.withTopP(Double.MIN_VALUE),
                        SAMPLED.withMinP(1))) {
            assertEquals(
                    1, new TokenSampler(options).next(logits, new BitSet()), options::toString);
        }
        float[] equal = {1, 1, 1};
        assertEquals(
                List.of(0, 1, 2),
                IntStream.range(0, 200)
                        .map(
                                seed ->
                                        new TokenSampler(SAMPLED.withSeed(seed))
                                                .next(equal, new BitSet()))
                        .distinct()
                        .sorted()
                        .boxed()
                        .toList());
    }

    /** Chi-square of what is drawn, for one long stream and for the first of many seeds. */
    @Test
    void tokensAreDrawnByTheirProbability() {
        float[] logits = {1, 0, -1, 2, 0.5f, -2, 1.5f, Float.NEGATIVE_INFINITY};
        GenerationOptions options = SAMPLED.withTemperature(1.3).withTopK(6);
        double[] expected = plain(logits, new BitSet(), options);
        int draws = 200_000;
        int[] stream = new int[logits.length];
        int[] seeds = new int[logits.length];
        TokenSampler sampler = new TokenSampler(options.withSeed(3));
        for (int i = 0; i < draws; i++) {
            stream[sampler.next(logits, new BitSet())]++;
            seeds[new TokenSampler(options.withSeed(i)).next(logits, new BitSet())]++;
        }
        for (int[] counts : List.of(stream, seeds)) {
            double chiSquare = 0;
            for (int i = 0; i < counts.length; i++) {
                if (expected[i] == 0) {
                    assertEquals(0, counts[i]);
                } else {
                    double mean = expected[i] * draws;
                    chiSquare += (counts[i] - mean) * (counts[i] - mean) / mean;
                }
            }
            // The 99.9% quantile of chi-square with 5 degrees of freedom; the seeds are fixed.
            assertTrue(chiSquare < 20.5, "chi-square is " + chiSquare);
        }
    }

    @Test
    void aSeedGivesTheSameTokensEverywhere() {
        float[] logits = new float[100];
        TokenSampler sampler = new TokenSampler(SAMPLED.withSeed(42));
        int[] drawn = IntStream.range(0, 8).map(i -> sampler.next(logits, new BitSet())).toArray();
        // SplitMix64 of seed 42 starts with 13679457532755275413, 2949826092126892291, ...
        assertEquals(74, drawn[0]);
        assertEquals(15, drawn[1]);
        TokenSampler again = new TokenSampler(SAMPLED.withSeed(42));
        assertArrayEquals(
                drawn, IntStream.range(0, 8).map(i -> again.next(logits, new BitSet())).toArray());
    }

    @Test
    void scoresThatAreNoNumbersAreRefused() {
        TokenSampler sampler = new TokenSampler(SAMPLED);
        float none = Float.NEGATIVE_INFINITY;
        assertThrows(
                IllegalStateException.class,
                () -> sampler.next(new float[] {1, Float.NaN}, new BitSet()));
        assertThrows(
                IllegalStateException.class,
                () -> sampler.next(new float[] {1, Float.POSITIVE_INFINITY}, new BitSet()));
        assertThrows(
                IllegalStateException.class,
                () -> sampler.next(new float[] {none, none}, new BitSet()));
    }
}
