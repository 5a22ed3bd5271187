/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.task;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.types.Shape;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LinearRegressionTest {

    /** Bits computed by an implementation of both generators in another language. */
    @Test
    void drawsTheGoldenPrompts() {
        LinearRegression task = new LinearRegression(2, 3);
        IclPrompts first = task.sample(0, 0, 2);
        assertBits(
                first.weights().orElseThrow().values(),
                0xBF53AE5E,
                0x3E476E40,
                0x3FAEBE9E,
                0xBF35D1E0);
        assertBits(
                first.xs().values(),
                0x3E63C5B2,
                0x3F16179D,
                0xBF87527D,
                0x3FA8BE45,
                0xC0188F4B,
                0xBFF4203C,
                0x3CA39F5D,
                0x3F380A61,
                0x3BA3B747,
                0xBE6F7F9A,
                0xBEE57154,
                0x3F0FCD4F);
        assertBits(
                first.ys().values(),
                0xBD8ED42E,
                0x3F90C24E,
                0x3FCCC07C,
                0xBEF7766B,
                0x3E311598,
                0xBF815FF6);

        IclPrompts far = task.sample(-1, 1L << 40, 1);
        assertBits(far.weights().orElseThrow().values(), 0xBF163E85, 0x3FE18CFB);
        assertBits(
                far.xs().values(),
                0xBF41CE93,
                0xBDA83B4D,
                0xBF82EC70,
                0xBFCD85FE,
                0x3E5F1096,
                0xBF7A03BA);
        assertBits(far.ys().values(), 0x3E99605C, 0xC00EA8B2, 0xBFECA43C);
    }

    private static void assertBits(float[] actual, int... expected) {
        assertArrayEquals(
                expected,
                IntStream.range(0, actual.length)
                        .map(i -> Float.floatToRawIntBits(actual[i]))
                        .toArray());
    }

    @ParameterizedTest
    @CsvSource({"1", "7", "64", "100"})
    void doesNotDependOnTheBatchSize(int batch) {
        LinearRegression task = new LinearRegression(5, 11);
        IclPrompts whole = task.sample(3, 1000, 100);
        for (int first = 0; first < 100; first += batch) {
            int count = Math.min(batch, 100 - first);
            assertEquals(whole.slice(first, first + count), task.sample(3, 1000 + first, count));
        }
    }

    @Test
    void doesNotDependOnTheNumberOfThreads() throws Exception {
        LinearRegression task = new LinearRegression(5, 11);
        IclPrompts whole = task.sample(3, 0, 64);
        ExecutorService pool = Executors.newFixedThreadPool(8);
        try {
            List<Callable<IclPrompts>> jobs =
                    IntStream.range(0, 64)
                            .<Callable<IclPrompts>>mapToObj(k -> () -> task.sample(3, k, 1))
                            .toList();
            List<Future<IclPrompts>> results = pool.invokeAll(jobs);
            for (int k = 0; k < 64; k++) {
                assertEquals(whole.slice(k, k + 1), results.get(k).get());
            }
        } finally {
            pool.shutdown();
        }
    }

    @Test
    void smallerSizesOnlyTakeAway() {
        LinearRegression task = new LinearRegression(6, 10);
        IclPrompts full = task.sample(9, 5, 4);
        IclPrompts small = task.sample(9, 5, 4, 2, 7);
        assertEquals(new Shape(4, 7, 6), small.xs().shape());
        assertEquals(new Shape(4, 7), small.ys().shape());
        assertEquals(full.weights(), small.weights());
        float[] weights = full.weights().orElseThrow().values();
        for (int prompt = 0; prompt < 4; prompt++) {
            for (int i = 0; i < 7; i++) {
                double y = 0;
                for (int j = 0; j < 6; j++) {
                    float x = small.xs().values()[(prompt * 7 + i) * 6 + j];
                    assertEquals(j < 2 ? full.xs().values()[(prompt * 10 + i) * 6 + j] : 0f, x);
                    y += (double) x * weights[prompt * 6 + j];
                }
                assertEquals((float) y, small.ys().values()[prompt * 7 + i]);
            }
        }
    }

    @Test
    void inputsAndWeightsAreStandardNormalAndAnswersAreTheirProducts() {
        int dims = 8;
        int points = 20;
        int prompts = 2000;
        IclPrompts sample = new LinearRegression(dims, points).sample(11, 0, prompts);
        float[] xs = sample.xs().values();
        float[] weights = sample.weights().orElseThrow().values();
        assertStandardNormal(xs);
        assertStandardNormal(weights);
        for (int row = 0; row < prompts * points; row++) {
            double y = 0;
            double size = 0;
            for (int j = 0; j < dims; j++) {
                double product = (double) xs[row * dims + j] * weights[row / points * dims + j];
                y += product;
                size += Math.abs(product);
            }
            assertEquals(y, sample.ys().values()[row], size * 1e-7);
        }
        double correlation = 0;
        for (int row = 0; row < prompts * points; row++) {
            correlation += (double) xs[row * dims] * xs[row * dims + 1];
        }
        // Standard error 1 / sqrt(40,000) = 0.005.
        assertEquals(0, correlation / (prompts * points), 0.025);
    }

    private static void assertStandardNormal(float[] values) {
        double sum = 0;
        double squares = 0;
        double fourth = 0;
        for (float value : values) {
            double square = (double) value * value;
            sum += value;
            squares += square;
            fourth += square * square;
        }
        double n = values.length;
        // Five standard errors of each moment.
        assertEquals(0, sum / n, 5 / Math.sqrt(n));
        assertEquals(1, squares / n, 5 * Math.sqrt(2 / n));
        assertEquals(3, fourth / n, 5 * Math.sqrt(96 / n));
    }

    @Test
    void seedsDiffer() {
        LinearRegression task = new LinearRegression(3, 4);
        assertNotEquals(task.sample(0, 0, 1), task.sample(1, 0, 1));
        assertNotEquals(task.sample(0, 1, 1), task.sample(1, 0, 1));
    }

    @ParameterizedTest
    @CsvSource({
        "-1, 1, 3, 4, index of the first prompt",
        "9223372036854775807, 1, 3, 4, index of the first prompt",
        "0, 0, 3, 4, count of prompts must be at least 1",
        "0, 1, 0, 4, current dims must be from 1 to 3",
        "0, 1, 4, 4, current dims must be from 1 to 3",
        "0, 1, 3, 0, current points must be from 1 to 4",
        "0, 1, 3, 5, current points must be from 1 to 4",
        "0, 2147483647, 3, 4, do not fit in one array",
    })
    void namesTheWrongArgument(long first, int count, int dims, int points, String message) {
        LinearRegression task = new LinearRegression(3, 4);
        IllegalArgumentException error =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> task.sample(0, first, count, dims, points));
        assertTrue(error.getMessage().contains(message), error.getMessage());
    }

    @Test
    void refusesHugeAndEmptySizes() {
        assertThrows(IllegalArgumentException.class, () -> new LinearRegression(0, 1));
        assertThrows(IllegalArgumentException.class, () -> new LinearRegression(1, 0));
        LinearRegression huge = new LinearRegression(Integer.MAX_VALUE, Integer.MAX_VALUE);
        assertThrows(IllegalArgumentException.class, () -> huge.sample(0, 0, Integer.MAX_VALUE));
    }
}
