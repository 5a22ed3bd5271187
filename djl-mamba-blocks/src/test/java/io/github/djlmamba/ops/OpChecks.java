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
import static org.junit.jupiter.api.Assertions.assertThrows;

import ai.djl.engine.Engine;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/** What must hold for every differentiable op on every provider, one case at a time. */
public final class OpChecks {

    /** How near to the exact value results in double lie. */
    public static final Tolerance DOUBLE = Tolerance.ofLargest(1e-9);

    private static final double DIFFERENCE_STEP = 1e-5;
    private static final Tolerance DIFFERENCES = Tolerance.ofLargest(1e-6);
    private static final int REPETITIONS = 5;

    private OpChecks() {}

    /** The results are those of the loops. */
    public static void forward(
            OpsProvider provider, OpCase opCase, DataType type, Tolerance tolerance) {
        List<double[]> actual = results(provider, opCase, type);
        List<double[]> expected = opCase.forward(opCase.values());
        for (int i = 0; i < expected.size(); i++) {
            String what = opCase + " " + type + ": " + opCase.results().get(i);
            tolerance.check(what, expected.get(i), actual.get(i));
        }
    }

    /** The gradients in double are those of the naive form, for each part of the results. */
    public static void gradientsAsNaive(OpsProvider provider, OpCase opCase) {
        for (List<double[]> cotangents : functionals(opCase)) {
            compare(
                    opCase + ": gradient against the naive form's",
                    gradients(opCase, DataType.FLOAT64, opCase::naive, cotangents),
                    gradients(provider, opCase, DataType.FLOAT64, cotangents),
                    DOUBLE);
        }
    }

    /** The gradients in double are central differences, for each part of the results. */
    public static void gradientsAsDifferences(OpsProvider provider, OpCase opCase) {
        for (List<double[]> cotangents : functionals(opCase)) {
            compare(
                    opCase + ": gradient against central differences",
                    differences(opCase, cotangents),
                    gradients(provider, opCase, DataType.FLOAT64, cotangents),
                    DIFFERENCES);
        }
    }

    /** The gradients of a functional of all results are those of the loops. */
    public static void gradients(
            OpsProvider provider,
            OpCase opCase,
            DataType type,
            Function<String, Tolerance> tolerances) {
        List<double[]> cotangents = opCase.cotangents();
        Map<String, double[]> expected = opCase.backward(cotangents);
        Map<String, double[]> actual = gradients(provider, opCase, type, cotangents);
        expected.forEach(
                (name, values) ->
                        tolerances
                                .apply(name)
                                .check(
                                        opCase + " " + type + ": gradient of " + name,
                                        values,
                                        actual.get(name)));
    }

    /** The gradient of each input is the same, to the bit, where no other is asked for. */
    public static void gradientOfEachInputAlone(OpsProvider provider, OpCase opCase) {
        List<double[]> cotangents = opCase.cotangents();
        Map<String, double[]> all = gradients(provider, opCase, DataType.FLOAT64, cotangents);
        for (String name : opCase.inputs().keySet()) {
            Map<String, double[]> alone =
                    gradients(
                            opCase,
                            DataType.FLOAT64,
                            arrays -> opCase.run(provider, arrays),
                            cotangents,
                            Set.of(name));
            DOUBLE.check(
                    opCase + ": gradient of " + name + " alone", all.get(name), alone.get(name));
        }
    }

    /** Results and gradients are the same, to the bit, every time. */
    public static void repeats(OpsProvider provider, OpCase opCase, DataType type) {
        List<double[]> cotangents = opCase.cotangents();
        List<double[]> results = results(provider, opCase, type);
        Map<String, double[]> gradients = gradients(provider, opCase, type, cotangents);
        for (int i = 1; i < REPETITIONS; i++) {
            List<double[]> again = results(provider, opCase, type);
            for (int k = 0; k < results.size(); k++) {
                assertArrayEquals(
                        results.get(k),
                        again.get(k),
                        opCase + " " + type + ": repeated " + opCase.results().get(k));
            }
            gradients(provider, opCase, type, cotangents)
                    .forEach(
                            (name, values) ->
                                    assertArrayEquals(
                                            gradients.get(name),
                                            values,
                                            opCase
                                                    + " "
                                                    + type
                                                    + ": repeated gradient of "
                                                    + name));
        }
    }

    /** Results lie in the first input's manager, and no other manager gains an array. */
    public static void keepsManagersFlat(OpsProvider provider, OpCase opCase, int runs) {
        String first = opCase.inputs().keySet().iterator().next();
        try (NDManager manager = NDManager.newBaseManager()) {
            Map<String, NDArray> kept = opCase.arrays(manager, DataType.FLOAT32, Set.of());
            NDArray source = kept.remove(first);
            int held = manager.getManagedArrays().size();
            NDManager system = systemOf(manager);
            int heldBySystem = system.getManagedArrays().size();
            for (int i = 0; i < runs; i++) {
                try (NDManager scope = manager.newSubManager()) {
                    Map<String, NDArray> arrays = new LinkedHashMap<>(kept);
                    NDArray view = source.get("...");
                    view.attach(scope);
                    arrays.put(first, view);
                    List<NDArray> results =
                            i % 2 == 0
                                    ? opCase.run(provider, arrays)
                                    : GradientMode.off(() -> opCase.run(provider, arrays));
                    for (NDArray result : results) {
                        assertSame(scope, result.getManager(), opCase + ": manager of a result");
                    }
                }
            }
            assertEquals(held, manager.getManagedArrays().size(), opCase + ": arrays held");
            assertEquals(
                    heldBySystem, system.getManagedArrays().size(), opCase + ": system's arrays");
        }
    }

    /** Without recording, results are the same to the bit and carry no graph. */
    public static void unrecorded(OpsProvider provider, OpCase opCase) {
        try (NDManager manager = NDManager.newBaseManager();
                GradientCollector collector = Engine.getInstance().newGradientCollector()) {
            Map<String, NDArray> arrays =
                    opCase.arrays(manager, DataType.FLOAT32, opCase.inputs().keySet());
            List<NDArray> recorded = opCase.run(provider, arrays);
            List<NDArray> plain = GradientMode.off(() -> opCase.run(provider, arrays));
            NDArray functional = manager.zeros(new Shape());
            for (int i = 0; i < plain.size(); i++) {
                String what = opCase + ": " + opCase.results().get(i);
                assertArrayEquals(Sample.read(recorded.get(i)), Sample.read(plain.get(i)), what);
                functional = functional.add(recorded.get(i).sum());
                NDArray sum = plain.get(i).sum();
                assertThrows(
                        EngineException.class,
                        () -> collector.backward(sum),
                        what + " carries a graph");
            }
            collector.backward(functional);
        }
    }

    /** Runs the op without recording, and reads its results. */
    public static List<double[]> results(OpsProvider provider, OpCase opCase, DataType type) {
        try (NDManager manager = NDManager.newBaseManager()) {
            Map<String, NDArray> arrays = opCase.arrays(manager, type, Set.of());
            List<NDArray> results = GradientMode.off(() -> opCase.run(provider, arrays));
            List<double[]> read = new ArrayList<>();
            for (int i = 0; i < results.size(); i++) {
                NDArray result = results.get(i);
                String what = opCase + ": " + opCase.results().get(i);
                assertEquals(opCase.shapes().get(i), result.getShape(), what);
                // Results after the first are states.
                DataType own = i == 0 ? type : OpCase.parameterType(type);
                assertEquals(own, result.getDataType(), what);
                read.add(Sample.read(result));
            }
            return read;
        }
    }

    /** The gradients of all inputs on a provider. */
    public static Map<String, double[]> gradients(
            OpsProvider provider, OpCase opCase, DataType type, List<double[]> cotangents) {
        return gradients(opCase, type, arrays -> opCase.run(provider, arrays), cotangents);
    }

    private static Map<String, double[]> gradients(
            OpCase opCase,
            DataType type,
            Function<Map<String, NDArray>, List<NDArray>> op,
            List<double[]> cotangents) {
        return gradients(opCase, type, op, cotangents, opCase.inputs().keySet());
    }

    private static Map<String, double[]> gradients(
            OpCase opCase,
            DataType type,
            Function<Map<String, NDArray>, List<NDArray>> op,
            List<double[]> cotangents,
            Set<String> leaves) {
        try (NDManager manager = NDManager.newBaseManager();
                GradientCollector collector = Engine.getInstance().newGradientCollector()) {
            Map<String, NDArray> arrays = opCase.arrays(manager, type, leaves);
            List<NDArray> results = op.apply(arrays);
            // A leaf of its own keeps the backward pass legal where no result depends on an input.
            DataType wide = OpCase.parameterType(type);
            NDArray functional = manager.zeros(new Shape(), wide);
            functional.setRequiresGradient(true);
            for (int i = 0; i < results.size(); i++) {
                double[] cotangent = cotangents.get(i);
                if (cotangent != null) {
                    NDArray result = results.get(i);
                    if (result.getDataType() == DataType.UNKNOWN) {
                        result = Precision.FLOAT32.cast(result);
                    }
                    NDArray weights = Sample.create(manager, wide, cotangent, result.getShape());
                    functional = functional.add(result.mul(weights).sum());
                }
            }
            collector.backward(functional);
            Map<String, double[]> gradients = new LinkedHashMap<>();
            for (String name : leaves) {
                NDArray leaf = arrays.get(name);
                try (NDArray gradient = leaf.getGradient()) {
                    Shape shape = leaf.getShape();
                    assertEquals(shape, gradient.getShape(), opCase + ": gradient of " + name);
                    gradients.put(name, Sample.read(gradient));
                }
            }
            return gradients;
        }
    }

    /** The functionals that gradients are taken of: of all results, and of each one alone. */
    private static List<List<double[]>> functionals(OpCase opCase) {
        List<double[]> all = opCase.cotangents();
        List<List<double[]>> functionals = new ArrayList<>();
        functionals.add(all);
        for (int i = 0; i < all.size() && all.size() > 1; i++) {
            List<double[]> one = new ArrayList<>();
            for (int k = 0; k < all.size(); k++) {
                one.add(k == i ? all.get(k) : null);
            }
            functionals.add(one);
        }
        return functionals;
    }

    private static Map<String, double[]> differences(OpCase opCase, List<double[]> cotangents) {
        Map<String, double[]> gradients = new LinkedHashMap<>();
        opCase.inputs()
                .forEach(
                        (name, sample) -> {
                            double[] gradient = new double[sample.values().length];
                            Map<String, double[]> values = opCase.values();
                            double[] moved = sample.values().clone();
                            values.put(name, moved);
                            for (int i = 0; i < moved.length; i++) {
                                double at = moved[i];
                                moved[i] = at + DIFFERENCE_STEP;
                                double above = functional(opCase.forward(values), cotangents);
                                moved[i] = at - DIFFERENCE_STEP;
                                double below = functional(opCase.forward(values), cotangents);
                                moved[i] = at;
                                gradient[i] = (above - below) / (2 * DIFFERENCE_STEP);
                            }
                            gradients.put(name, gradient);
                        });
        return gradients;
    }

    private static double functional(List<double[]> results, List<double[]> cotangents) {
        double sum = 0;
        for (int i = 0; i < results.size(); i++) {
            double[] cotangent = cotangents.get(i);
            if (cotangent != null) {
                for (int k = 0; k < cotangent.length; k++) {
                    sum += cotangent[k] * results.get(i)[k];
                }
            }
        }
        return sum;
    }

    private static void compare(
            String what,
            Map<String, double[]> expected,
            Map<String, double[]> actual,
            Tolerance tolerance) {
        expected.forEach(
                (name, values) -> tolerance.check(what + ", " + name, values, actual.get(name)));
    }

    private static NDManager systemOf(NDManager manager) {
        NDManager parent = manager;
        while (parent.getParentManager() != null && parent.getParentManager() != parent) {
            parent = parent.getParentManager();
        }
        return parent;
    }
}
