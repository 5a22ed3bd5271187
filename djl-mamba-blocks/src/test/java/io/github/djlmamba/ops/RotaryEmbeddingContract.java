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

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What a provider's rotary embedding computes: values, gradients, determinism. */
public abstract class RotaryEmbeddingContract {

    private static final Tolerance FLOAT = Tolerance.ofLargest(1e-6);

    /** The provider under test. */
    protected abstract OpsProvider provider();

    private void agrees(RotaryCase rotary) {
        OpChecks.forward(provider(), rotary, DataType.FLOAT32, FLOAT);
        OpChecks.forward(provider(), rotary, DataType.FLOAT64, OpChecks.DOUBLE);
        OpChecks.gradients(provider(), rotary, DataType.FLOAT64, name -> OpChecks.DOUBLE);
        OpChecks.gradients(provider(), rotary, DataType.FLOAT32, name -> FLOAT);
    }

    @Test
    void valuesAndGradientsOfEverySizeInEveryLayout() {
        for (Layout layout : Layout.values()) {
            for (boolean interleaved : new boolean[] {false, true}) {
                for (int[] sizes :
                        new int[][] {{2, 0}, {8, 8}, {8, 4}, {34, 0}, {33, 20}, {64, 32}}) {
                    for (long position : new long[] {0, 13, 100_000}) {
                        agrees(
                                new RotaryCase(
                                        new Shape(2, 5, 3, sizes[0]),
                                        sizes[1],
                                        position,
                                        10_000,
                                        interleaved,
                                        layout));
                    }
                }
            }
        }
    }

    @Test
    void longSequencesAndOtherBases() {
        for (double base : new double[] {1, 500_000, 1e11}) {
            agrees(new RotaryCase(new Shape(2, 300, 2, 24), 0, 7, base, false, Layout.SLICED));
        }
    }

    @Test
    void gradientsAgreeWithTheNaiveFormAndCentralDifferences() {
        for (boolean interleaved : new boolean[] {false, true}) {
            RotaryCase rotary =
                    new RotaryCase(
                            new Shape(2, 3, 2, 7), 6, 5, 100, interleaved, Layout.CONTIGUOUS);
            OpChecks.gradientsAsNaive(provider(), rotary);
            OpChecks.gradientsAsDifferences(provider(), rotary);
        }
    }

    @Test
    void emptyInputs() {
        for (Shape shape : List.of(new Shape(0, 3, 2, 4), new Shape(2, 0, 2, 4))) {
            agrees(new RotaryCase(shape, 0, 3, 10_000, false, Layout.CONTIGUOUS));
        }
    }

    /** A token is turned alike, to the bit, in a whole sequence and alone. */
    @Test
    void dependsOnThePositionAlone() {
        for (DataType type : List.of(DataType.FLOAT32, DataType.FLOAT64)) {
            RotaryCase whole =
                    new RotaryCase(new Shape(1, 40, 2, 8), 0, 5, 10_000, false, Layout.CONTIGUOUS);
            double[] expected = OpChecks.results(provider(), whole, type).get(0);
            for (int t = 0; t < 40; t++) {
                RotaryCase one =
                        new RotaryCase(
                                new Shape(1, 1, 2, 8), 0, 5 + t, 10_000, false, Layout.CONTIGUOUS);
                double[] x = whole.inputs().get("x").values();
                Sample sample = one.inputs().get("x");
                one.inputs().put("x", sample.with(Arrays.copyOfRange(x, 16 * t, 16 * t + 16)));
                assertArrayEquals(
                        Arrays.copyOfRange(expected, 16 * t, 16 * t + 16),
                        OpChecks.results(provider(), one, type).get(0),
                        one.toString());
            }
        }
    }

    @Test
    void bfloat16() {
        Bfloat16Checks.assumeAvailable();
        for (Layout layout : Layout.values()) {
            for (boolean interleaved : new boolean[] {false, true}) {
                Bfloat16Checks.valuesAndGradients(
                        provider(),
                        new RotaryCase(new Shape(2, 5, 3, 33), 20, 7, 10_000, interleaved, layout));
            }
        }
    }

    @Test
    void repeatsAndLeavesNothingBehind() {
        RotaryCase rotary =
                new RotaryCase(new Shape(2, 70, 3, 16), 0, 3, 10_000, false, Layout.SLICED);
        OpChecks.repeats(provider(), rotary, DataType.FLOAT32);
        OpChecks.unrecorded(provider(), rotary);
        OpChecks.keepsManagersFlat(
                provider(),
                new RotaryCase(new Shape(2, 3, 2, 8), 4, 0, 10_000, true, Layout.CONTIGUOUS),
                300);
    }
}
