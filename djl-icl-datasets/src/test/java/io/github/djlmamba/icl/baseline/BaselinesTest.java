/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.baseline;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.types.Shape;
import io.github.djlmamba.icl.task.FloatArray;
import io.github.djlmamba.icl.task.IclPrompts;
import io.github.djlmamba.icl.task.IclTask;
import io.github.djlmamba.icl.task.LinearRegression;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ForkJoinPool;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class BaselinesTest {

    private static final IclTask TASK = new LinearRegression(5, 12);

    static List<String> names() {
        return Baselines.names();
    }

    private static double[][] gaussians(Random random, int rows, int columns) {
        return IntStream.range(0, rows)
                .mapToObj(i -> random.doubles(columns).map(x -> random.nextGaussian()).toArray())
                .toArray(double[][]::new);
    }

    @Test
    void knowsEachBaselineByItsOwnName() {
        assertEquals(
                List.of("zero", "averaging", "3-nearest-neighbours", "least-squares"),
                Baselines.names());
        Baselines.names().forEach(name -> assertEquals(name, Baselines.of(name).name()));
        assertEquals(
                "There is no baseline called 3-NN. The known baselines are: zero, averaging, 3-nearest-neighbours, least-squares.",
                assertThrows(IllegalArgumentException.class, () -> Baselines.of("3-NN"))
                        .getMessage());
    }

    @ParameterizedTest
    @MethodSource("names")
    void predictsZeroWithoutExamples(String name) {
        for (double[] predictions : Baselines.of(name).predict(TASK.sample(1, 0, 20))) {
            assertEquals(12, predictions.length);
            assertEquals(0, predictions[0]);
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void looksAtNoLaterAnswerAndNoLaterInput(String name) {
        Random random = new Random(2);
        double[][] xs = gaussians(random, 12, 5);
        double[] ys = random.doubles(12).toArray();
        double[] expected = Baselines.of(name).predict(xs, ys);
        for (int i = 0; i < 12; i++) {
            double[][] otherXs = Arrays.stream(xs).map(double[]::clone).toArray(double[][]::new);
            double[] otherYs = ys.clone();
            for (int later = i; later < 12; later++) {
                otherYs[later] = 1e3;
                if (later > i) {
                    Arrays.fill(otherXs[later], -7);
                }
            }
            double[] actual = Baselines.of(name).predict(otherXs, otherYs);
            assertArrayEquals(Arrays.copyOf(expected, i + 1), Arrays.copyOf(actual, i + 1));
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void doesNotDependOnTheNumberOfThreads(String name) throws Exception {
        IclPrompts prompts = TASK.sample(3, 0, 40);
        double[][] expected = Baselines.of(name).predict(prompts);
        for (int threads : new int[] {1, 7}) {
            ForkJoinPool pool = new ForkJoinPool(threads);
            try {
                assertArrayEquals(
                        expected, pool.submit(() -> Baselines.of(name).predict(prompts)).get());
            } finally {
                pool.shutdown();
            }
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void refusesVectorAnswers(String name) {
        IclPrompts vectors =
                new IclPrompts(
                        new FloatArray(new float[6], new Shape(1, 3, 2)),
                        new FloatArray(new float[6], new Shape(1, 3, 2)),
                        Map.of());
        assertThrows(IllegalArgumentException.class, () -> Baselines.of(name).predict(vectors));
    }

    @Test
    void averagingByHand() {
        double[][] xs = {{1, 2}, {3, -1}, {2, 2}, {1, 0}};
        double[] ys = {2, 4, -1, 100};
        // Sums of y x: (2, 4), (14, 0), (12, -2).
        assertArrayEquals(
                new double[] {0, (2 * 3 - 4) / 1.0, (14 * 2) / 2.0, 12 / 3.0},
                new AveragingBaseline().predict(xs, ys),
                1e-15);
    }

    @Test
    void nearestNeighboursByBruteForce() {
        Random random = new Random(4);
        for (int neighbours : new int[] {1, 3, 5}) {
            double[][] xs = gaussians(random, 30, 4);
            double[] ys = random.doubles(30).toArray();
            double[] actual = new NearestNeighboursBaseline(neighbours).predict(xs, ys);
            for (int i = 1; i < 30; i++) {
                double[] point = xs[i];
                double expected =
                        IntStream.range(0, i)
                                .boxed()
                                .sorted(
                                        Comparator.comparingDouble(
                                                k -> squaredDistance(xs[k], point)))
                                .limit(neighbours)
                                .mapToDouble(k -> ys[k])
                                .average()
                                .orElseThrow();
                assertEquals(expected, actual[i], 1e-12);
            }
        }
        assertThrows(IllegalArgumentException.class, () -> new NearestNeighboursBaseline(0));
    }

    private static double squaredDistance(double[] one, double[] other) {
        return IntStream.range(0, one.length)
                .mapToDouble(j -> (one[j] - other[j]) * (one[j] - other[j]))
                .sum();
    }

    @Test
    void zeroScoresOnePerDimension() {
        IclPrompts prompts = TASK.sample(6, 0, 4000);
        double sum = 0;
        for (float y : prompts.ys().values()) {
            sum += TASK.metric().score(0, y);
        }
        // Prompts are independent, their 12 points are not: a standard error of at most sqrt((2 +
        // 6/5) / 4000) = 0.028.
        assertEquals(1, sum / prompts.ys().values().length, 0.1);
    }

    @Test
    void fittingThousandsOfTinyModelsTakesSeconds() {
        // 1280 prompts of 41 points are 51,200 fits.
        IclPrompts prompts = new LinearRegression(20, 41).sample(0, 0, 1280);
        long start = System.nanoTime();
        Baselines.names().forEach(name -> Baselines.of(name).predict(prompts));
        double seconds = (System.nanoTime() - start) / 1e9;
        assertTrue(seconds < 60, "took " + seconds + " s");
    }
}
