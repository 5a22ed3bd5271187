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
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What a provider's linear projection computes: values, gradients, determinism. */
public abstract class LinearContract {

    private static final Tolerance FLOAT = Tolerance.ofLargest(1e-5);

    /** The provider under test. */
    protected abstract OpsProvider provider();

    @Test
    void valuesOfEveryRankAndSize() {
        for (LinearCase linear : cases()) {
            OpChecks.forward(provider(), linear, DataType.FLOAT32, FLOAT);
            OpChecks.forward(provider(), linear, DataType.FLOAT64, OpChecks.DOUBLE);
        }
    }

    @Test
    void gradientsOfEveryRankAndSize() {
        for (LinearCase linear : cases()) {
            OpChecks.gradients(provider(), linear, DataType.FLOAT64, name -> OpChecks.DOUBLE);
            OpChecks.gradients(provider(), linear, DataType.FLOAT32, name -> FLOAT);
        }
    }

    @Test
    void gradientsAgreeWithTheNaiveFormAndCentralDifferences() {
        for (Shape leading : leadingShapes()) {
            for (boolean bias : new boolean[] {false, true}) {
                LinearCase linear = new LinearCase(leading, 5, 3, bias, Layout.CONTIGUOUS);
                OpChecks.gradientsAsNaive(provider(), linear);
                OpChecks.gradientsAsDifferences(provider(), linear);
            }
        }
    }

    @Test
    void everyLayout() {
        for (Layout layout : Layout.values()) {
            for (Shape leading : leadingShapes()) {
                LinearCase linear = new LinearCase(leading, 33, 18, true, layout);
                OpChecks.forward(provider(), linear, DataType.FLOAT32, FLOAT);
                OpChecks.forward(provider(), linear, DataType.FLOAT64, OpChecks.DOUBLE);
                OpChecks.gradients(provider(), linear, DataType.FLOAT64, name -> OpChecks.DOUBLE);
                OpChecks.gradients(provider(), linear, DataType.FLOAT32, name -> FLOAT);
            }
        }
    }

    @Test
    void emptyBatches() {
        for (Shape leading : List.of(new Shape(0), new Shape(0, 3), new Shape(2, 0, 3))) {
            for (boolean bias : new boolean[] {false, true}) {
                LinearCase linear = new LinearCase(leading, 6, 4, bias, Layout.CONTIGUOUS);
                assertTrue(linear.shapes().get(0).size() == 0, linear.toString());
                OpChecks.forward(provider(), linear, DataType.FLOAT32, FLOAT);
                OpChecks.gradients(provider(), linear, DataType.FLOAT64, name -> OpChecks.DOUBLE);
            }
        }
    }

    @Test
    void valuesAndGradientsInBfloat16() {
        Bfloat16Checks.assumeAvailable();
        for (OpsProvider each : List.of(provider(), OpsProviders.named(ReferenceOps.NAME))) {
            bfloat16(each);
        }
    }

    /** Values and gradients in bfloat16 are those of the loops. */
    protected static void bfloat16(OpsProvider provider) {
        for (Layout layout : Layout.values()) {
            for (Shape leading : leadingShapes()) {
                for (boolean bias : new boolean[] {false, true}) {
                    Bfloat16Checks.valuesAndGradients(
                            provider, new LinearCase(leading, 33, 18, bias, layout));
                }
            }
        }
        for (Shape leading : List.of(new Shape(0), new Shape(2, 0, 3), new Shape(4, 82))) {
            Bfloat16Checks.valuesAndGradients(
                    provider, new LinearCase(leading, 256, 130, true, Layout.CONTIGUOUS));
        }
        OpChecks.repeats(
                provider,
                new LinearCase(new Shape(4, 82), 256, 130, true, Layout.SLICED),
                DataType.UNKNOWN);
    }

    @Test
    void weightsStoredInBfloat16() {
        Bfloat16Checks.assumeAvailable();
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            for (long rows : new long[] {1, 3, 8, 9, 70}) {
                for (boolean bias : new boolean[] {false, true}) {
                    storedInBfloat16(manager, rows, 33, 18, bias);
                    storedInBfloat16(manager, rows, 700, 1600, bias);
                }
            }
        }
    }

    /** Values and gradients are those of the same numbers in float32. */
    private void storedInBfloat16(
            NDManager manager, long rows, long inputs, long outputs, boolean withBias) {
        NDArray x = manager.randomNormal(0, 1, new Shape(rows, inputs), DataType.FLOAT32);
        NDArray narrow =
                Precision.BFLOAT16.cast(
                        manager.randomNormal(0, 1, new Shape(outputs, inputs), DataType.FLOAT32));
        NDArray wide = Precision.FLOAT32.cast(narrow);
        NDArray bias =
                withBias ? manager.randomNormal(0, 1, new Shape(outputs), DataType.FLOAT32) : null;
        NDArray direction = manager.randomNormal(0, 1, new Shape(rows, outputs), DataType.FLOAT32);
        x.setRequiresGradient(true);
        float[][] gradients = new float[2][];
        float[][] outputsOf = new float[2][];
        for (int i = 0; i < 2; i++) {
            x.getGradient().subi(x.getGradient());
            Linear linear = Linear.of(x, i == 0 ? wide : narrow).withBias(bias);
            linear.check();
            try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
                NDArray y = provider().linear(linear);
                outputsOf[i] = y.toFloatArray();
                collector.backward(y.mul(direction).sum());
            }
            gradients[i] = x.getGradient().toFloatArray();
        }
        assertArrayEquals(outputsOf[0], outputsOf[1], 1e-3f);
        assertArrayEquals(gradients[0], gradients[1], 1e-3f);
    }

    @Test
    void rowsOfADecodeStepDoNotDependOnEachOther() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray x = manager.randomNormal(0, 1, new Shape(8, 100), DataType.FLOAT32);
            NDArray weight = manager.randomNormal(0, 1, new Shape(77, 100), DataType.FLOAT32);
            NDArray together = provider().linear(Linear.of(x, weight));
            for (int row = 0; row < 8; row++) {
                NDArray alone = provider().linear(Linear.of(x.get("{}:{}", row, row + 1), weight));
                assertArrayEquals(
                        alone.toFloatArray(),
                        together.get(row).toFloatArray(),
                        decodeRowTolerance());
            }
        }
    }

    /** How far a row's result may differ with those beside it. */
    protected float decodeRowTolerance() {
        return 1e-4f;
    }

    @Test
    void gradientsOfEachInputAlone() {
        OpChecks.gradientOfEachInputAlone(
                provider(), new LinearCase(new Shape(2, 7), 6, 5, true, Layout.CONTIGUOUS));
        OpChecks.gradientOfEachInputAlone(
                provider(), new LinearCase(new Shape(4), 6, 5, false, Layout.CONTIGUOUS));
    }

    @Test
    void repeatsToTheBit() {
        for (DataType type : List.of(DataType.FLOAT32, DataType.FLOAT64)) {
            LinearCase linear = new LinearCase(new Shape(4, 82), 256, 130, true, Layout.SLICED);
            OpChecks.repeats(provider(), linear, type);
        }
    }

    @Test
    void recordsNothingWithoutGradientMode() {
        OpChecks.unrecorded(
                provider(), new LinearCase(new Shape(2, 3), 6, 5, true, Layout.CONTIGUOUS));
    }

    @Test
    void leavesNoArraysBehind() {
        for (boolean bias : new boolean[] {false, true}) {
            OpChecks.keepsManagersFlat(
                    provider(), new LinearCase(new Shape(3), 6, 5, bias, Layout.CONTIGUOUS), 1000);
        }
    }

    private static List<Shape> leadingShapes() {
        return List.of(new Shape(), new Shape(7), new Shape(2, 3), new Shape(2, 3, 2));
    }

    private static List<LinearCase> cases() {
        List<LinearCase> cases = new ArrayList<>();
        for (Shape leading : leadingShapes()) {
            for (int inputs : new int[] {1, 3, 16, 17, 64}) {
                for (int outputs : new int[] {1, 2, 16, 31, 64}) {
                    for (boolean bias : new boolean[] {false, true}) {
                        cases.add(
                                new LinearCase(leading, inputs, outputs, bias, Layout.CONTIGUOUS));
                    }
                }
            }
        }
        cases.add(new LinearCase(new Shape(4, 82), 256, 512, false, Layout.CONTIGUOUS));
        cases.add(new LinearCase(new Shape(129), 769, 131, true, Layout.CONTIGUOUS));
        return cases;
    }
}
