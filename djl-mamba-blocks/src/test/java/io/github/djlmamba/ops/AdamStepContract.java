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

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.pytorch.jni.JniUtils;
import io.github.djlmamba.ops.AdamModel.Kind;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What a provider's Adam step does to parameters, moments and gradients. */
public abstract class AdamStepContract {

    private static final Tolerance DOUBLE = Tolerance.ofLargest(1e-12);
    private static final Tolerance FLOAT = new Tolerance(2e-6, 0, 2e-6);

    /** The provider under test. */
    protected abstract OpsProvider provider();

    @Test
    void stepsAgreeWithTheFormula() {
        for (boolean decoupled : new boolean[] {false, true}) {
            for (double weightDecay : new double[] {0, 0.1}) {
                for (double maxNorm : new double[] {0, 0.5, 1e6}) {
                    for (double scale : new double[] {1, 0.25}) {
                        AdamStep.Options options =
                                new AdamStep.Options(
                                        1e-2,
                                        0.9,
                                        0.999,
                                        1e-8,
                                        weightDecay,
                                        decoupled,
                                        maxNorm,
                                        scale);
                        agree(options, DataType.FLOAT32, FLOAT);
                        agree(options, DataType.FLOAT64, DOUBLE);
                    }
                }
            }
        }
    }

    private void agree(AdamStep.Options options, DataType type, Tolerance tolerance) {
        try (NDManager manager = NDManager.newBaseManager()) {
            AdamModel model = mixed(manager, type);
            for (long step = 1; step <= 4; step++) {
                List<double[]> gradients = model.drawGradients(1);
                model.backward(gradients);
                double expected = model.expect(gradients, options, step);
                double norm = step(model, options, step);
                assertEquals(expected, norm, 1e-6 * expected, "norm with " + options);
                model.check(options + " " + type + " after step " + step, tolerance);
            }
        }
    }

    @Test
    void manyLargeParameters() {
        for (DataType type : List.of(DataType.FLOAT32, DataType.FLOAT64)) {
            try (NDManager manager = NDManager.newBaseManager()) {
                AdamModel model = large(manager, type);
                for (long step = 1; step <= 2; step++) {
                    List<double[]> gradients = model.drawGradients(0.1);
                    model.backward(gradients);
                    double expected = model.expect(gradients, adamW(1), step);
                    assertEquals(expected, step(model, adamW(1), step), 1e-6 * expected);
                    model.check("large " + type, type == DataType.FLOAT32 ? FLOAT : DOUBLE);
                }
            }
        }
    }

    @Test
    void gradientsOfMicroBatchesAddUp() {
        try (NDManager manager = NDManager.newBaseManager()) {
            AdamModel model = mixed(manager, DataType.FLOAT64);
            List<double[]> gradients = model.drawGradients(1);
            List<double[]> half = gradients.stream().map(AdamStepContract::halved).toList();
            model.backward(gradients);
            model.backward(gradients);
            model.backward(gradients);
            model.backward(half);
            AdamStep.Options quarter =
                    new AdamStep.Options(1e-2, 0.9, 0.999, 1e-8, 0.1, true, 0, 1 / 3.5);
            AdamStep.Options whole = new AdamStep.Options(1e-2, 0.9, 0.999, 1e-8, 0.1, true, 0, 1);
            double expected = model.expect(gradients, whole, 3);
            assertEquals(expected, step(model, quarter, 3), 1e-12 * expected);
            model.check("micro-batches", DOUBLE);
        }
    }

    @Test
    void gradientsAreZeroAfterwards() {
        for (double odd : new double[] {1, Double.NaN, Double.POSITIVE_INFINITY}) {
            try (NDManager manager = NDManager.newBaseManager()) {
                AdamModel model = mixed(manager, DataType.FLOAT32);
                List<double[]> gradients = model.drawGradients(1);
                gradients.get(2)[1] = odd;
                model.backward(gradients);
                step(model, adamW(1), 1);
                for (double[] gradient : model.gradients()) {
                    assertArrayEquals(new double[gradient.length], gradient, "after " + odd);
                }
            }
        }
    }

    @Test
    void aNormThatIsNotFiniteChangesNothing() {
        for (DataType type : List.of(DataType.FLOAT32, DataType.FLOAT64)) {
            for (double odd :
                    new double[] {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY}) {
                for (double maxNorm : new double[] {0, 1}) {
                    try (NDManager manager = NDManager.newBaseManager()) {
                        AdamModel model = mixed(manager, type);
                        List<double[]> before = model.state();
                        List<double[]> gradients = model.drawGradients(1);
                        gradients.get(3)[2] = odd;
                        model.backward(gradients);
                        double norm = step(model, adamW(maxNorm), 5);
                        assertFalse(Double.isFinite(norm), "norm with " + odd + ": " + norm);
                        assertSame(before, model.state(), "after a gradient of " + odd);
                    }
                }
            }
        }
    }

    @Test
    void largeGradientsInSinglePrecisionHaveAFiniteNorm() {
        try (NDManager manager = NDManager.newBaseManager()) {
            AdamModel model = mixed(manager, DataType.FLOAT32);
            List<double[]> gradients = model.drawGradients(1e30);
            model.backward(gradients);
            double expected = model.expect(gradients, adamW(1), 1);
            assertEquals(expected, step(model, adamW(1), 1), 1e-6 * expected);
            model.check("gradients of 1e30, clipped", FLOAT);
        }
    }

    @Test
    void frozenParametersStay() {
        try (NDManager manager = NDManager.newBaseManager()) {
            AdamModel model =
                    new AdamModel(DataType.FLOAT32, 5)
                            .add(manager, Kind.FROZEN, Layout.CONTIGUOUS, 3, 4)
                            .add(manager, Kind.FROZEN, Layout.CONTIGUOUS, 7);
            List<double[]> before = model.state();
            assertEquals(0, step(model, adamW(1), 1));
            assertSame(before, model.state(), "frozen");
        }
    }

    @Test
    void stepsFromOneStateAreTheSameToTheBit() {
        for (DataType type : List.of(DataType.FLOAT32, DataType.FLOAT64)) {
            try (NDManager manager = NDManager.newBaseManager()) {
                List<double[]> first = null;
                for (int run = 0; run < 3; run++) {
                    AdamModel model = large(manager, type);
                    for (long step = 1; step <= 2; step++) {
                        model.backward(model.drawGradients(1));
                        step(model, adamW(1), step);
                    }
                    first = first == null ? model.state() : first;
                    assertSame(first, model.state(), "run " + run + " in " + type);
                }
            }
        }
    }

    @Test
    void noParametersAreNoWork() {
        assertEquals(0, AdamStep.of(List.of(), adamW(1), 1).run());
        assertEquals(0, provider().adamStep(AdamStep.of(List.of(), adamW(1), 1)));
    }

    @Test
    void leavesTheGradientModeAndTheManagersAsTheyWere() {
        try (NDManager manager = NDManager.newBaseManager()) {
            AdamModel model = mixed(manager, DataType.FLOAT32);
            boolean mode = JniUtils.isGradMode();
            model.backward(model.drawGradients(1));
            step(model, adamW(1), 1);
            int held = manager.getManagedArrays().size();
            for (long step = 2; step < 100; step++) {
                model.backward(model.drawGradients(1));
                step(model, adamW(1), step);
            }
            assertEquals(held, manager.getManagedArrays().size(), "arrays held");
            assertEquals(mode, JniUtils.isGradMode());
            assertTrue(GradientMode.on(() -> stepAndTellMode(model)), "recording before and after");
            assertFalse(GradientMode.off(() -> stepAndTellMode(model)), "not recording");
        }
    }

    private boolean stepAndTellMode(AdamModel model) {
        step(model, adamW(1), 100);
        return JniUtils.isGradMode();
    }

    private double step(AdamModel model, AdamStep.Options options, long number) {
        AdamStep step = AdamStep.of(model.slots(), options, number);
        step.check();
        return provider().adamStep(step);
    }

    private static AdamStep.Options adamW(double maxNorm) {
        return new AdamStep.Options(1e-2, 0.9, 0.999, 1e-8, 0.1, true, maxNorm, 1);
    }

    private static double[] halved(double[] gradient) {
        if (gradient == null) {
            return null;
        }
        double[] halved = new double[gradient.length];
        for (int i = 0; i < halved.length; i++) {
            halved[i] = gradient[i] / 2;
        }
        return halved;
    }

    private static AdamModel mixed(NDManager manager, DataType type) {
        return new AdamModel(type, 17)
                .add(manager, Kind.DECAYED, Layout.CONTIGUOUS)
                .add(manager, Kind.PLAIN, Layout.CONTIGUOUS, 1)
                .add(manager, Kind.DECAYED, Layout.CONTIGUOUS, 5)
                .add(manager, Kind.DECAYED, Layout.CONTIGUOUS, 3, 4)
                .add(manager, Kind.PLAIN, Layout.CONTIGUOUS, 2, 3, 4)
                .add(manager, Kind.FROZEN, Layout.CONTIGUOUS, 6)
                .add(manager, Kind.UNREACHED, Layout.CONTIGUOUS, 7)
                .add(manager, Kind.PLAIN, Layout.CONTIGUOUS, 0, 3)
                .add(manager, Kind.DECAYED, Layout.TRANSPOSED, 6, 7)
                .add(manager, Kind.DECAYED, Layout.SLICED, 6, 7)
                .add(manager, Kind.DECAYED, Layout.CONTIGUOUS, 1003);
    }

    private static AdamModel large(NDManager manager, DataType type) {
        AdamModel model = new AdamModel(type, 23);
        for (int i = 0; i < 24; i++) {
            model.add(
                    manager,
                    i % 3 == 0 ? Kind.PLAIN : Kind.DECAYED,
                    Layout.CONTIGUOUS,
                    i % 5 == 0 ? 12_289 : 17 + 311 * i);
        }
        return model;
    }

    private static void assertSame(List<double[]> expected, List<double[]> actual, String what) {
        for (int i = 0; i < expected.size(); i++) {
            assertArrayEquals(expected.get(i), actual.get(i), what + ", array " + i);
        }
    }
}
