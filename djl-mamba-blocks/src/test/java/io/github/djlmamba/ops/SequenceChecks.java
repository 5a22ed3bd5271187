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
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;

/**
 * What must hold for every op that runs along a sequence of shape (B, L, ...) from an initial state
 * to a final one.
 */
public final class SequenceChecks {

    private static final Tolerance CHAINED = Tolerance.ofLargest(1e-12);

    private SequenceChecks() {}

    /** Other inputs at step t and after change no bit of the output before t. */
    public static void causal(OpsProvider provider, OpCase opCase, DataType type) {
        Shape shape = opCase.shapes().get(0);
        int length = (int) shape.get(1);
        double[] whole = OpChecks.results(provider, opCase, type).get(0);
        Map<String, Sample> original = new LinkedHashMap<>(opCase.inputs());
        Random random = new Random(7);
        for (int t = 0; t < length; t++) {
            for (Map.Entry<String, Sample> input : original.entrySet()) {
                Sample sample = input.getValue();
                if (isSequence(input.getKey(), sample, length)) {
                    double[] values = sample.values().clone();
                    for (int i = 0; i < values.length; i++) {
                        if (stepOf(i, sample.shape()) >= t) {
                            values[i] = (float) random.nextDouble();
                        }
                    }
                    opCase.inputs().put(input.getKey(), sample.with(values));
                }
            }
            double[] changed = OpChecks.results(provider, opCase, type).get(0);
            boolean differs = false;
            for (int i = 0; i < whole.length; i++) {
                if (stepOf(i, shape) < t) {
                    assertEquals(whole[i], changed[i], opCase + ": output before step " + t);
                } else {
                    differs |= whole[i] != changed[i];
                }
            }
            assertTrue(differs, opCase + ": other inputs from step " + t + " change nothing");
            opCase.inputs().putAll(original);
        }
    }

    /** One NaN in an input reaches what the formula says, and no output before it. */
    public static void spreadsNaN(
            OpsProvider provider, OpCase opCase, DataType type, Tolerance tolerance) {
        Shape shape = opCase.shapes().get(0);
        int length = (int) shape.get(1);
        for (Map.Entry<String, Sample> input : new LinkedHashMap<>(opCase.inputs()).entrySet()) {
            String name = input.getKey();
            Sample sample = input.getValue();
            // A NaN in A times an absent state is left open.
            if (name.equals("a")) {
                continue;
            }
            int count = sample.values().length;
            for (int index : new int[] {0, count / 2, count - 1}) {
                opCase.inputs().put(name, sample.with(index, Double.NaN));
                OpChecks.forward(provider, opCase, type, tolerance);
                if (isSequence(name, sample, length)) {
                    double[] output = OpChecks.results(provider, opCase, type).get(0);
                    for (int i = 0; i < output.length; i++) {
                        if (stepOf(i, shape) < stepOf(index, sample.shape())) {
                            assertFalse(Double.isNaN(output[i]), opCase + ": NaN before its cause");
                        }
                    }
                }
            }
            opCase.inputs().put(name, sample);
        }
    }

    /**
     * A prefix and the rest from the prefix's final state give the values and gradients of the
     * whole.
     */
    public static void chained(OpsProvider provider, OpCase opCase, int cut) {
        List<double[]> cotangents = opCase.cotangents();
        Map<String, double[]> expected =
                OpChecks.gradients(provider, opCase, DataType.FLOAT64, cotangents);
        List<double[]> whole = OpChecks.results(provider, opCase, DataType.FLOAT64);
        try (NDManager manager = NDManager.newBaseManager();
                GradientCollector collector = Engine.getInstance().newGradientCollector()) {
            Map<String, NDArray> arrays =
                    opCase.arrays(manager, DataType.FLOAT64, opCase.inputs().keySet());
            int length = (int) opCase.shapes().get(0).get(1);
            List<NDArray> prefix = opCase.run(provider, steps(opCase, arrays, 0, cut));
            Map<String, NDArray> later = steps(opCase, arrays, cut, length);
            later.put("initialState", prefix.get(1));
            List<NDArray> rest = opCase.run(provider, later);
            NDArray output = prefix.get(0).concat(rest.get(0), 1);
            String what = opCase + " cut at " + cut + ": ";
            CHAINED.check(what + "output", whole.get(0), Sample.read(output));
            CHAINED.check(what + "final state", whole.get(1), Sample.read(rest.get(1)));
            collector.backward(
                    weighted(output, cotangents.get(0))
                            .add(weighted(rest.get(1), cotangents.get(1))));
            for (Map.Entry<String, double[]> input : expected.entrySet()) {
                try (NDArray gradient = arrays.get(input.getKey()).getGradient()) {
                    OpChecks.DOUBLE.check(
                            what + "gradient of " + input.getKey(),
                            input.getValue(),
                            Sample.read(gradient));
                }
            }
        }
    }

    /**
     * Packed sequences give the values and gradients of each by itself.
     *
     * @param single runs the op without packed sequences
     */
    public static void oneByOne(
            OpsProvider provider,
            OpCase opCase,
            PackedSequences packed,
            Function<Map<String, NDArray>, List<NDArray>> single) {
        List<double[]> cotangents = opCase.cotangents();
        Map<String, double[]> gradients =
                OpChecks.gradients(provider, opCase, DataType.FLOAT64, cotangents);
        List<double[]> results = OpChecks.results(provider, opCase, DataType.FLOAT64);
        try (NDManager manager = NDManager.newBaseManager();
                GradientCollector collector = Engine.getInstance().newGradientCollector()) {
            Map<String, NDArray> arrays =
                    opCase.arrays(manager, DataType.FLOAT64, opCase.inputs().keySet());
            NDArray functional = manager.zeros(new Shape(), DataType.FLOAT64);
            for (int row = 0; row < packed.batch(); row++) {
                for (int s = 0; s < packed.sequences(); s++) {
                    long begin = packed.begin(row, s);
                    long end = packed.end(row, s);
                    List<NDArray> own = single.apply(sequence(opCase, arrays, row, s, begin, end));
                    String what = opCase + ": sequence " + s + " of row " + row + ": ";
                    long[] from = {
                        row * packed.length() + begin, (long) row * packed.sequences() + s
                    };
                    for (int i = 0; i < 2; i++) {
                        NDArray result = own.get(i);
                        Shape shape = result.getShape();
                        // Entries of one token, or of one state.
                        long entry = shape.slice(2 - i).size();
                        int first = (int) (from[i] * entry);
                        int last = first + (int) shape.size();
                        CHAINED.check(
                                what + opCase.results().get(i),
                                Arrays.copyOfRange(results.get(i), first, last),
                                Sample.read(result));
                        functional =
                                functional.add(
                                        weighted(
                                                result,
                                                Arrays.copyOfRange(
                                                        cotangents.get(i), first, last)));
                    }
                }
            }
            collector.backward(functional);
            for (Map.Entry<String, double[]> input : gradients.entrySet()) {
                try (NDArray gradient = arrays.get(input.getKey()).getGradient()) {
                    OpChecks.DOUBLE.check(
                            opCase + ": gradient of " + input.getKey(),
                            Sample.read(gradient),
                            input.getValue());
                }
            }
        }
    }

    private static Map<String, NDArray> sequence(
            OpCase opCase, Map<String, NDArray> arrays, int row, int s, long begin, long end) {
        int length = (int) opCase.shapes().get(0).get(1);
        Map<String, NDArray> part = new LinkedHashMap<>(arrays);
        part.replaceAll(
                (name, array) -> {
                    if (name.equals("initialState")) {
                        return array.get("{}, {}:{}", row, s, s + 1);
                    }
                    return isSequence(name, opCase.inputs().get(name), length)
                            ? array.get("{}:{}, {}:{}", row, row + 1, begin, end)
                            : array;
                });
        return part;
    }

    /** Several threads at once get the bits that one gets. */
    public static void concurrent(OpsProvider provider, OpCase opCase) throws Exception {
        List<double[]> expected = OpChecks.results(provider, opCase, DataType.FLOAT32);
        ExecutorService threads = Executors.newFixedThreadPool(4);
        try {
            List<Future<?>> runs = new ArrayList<>();
            for (int i = 0; i < 16; i++) {
                runs.add(
                        threads.submit(
                                () -> {
                                    List<double[]> actual =
                                            OpChecks.results(provider, opCase, DataType.FLOAT32);
                                    for (int k = 0; k < actual.size(); k++) {
                                        assertArrayEquals(
                                                expected.get(k), actual.get(k), opCase + " " + k);
                                    }
                                }));
            }
            for (Future<?> run : runs) {
                run.get();
            }
        } finally {
            threads.shutdownNow();
        }
    }

    private static NDArray weighted(NDArray result, double[] cotangent) {
        NDArray weights =
                Sample.create(result.getManager(), DataType.FLOAT64, cotangent, result.getShape());
        return result.mul(weights).sum();
    }

    private static Map<String, NDArray> steps(
            OpCase opCase, Map<String, NDArray> arrays, int from, int to) {
        int length = (int) opCase.shapes().get(0).get(1);
        Map<String, NDArray> part = new LinkedHashMap<>(arrays);
        part.replaceAll(
                (name, array) ->
                        isSequence(name, opCase.inputs().get(name), length)
                                ? array.get(":, {}:{}", from, to)
                                : array);
        return part;
    }

    /** Whether an input has a step for each step of the output. */
    private static boolean isSequence(String name, Sample sample, int length) {
        return !Set.of("initialState", "weight", "a").contains(name)
                && sample.shape().dimension() >= 3
                && sample.shape().get(1) == length;
    }

    private static int stepOf(int index, Shape shape) {
        long below = Arrays.stream(shape.getShape()).skip(2).reduce(1, (x, y) -> x * y);
        return (int) (index / below % shape.get(1));
    }
}
