/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.github.djlmamba.ops.RmsNormCase.Option;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What a provider's RMS norm computes: values, gradients, determinism. */
public abstract class RmsNormContract {

    private static final List<Set<Option>> EVERY = RmsNormCase.allOptions();
    private static final Set<Option> FIRST =
            EnumSet.of(Option.RESIDUAL, Option.WEIGHT, Option.GATE_FIRST);
    private static final Set<Option> LAST =
            EnumSet.of(Option.RESIDUAL, Option.WEIGHT, Option.GATE_LAST);

    private static final Tolerance FLOAT = Tolerance.ofLargest(2e-6);

    /** The same for what is summed over all rows, and where much cancels. */
    private static final Tolerance FLOAT_SUM = Tolerance.ofLargest(2e-5);

    /** The provider under test. */
    protected abstract OpsProvider provider();

    @Test
    void valuesAndGradientsOfEveryCombinationInEveryLayout() {
        for (Layout layout : Layout.values()) {
            for (Shape leading : leadingShapes()) {
                for (Set<Option> options : EVERY) {
                    agrees(new RmsNormCase(leading, 2, 17, options, layout));
                }
            }
        }
    }

    @Test
    void everySizeOfGroups() {
        int turn = 0;
        for (int size : new int[] {1, 2, 7, 8, 15, 16, 17, 33, 64, 100}) {
            for (int groups : new int[] {1, 3, 8}) {
                Set<Option> options = EVERY.get(turn++ * 5 % EVERY.size());
                agrees(new RmsNormCase(new Shape(2, 3), groups, size, options, Layout.SLICED));
            }
        }
    }

    /** The sizes of the reference implementation's test of the gated norm. */
    @Test
    void theGridOfTheReference() {
        for (int channels : new int[] {2048, 4096}) {
            for (int size : new int[] {64, channels}) {
                for (Set<Option> options : Effort.LONG ? EVERY : List.of(FIRST, LAST)) {
                    int groups = channels / size;
                    agrees(
                            new RmsNormCase(
                                    new Shape(2, Effort.of(137, 9)),
                                    groups,
                                    size,
                                    options,
                                    Layout.CONTIGUOUS));
                }
            }
        }
    }

    private void agrees(RmsNormCase norm) {
        OpChecks.forward(provider(), norm, DataType.FLOAT32, FLOAT);
        OpChecks.forward(provider(), norm, DataType.FLOAT64, OpChecks.DOUBLE);
        OpChecks.gradients(provider(), norm, DataType.FLOAT64, name -> OpChecks.DOUBLE);
        OpChecks.gradients(provider(), norm, DataType.FLOAT32, name -> FLOAT_SUM);
    }

    @Test
    void gradientsOfEveryCombinationAgreeWithTheNaiveFormAndCentralDifferences() {
        for (Shape leading : leadingShapes()) {
            for (Set<Option> options : EVERY) {
                for (int groups : new int[] {1, 2}) {
                    RmsNormCase norm =
                            new RmsNormCase(leading, groups, 3, options, Layout.CONTIGUOUS);
                    OpChecks.gradientsAsNaive(provider(), norm);
                    OpChecks.gradientsAsDifferences(provider(), norm);
                }
            }
        }
    }

    @Test
    void emptyInputs() {
        for (Shape leading : List.of(new Shape(0), new Shape(0, 3), new Shape(2, 0))) {
            for (Set<Option> options : EVERY) {
                RmsNormCase norm = new RmsNormCase(leading, 2, 4, options, Layout.CONTIGUOUS);
                assertEquals(0, norm.shapes().get(0).size());
                OpChecks.forward(provider(), norm, DataType.FLOAT32, FLOAT);
                OpChecks.gradients(provider(), norm, DataType.FLOAT64, name -> OpChecks.DOUBLE);
            }
        }
    }

    @Test
    void gradientsOfEachInputAlone() {
        for (Set<Option> options : List.of(FIRST, LAST, EnumSet.noneOf(Option.class))) {
            OpChecks.gradientOfEachInputAlone(
                    provider(), new RmsNormCase(new Shape(2, 7), 2, 5, options, Layout.CONTIGUOUS));
        }
    }

    @Test
    void repeatsToTheBit() {
        for (DataType type : List.of(DataType.FLOAT32, DataType.FLOAT64)) {
            for (Set<Option> options : List.of(FIRST, LAST)) {
                OpChecks.repeats(
                        provider(),
                        new RmsNormCase(new Shape(3, 130), 4, 65, options, Layout.SLICED),
                        type);
            }
        }
    }

    @Test
    void rowsOfZerosAndLargeNumbersStayFinite() {
        for (Set<Option> options : EVERY) {
            RmsNormCase norm = new RmsNormCase(new Shape(4), 1, 19, options, Layout.CONTIGUOUS);
            Sample x = norm.inputs().get("x");
            double[] values = x.values().clone();
            double[] factors = {0, 1e-20f, 1e4, 1e15f};
            for (int i = 0; i < values.length; i++) {
                values[i] = (float) (values[i] * factors[i / 19]);
            }
            norm.inputs().put("x", x.with(values));
            OpChecks.forward(provider(), norm, DataType.FLOAT32, FLOAT);
            OpChecks.forward(provider(), norm, DataType.FLOAT64, OpChecks.DOUBLE);
        }
    }

    @Test
    void aNaNStaysInItsGroup() {
        for (Set<Option> options : List.of(FIRST, LAST)) {
            RmsNormCase norm = new RmsNormCase(new Shape(3), 2, 18, options, Layout.CONTIGUOUS);
            norm.inputs().put("x", norm.inputs().get("x").with(40, Double.NaN));
            OpChecks.forward(provider(), norm, DataType.FLOAT32, FLOAT);
        }
    }

    @Test
    void bfloat16() {
        Bfloat16Checks.assumeAvailable();
        for (Layout layout : Layout.values()) {
            for (Set<Option> options : EVERY) {
                Bfloat16Checks.valuesAndGradients(
                        provider(), new RmsNormCase(new Shape(3, 4), 2, 33, options, layout));
            }
        }
        OpChecks.repeats(
                provider(),
                new RmsNormCase(new Shape(3, 70), 4, 65, LAST, Layout.CONTIGUOUS),
                DataType.UNKNOWN);
    }

    /** Within bfloat16 the output of a residual stream in float32 is bfloat16, rounded once. */
    @Test
    void bfloat16OfAFloatStream() {
        Bfloat16Checks.assumeAvailable();
        RmsNormCase norm = new RmsNormCase(new Shape(3, 4), 1, 33, FIRST, Layout.CONTIGUOUS);
        try (NDManager manager = NDManager.newBaseManager()) {
            var arrays = norm.arrays(manager, DataType.FLOAT32, Set.of());
            NDArray wide = norm.run(provider(), arrays).get(0);
            List<NDArray> results = Precision.BFLOAT16.within(() -> norm.run(provider(), arrays));
            assertTrue(Precision.isBfloat16(results.get(0)));
            assertEquals(DataType.FLOAT32, results.get(1).getDataType());
            Tolerance.of(0x1p-8, 0).check("output", Sample.read(wide), Sample.read(results.get(0)));
        }
    }

    @Test
    void withoutAResidualThereIsNoSum() {
        RmsNormCase norm =
                new RmsNormCase(
                        new Shape(2), 1, 3, EnumSet.noneOf(Option.class), Layout.CONTIGUOUS);
        try (NDManager manager = NDManager.newBaseManager()) {
            var arrays = norm.arrays(manager, DataType.FLOAT32, Set.of());
            assertNull(provider().rmsNorm(norm.norm(arrays)).sum());
        }
    }

    @Test
    void recordsNothingWithoutGradientMode() {
        OpChecks.unrecorded(
                provider(), new RmsNormCase(new Shape(2, 3), 2, 5, LAST, Layout.CONTIGUOUS));
    }

    @Test
    void leavesNoArraysBehind() {
        for (Set<Option> options : List.of(FIRST, EnumSet.noneOf(Option.class))) {
            OpChecks.keepsManagersFlat(
                    provider(),
                    new RmsNormCase(new Shape(3), 2, 5, options, Layout.CONTIGUOUS),
                    500);
        }
    }

    private static List<Shape> leadingShapes() {
        return List.of(new Shape(), new Shape(5), new Shape(2, 3), new Shape(2, 3, 2));
    }
}
