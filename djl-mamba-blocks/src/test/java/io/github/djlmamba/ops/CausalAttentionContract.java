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

import ai.djl.ndarray.types.DataType;
import io.github.djlmamba.ops.AttentionCase.Size;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What a provider's causal attention computes: values, gradients, determinism. */
public abstract class CausalAttentionContract {

    private static final Tolerance FLOAT = Tolerance.ofLargest(1e-5);

    /** Where there is but one key, all that the gradients of queries and keys have cancels. */
    private static final Tolerance FLOAT_GRADIENT = new Tolerance(0, 2e-6, 1e-5);

    private static final Tolerance DOUBLE_GRADIENT = new Tolerance(0, 1e-14, 1e-9);

    /** Every way that an attention may go: alone, after others, one token; grouped or not. */
    private static final List<Size> SIZES =
            List.of(
                    new Size(2, 0, 1, 2, 2, 8),
                    new Size(2, 0, 7, 2, 2, 8),
                    new Size(1, 0, 9, 4, 2, 5),
                    new Size(2, 0, 5, 6, 2, 3),
                    new Size(2, 6, 1, 3, 3, 7),
                    new Size(2, 6, 1, 6, 2, 16),
                    new Size(3, 6, 1, 4, 1, 1),
                    new Size(2, 4, 5, 2, 2, 17),
                    new Size(1, 4, 5, 4, 1, 8),
                    new Size(2, 3, 4, 6, 3, 33));

    private static final int[] WINDOWS = {0, 1, 3, 100};

    /** The provider under test. */
    protected abstract OpsProvider provider();

    private void agrees(AttentionCase attention) {
        OpChecks.forward(provider(), attention, DataType.FLOAT32, FLOAT);
        OpChecks.forward(provider(), attention, DataType.FLOAT64, OpChecks.DOUBLE);
        OpChecks.gradients(provider(), attention, DataType.FLOAT64, name -> DOUBLE_GRADIENT);
        OpChecks.gradients(provider(), attention, DataType.FLOAT32, name -> FLOAT_GRADIENT);
    }

    @Test
    void valuesAndGradientsInEveryLayout() {
        for (Layout layout : Layout.values()) {
            for (Size size : SIZES) {
                for (int window : WINDOWS) {
                    agrees(new AttentionCase(size, null, window, layout));
                }
            }
        }
    }

    @Test
    void longSequences() {
        for (Size size :
                List.of(
                        new Size(1, 0, 130, 2, 1, 20),
                        new Size(2, 0, 200, 2, 2, 32),
                        new Size(1, 70, 150, 4, 2, 16),
                        new Size(2, 700, 1, 4, 2, 16),
                        new Size(1, 300, 530, 2, 2, 8))) {
            for (int window : new int[] {0, 40, 150}) {
                agrees(new AttentionCase(size, null, window, Layout.SLICED));
            }
        }
    }

    @Test
    void gradientsAgreeWithTheNaiveFormAndCentralDifferences() {
        for (Size size : SIZES) {
            for (int window : new int[] {0, 2}) {
                AttentionCase attention = new AttentionCase(size, 0.7, window, Layout.CONTIGUOUS);
                OpChecks.gradientsAsNaive(provider(), attention);
                OpChecks.gradientsAsDifferences(provider(), attention);
                OpChecks.gradientOfEachInputAlone(provider(), attention);
            }
        }
    }

    @Test
    void scales() {
        for (double scale : new double[] {0, -0.5, 1, 30}) {
            for (int past : new int[] {0, 3}) {
                Size size = new Size(2, past, 4, 4, 2, 8);
                agrees(new AttentionCase(size, scale, 0, Layout.CONTIGUOUS));
            }
        }
    }

    @Test
    void emptyInputs() {
        for (Size size :
                List.of(
                        new Size(0, 0, 3, 2, 2, 4),
                        new Size(2, 0, 0, 2, 1, 4),
                        new Size(2, 5, 0, 2, 2, 4),
                        new Size(0, 4, 1, 2, 2, 4))) {
            AttentionCase attention = new AttentionCase(size, null, 2, Layout.CONTIGUOUS);
            assertEquals(0, attention.shapes().get(0).size());
            agrees(attention);
        }
    }

    /** Scores far beyond what an exponential can hold. */
    @Test
    void largeScoresStayFinite() {
        AttentionCase attention =
                new AttentionCase(new Size(2, 3, 6, 2, 2, 8), 1e3, 0, Layout.CONTIGUOUS);
        OpChecks.forward(provider(), attention, DataType.FLOAT64, OpChecks.DOUBLE);
        OpChecks.forward(provider(), attention, DataType.FLOAT32, Tolerance.ofLargest(2e-3));
    }

    @Test
    void bfloat16() {
        Bfloat16Checks.assumeAvailable();
        for (Size size : SIZES) {
            for (int window : new int[] {0, 3}) {
                Bfloat16Checks.valuesAndGradients(
                        provider(), new AttentionCase(size, null, window, Layout.SLICED));
            }
        }
    }

    @Test
    void repeatsToTheBit() {
        for (DataType type : List.of(DataType.FLOAT32, DataType.FLOAT64)) {
            OpChecks.repeats(
                    provider(),
                    new AttentionCase(new Size(2, 0, 150, 4, 2, 24), null, 0, Layout.SLICED),
                    type);
            OpChecks.repeats(
                    provider(),
                    new AttentionCase(new Size(2, 40, 150, 4, 4, 24), null, 64, Layout.SLICED),
                    type);
        }
    }

    @Test
    void recordsNothingWithoutGradientModeAndLeavesNothingBehind() {
        for (Size size : List.of(new Size(2, 0, 5, 4, 2, 8), new Size(2, 5, 1, 4, 2, 8))) {
            AttentionCase attention = new AttentionCase(size, null, 3, Layout.CONTIGUOUS);
            OpChecks.unrecorded(provider(), attention);
            OpChecks.keepsManagersFlat(provider(), attention, 300);
        }
    }
}
