/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What a provider's gated product computes: values, gradients, determinism. */
public abstract class GatedProductContract {

    private static final Tolerance FLOAT = Tolerance.ofLargest(2e-6);

    /** The provider under test. */
    protected abstract OpsProvider provider();

    @Test
    void valuesAndGradientsOfEveryShapeInEveryLayout() {
        for (Layout layout : Layout.values()) {
            for (Shape shape :
                    List.of(
                            new Shape(1),
                            new Shape(33),
                            new Shape(5, 17),
                            new Shape(2, 3, 16),
                            new Shape(2, 3, 2, 40),
                            new Shape(3, 9000))) {
                agrees(new GatedProductCase(shape, layout));
            }
        }
        agrees(new GatedProductCase(new Shape(2, 40001), Layout.SLICED));
    }

    @Test
    void emptyInputs() {
        for (Shape shape : List.of(new Shape(0), new Shape(0, 3), new Shape(2, 0, 3))) {
            agrees(new GatedProductCase(shape, Layout.CONTIGUOUS));
        }
    }

    private void agrees(GatedProductCase product) {
        OpChecks.forward(provider(), product, DataType.FLOAT32, FLOAT);
        OpChecks.forward(provider(), product, DataType.FLOAT64, OpChecks.DOUBLE);
        OpChecks.gradients(provider(), product, DataType.FLOAT64, name -> OpChecks.DOUBLE);
        OpChecks.gradients(provider(), product, DataType.FLOAT32, name -> FLOAT);
    }

    @Test
    void gradientsAgreeWithTheNaiveFormAndCentralDifferences() {
        GatedProductCase product = new GatedProductCase(new Shape(2, 3, 5), Layout.CONTIGUOUS);
        OpChecks.gradientsAsNaive(provider(), product);
        OpChecks.gradientsAsDifferences(provider(), product);
        OpChecks.gradientOfEachInputAlone(provider(), product);
    }

    @Test
    void siluSaturates() {
        GatedProductCase product = new GatedProductCase(new Shape(64), Layout.CONTIGUOUS);
        Sample gate = product.inputs().get("gate");
        double[] values = gate.values().clone();
        double[] sizes = {0, 1, 20, 88.5, 89, 100, 1e3, 1e5};
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (i % 2 == 0 ? 1 : -1) * sizes[i / 2 % sizes.length];
        }
        product.inputs().put("gate", gate.with(values));
        agrees(product);
    }

    @Test
    void bfloat16() {
        Bfloat16Checks.assumeAvailable();
        for (Layout layout : Layout.values()) {
            Bfloat16Checks.valuesAndGradients(
                    provider(), new GatedProductCase(new Shape(3, 4, 33), layout));
        }
    }

    @Test
    void repeatsToTheBitAndRecordsNothingWithoutGradientMode() {
        GatedProductCase product = new GatedProductCase(new Shape(3, 130, 65), Layout.SLICED);
        OpChecks.repeats(provider(), product, DataType.FLOAT32);
        OpChecks.unrecorded(provider(), product);
        OpChecks.keepsManagersFlat(
                provider(), new GatedProductCase(new Shape(3, 5), Layout.CONTIGUOUS), 500);
    }
}
