/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.DoubleSupplier;
import java.util.stream.DoubleStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What a provider's growing sequences are: the values, whoever else appends, and the gradients. */
public abstract class SequenceAppendContract {

    private final NDManager manager = NDManager.newBaseManager();

    /** The provider under test. */
    protected abstract OpsProvider provider();

    @AfterEach
    void close() {
        manager.close();
    }

    private NDArray append(NDArray past, NDArray more) {
        SequenceAppend append = SequenceAppend.of(past, more);
        append.check();
        return provider().sequenceAppend(append);
    }

    private NDArray draw(DataType type, long... sizes) {
        return manager.randomNormal(0, 1, new Shape(sizes), type);
    }

    /** Any sequence of appends, to the newest and to older ones, gives what joining gives. */
    @Test
    void everyHistoryGivesWhatJoiningGives() {
        for (int round = 0; round < Effort.of(200, 40); round++) {
            Random random = new Random(round);
            DataType type = random.nextBoolean() ? DataType.FLOAT32 : DataType.FLOAT64;
            int batch = 1 + random.nextInt(3);
            long[] rest = random.nextBoolean() ? new long[] {3, 2} : new long[] {5};
            List<NDArray> sequences = new ArrayList<>();
            List<double[]> expected = new ArrayList<>();
            sequences.add(draw(type, sizes(batch, 1 + random.nextInt(4), rest)));
            expected.add(Sample.read(sequences.get(0)));
            for (int step = 0; step < 120; step++) {
                int at =
                        random.nextInt(4) == 0
                                ? random.nextInt(sequences.size())
                                : sequences.size() - 1;
                NDArray past = sequences.get(at);
                NDArray more = draw(type, sizes(batch, random.nextInt(4), rest));
                if (random.nextInt(8) == 0 && past.getShape().get(1) > 2) {
                    past = past.get(":, 2:");
                }
                NDArray longer = append(past, more);
                NDArray joined = past.concat(more, 1);
                assertEquals(joined.getShape(), longer.getShape());
                sequences.add(longer);
                expected.add(Sample.read(joined));
            }
            for (int i = 0; i < sequences.size(); i++) {
                assertArrayEquals(expected.get(i), Sample.read(sequences.get(i)), round + ": " + i);
            }
        }
    }

    private static long[] sizes(long batch, long length, long... rest) {
        long[] sizes = new long[rest.length + 2];
        sizes[0] = batch;
        sizes[1] = length;
        System.arraycopy(rest, 0, sizes, 2, rest.length);
        return sizes;
    }

    @Test
    void stridedAndEmptyInputs() {
        NDArray wide = draw(DataType.FLOAT32, 2, 6, 3, 9);
        NDArray past = wide.get(":, :2, :, 1:5");
        NDArray more = wide.get(":, 2:, :, 4:8");
        assertArrayEquals(past.concat(more, 1).toFloatArray(), append(past, more).toFloatArray());
        NDArray transposed = wide.transpose(0, 1, 3, 2);
        NDArray twice = append(append(transposed, transposed), transposed);
        assertArrayEquals(
                transposed.concat(transposed, 1).concat(transposed, 1).toFloatArray(),
                twice.toFloatArray());
        for (Shape shape : List.of(new Shape(2, 0, 3), new Shape(0, 4, 3), new Shape(2, 4, 0))) {
            NDArray empty = manager.zeros(shape);
            assertEquals(empty.concat(empty, 1).getShape(), append(empty, empty).getShape());
        }
        NDArray none = manager.zeros(new Shape(2, 0, 3, 9));
        assertArrayEquals(wide.toFloatArray(), append(none, wide).toFloatArray());
        assertArrayEquals(wide.toFloatArray(), append(wide, none).toFloatArray());
    }

    @Test
    void bfloat16() {
        Bfloat16Checks.assumeAvailable();
        NDArray past = Precision.BFLOAT16.cast(draw(DataType.FLOAT32, 2, 3, 4));
        NDArray more = Precision.BFLOAT16.cast(draw(DataType.FLOAT32, 2, 2, 4));
        double[] expected =
                Sample.read(
                        Precision.FLOAT32
                                .cast(past)
                                .concat(Precision.FLOAT32.cast(more), 1)
                                .concat(Precision.FLOAT32.cast(more), 1));
        assertArrayEquals(expected, Sample.read(append(append(past, more), more)));
    }

    @Test
    void gradientsReachBothAndNothingIsShared() {
        NDArray past = append(draw(DataType.FLOAT64, 1, 2, 3), draw(DataType.FLOAT64, 1, 1, 3));
        NDArray more = draw(DataType.FLOAT64, 1, 2, 3);
        more.setRequiresGradient(true);
        NDArray weights = draw(DataType.FLOAT64, 1, 5, 3);
        try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
            NDArray longer = append(past, more);
            GradientMode.off(() -> append(past, weights.get(":, :2")));
            collector.backward(longer.mul(longer).mul(weights).sum());
        }
        NDArray expected = weights.get(":, 3:").mul(more).mul(2);
        assertArrayEquals(expected.toDoubleArray(), more.getGradient().toDoubleArray(), 1e-12);
    }

    /** Threads that append to one array get each its own. */
    @Test
    void severalThreadsAppendToOne() throws Exception {
        NDArray start = append(draw(DataType.FLOAT32, 2, 5, 4), draw(DataType.FLOAT32, 2, 1, 4));
        double[] before = Sample.read(start);
        ExecutorService threads = Executors.newFixedThreadPool(4);
        try {
            for (int round = 0; round < 50; round++) {
                List<Future<double[]>> runs = new ArrayList<>();
                for (int thread = 0; thread < 4; thread++) {
                    int number = thread;
                    runs.add(
                            threads.submit(
                                    () -> GradientMode.off(() -> appendNumber(start, number))));
                }
                for (int thread = 0; thread < 4; thread++) {
                    double[] longer = runs.get(thread).get();
                    for (int row = 0; row < 2; row++) {
                        double[] expected =
                                DoubleStream.concat(
                                                Arrays.stream(before, row * 24, row * 24 + 24),
                                                DoubleStream.generate(fixed(thread)).limit(4))
                                        .toArray();
                        assertArrayEquals(
                                expected, Arrays.copyOfRange(longer, row * 28, row * 28 + 28));
                    }
                }
            }
        } finally {
            threads.shutdownNow();
        }
    }

    private static DoubleSupplier fixed(double value) {
        return () -> value;
    }

    private double[] appendNumber(NDArray start, int number) {
        try (NDManager own = NDManager.newBaseManager()) {
            return Sample.read(
                    append(start, own.full(new Shape(2, 1, 4), number, DataType.FLOAT32)));
        }
    }

    @Test
    void resultsLieInTheManagerOfMore() {
        NDArray past = draw(DataType.FLOAT32, 2, 3, 4);
        try (NDManager scope = manager.newSubManager()) {
            NDArray more = scope.ones(new Shape(2, 1, 4));
            for (int i = 0; i < 3; i++) {
                assertSame(scope, append(past, more).getManager());
            }
            assertEquals(4, scope.getManagedArrays().size());
        }
    }
}
