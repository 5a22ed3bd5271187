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
import io.github.djlmamba.ops.ConvCase.Option;
import io.github.djlmamba.ops.ConvCase.Size;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

/** What a provider's causal convolution computes: values, gradients, determinism. */
public abstract class CausalConv1dContract {

    private static final int[] LENGTHS = {0, 1, 2, 8, 129, 130, 151, 372, 1134, 4096};
    private static final int[] WIDTHS = {1, 2, 3, 4, 5, 7};
    private static final Set<Option> ALL = EnumSet.allOf(Option.class);
    private static final List<Set<Option>> EVERY = ConvCase.allOptions();

    /** The tolerance of the reference implementation's tests in float32. */
    private static final Tolerance FLOAT = Tolerance.of(3e-4, 1e-3);

    /** The same for what is summed over the whole sequence. */
    private static final Tolerance FLOAT_SUM = Tolerance.of(1e-3, 1e-3);

    /** The provider under test. */
    protected abstract OpsProvider provider();

    @Test
    void valuesOverTheGrid() {
        for (Supplier<ConvCase> draw : grid()) {
            ConvCase convolution = draw.get();
            OpChecks.forward(provider(), convolution, DataType.FLOAT32, FLOAT);
            OpChecks.forward(provider(), convolution, DataType.FLOAT64, OpChecks.DOUBLE);
        }
    }

    @Test
    void gradientsOverTheGrid() {
        for (Supplier<ConvCase> draw : grid()) {
            ConvCase convolution = draw.get();
            if (convolution.shapes().get(0).size() <= Effort.of(4_000_000, 40_000)) {
                OpChecks.gradients(
                        provider(), convolution, DataType.FLOAT64, name -> OpChecks.DOUBLE);
                OpChecks.gradients(
                        provider(), convolution, DataType.FLOAT32, CausalConv1dContract::single);
            }
        }
    }

    @Test
    void valuesOfEveryCombinationInEveryLayout() {
        for (Layout layout : Layout.values()) {
            for (int width : WIDTHS) {
                for (Set<Option> options : EVERY) {
                    ConvCase convolution = new ConvCase(new Size(3, 9, 20, width), options, layout);
                    OpChecks.forward(provider(), convolution, DataType.FLOAT32, FLOAT);
                    OpChecks.forward(provider(), convolution, DataType.FLOAT64, OpChecks.DOUBLE);
                }
            }
        }
    }

    @Test
    void gradientsOfEveryCombinationAgreeWithTheNaiveForm() {
        for (int width : WIDTHS) {
            for (Set<Option> options : EVERY) {
                OpChecks.gradientsAsNaive(
                        provider(),
                        new ConvCase(new Size(2, 6, 5, width), options, Layout.CONTIGUOUS));
            }
        }
    }

    @Test
    void gradientsOfEveryCombinationAgreeWithCentralDifferences() {
        for (int width : WIDTHS) {
            for (int length : new int[] {1, 3, 9}) {
                for (Set<Option> options : EVERY) {
                    OpChecks.gradientsAsDifferences(
                            provider(),
                            new ConvCase(
                                    new Size(2, length, 3, width), options, Layout.CONTIGUOUS));
                }
            }
        }
    }

    @Test
    void gradientsInEveryLayout() {
        for (Layout layout : Layout.values()) {
            for (int width : WIDTHS) {
                ConvCase convolution = new ConvCase(new Size(2, 11, 33, width), ALL, layout);
                OpChecks.gradientsAsNaive(provider(), convolution);
                OpChecks.gradients(
                        provider(), convolution, DataType.FLOAT64, name -> OpChecks.DOUBLE);
                OpChecks.gradients(
                        provider(), convolution, DataType.FLOAT32, CausalConv1dContract::single);
            }
        }
    }

    @Test
    void gradientsOfEachInputAlone() {
        OpChecks.gradientOfEachInputAlone(
                provider(), new ConvCase(new Size(2, 7, 6, 4), ALL, Layout.CONTIGUOUS));
        OpChecks.gradientOfEachInputAlone(
                provider(),
                new ConvCase(
                        new Size(2, 7, 6, 4), EnumSet.noneOf(Option.class), Layout.CONTIGUOUS));
    }

    @Test
    void packedSequencesGiveWhatEachGivesByItself() {
        for (PackedSequences packed : Packings.AWKWARD) {
            for (int width : WIDTHS) {
                for (Set<Option> options : EVERY) {
                    Size size = new Size((int) packed.batch(), (int) packed.length(), 5, width);
                    ConvCase convolution = new ConvCase(size, options, Layout.SLICED, packed);
                    SequenceChecks.oneByOne(
                            provider(),
                            convolution,
                            packed,
                            arrays -> convolution.single(provider(), arrays));
                }
            }
        }
    }

    @Test
    void manyPackedSequences() {
        PackedSequences packed = Packings.many(Effort.of(300, 40));
        for (int width : new int[] {4, 6}) {
            for (Set<Option> options : List.of(ALL, EnumSet.noneOf(Option.class))) {
                Size size = new Size(1, (int) packed.length(), 18, width);
                ConvCase convolution = new ConvCase(size, options, Layout.CONTIGUOUS, packed);
                OpChecks.forward(provider(), convolution, DataType.FLOAT32, FLOAT);
                OpChecks.gradients(
                        provider(), convolution, DataType.FLOAT64, name -> OpChecks.DOUBLE);
                OpChecks.gradients(
                        provider(), convolution, DataType.FLOAT32, CausalConv1dContract::single);
            }
        }
    }

    @Test
    void packedSequencesWithoutTokens() {
        for (int width : WIDTHS) {
            ConvCase convolution =
                    new ConvCase(new Size(2, 0, 3, width), ALL, Layout.CONTIGUOUS, Packings.EMPTY);
            OpChecks.forward(provider(), convolution, DataType.FLOAT64, OpChecks.DOUBLE);
            OpChecks.gradientsAsNaive(provider(), convolution);
        }
    }

    @Test
    void valuesAndGradientsInBfloat16() {
        Bfloat16Checks.assumeAvailable();
        for (OpsProvider each : List.of(provider(), OpsProviders.named(ReferenceOps.NAME))) {
            bfloat16(each);
        }
    }

    private void bfloat16(OpsProvider each) {
        int turn = 0;
        for (int length : new int[] {0, 1, 2, 7, 50, 130}) {
            for (int width : WIDTHS) {
                for (Set<Option> options : EVERY) {
                    Layout layout = Layout.values()[turn++ % Layout.values().length];
                    Size size = new Size(2, length, turn % 2 == 0 ? 18 : 33, width);
                    Bfloat16Checks.valuesAndGradients(each, new ConvCase(size, options, layout));
                }
            }
        }
        for (PackedSequences packed : Packings.AWKWARD) {
            Size size = new Size((int) packed.batch(), (int) packed.length(), 18, 4);
            Bfloat16Checks.valuesAndGradients(
                    each, new ConvCase(size, ALL, Layout.CONTIGUOUS, packed));
        }
    }

    @Test
    void repeatsToTheBit() {
        for (DataType type : List.of(DataType.FLOAT32, DataType.FLOAT64)) {
            for (Size size : List.of(new Size(2, 300, 96, 4), new Size(3, 130, 33, 7))) {
                OpChecks.repeats(provider(), new ConvCase(size, ALL, Layout.SLICED), type);
            }
        }
    }

    @Test
    void siluSaturates() {
        ConvCase convolution = new ConvCase(new Size(2, 30, 20, 1), ALL, Layout.CONTIGUOUS);
        Sample x = convolution.inputs().get("x");
        double[] values = x.values().clone();
        double[] sizes = {0, 1, 20, 88.5, 89, 100, 1e3, 1e5};
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (i % 2 == 0 ? 1 : -1) * sizes[i / 2 % sizes.length];
        }
        convolution.inputs().put("x", x.with(values));
        OpChecks.forward(provider(), convolution, DataType.FLOAT64, OpChecks.DOUBLE);
        OpChecks.forward(provider(), convolution, DataType.FLOAT32, FLOAT);
        OpChecks.gradients(provider(), convolution, DataType.FLOAT64, name -> OpChecks.DOUBLE);
        OpChecks.gradients(
                provider(), convolution, DataType.FLOAT32, name -> new Tolerance(1e-3, 1e-3, 1e-5));
    }

    @Test
    void spreadsNaNAsTheFormulaSays() {
        ConvCase convolution = new ConvCase(new Size(2, 9, 18, 4), ALL, Layout.CONTIGUOUS);
        SequenceChecks.spreadsNaN(provider(), convolution, DataType.FLOAT32, FLOAT);
        SequenceChecks.spreadsNaN(provider(), convolution, DataType.FLOAT64, OpChecks.DOUBLE);
    }

    @Test
    void isCausal() {
        for (Size size : List.of(new Size(2, 13, 18, 4), new Size(1, 70, 16, 7))) {
            ConvCase convolution = new ConvCase(size, ALL, Layout.CONTIGUOUS);
            SequenceChecks.causal(provider(), convolution, DataType.FLOAT32);
            SequenceChecks.causal(provider(), convolution, DataType.FLOAT64);
        }
    }

    @Test
    void aPrefixAndTheRestGiveTheWhole() {
        for (Set<Option> options : EVERY) {
            for (int width : WIDTHS) {
                for (int cut : new int[] {0, 1, 2, 15, 28, 29}) {
                    SequenceChecks.chained(
                            provider(),
                            new ConvCase(new Size(2, 29, 18, width), options, Layout.CONTIGUOUS),
                            cut);
                }
            }
        }
    }

    @Test
    void givesTheSameToManyThreads() throws Exception {
        SequenceChecks.concurrent(
                provider(), new ConvCase(new Size(2, 130, 48, 4), ALL, Layout.CONTIGUOUS));
    }

    @Test
    void recordsNothingWithoutGradientMode() {
        OpChecks.unrecorded(
                provider(), new ConvCase(new Size(2, 9, 18, 4), ALL, Layout.CONTIGUOUS));
    }

    @Test
    void leavesNoArraysBehind() {
        for (Set<Option> options : List.of(ALL, EnumSet.noneOf(Option.class))) {
            for (int width : new int[] {1, 4}) {
                OpChecks.keepsManagersFlat(
                        provider(),
                        new ConvCase(new Size(2, 5, 6, width), options, Layout.CONTIGUOUS),
                        500);
            }
        }
        OpChecks.keepsManagersFlat(
                provider(),
                new ConvCase(
                        new Size(1, 5, 6, 4),
                        ALL,
                        Layout.CONTIGUOUS,
                        PackedSequences.ofLengths(2, 0, 3)),
                500);
    }

    /**
     * Every length, width and number of channels, the largest of them only in long runs; drawn one
     * by one, since all at once would fill the heap.
     */
    private static List<Supplier<ConvCase>> grid() {
        List<Supplier<ConvCase>> grid = new ArrayList<>();
        int turn = 0;
        for (int length : LENGTHS) {
            for (int width : WIDTHS) {
                for (int channels : new int[] {4, 17, 64, 4128}) {
                    turn++;
                    long elements = (long) length * channels;
                    if (Effort.LONG
                            || elements < 40_000
                            || (elements < 600_000 && turn % 31 == 0)) {
                        int batch = turn % 13 == 0 ? 0 : channels > 64 ? 1 : 1 + turn % 3;
                        Size size = new Size(batch, length, channels, width);
                        Set<Option> options = EVERY.get((turn + turn / 8) % EVERY.size());
                        grid.add(() -> new ConvCase(size, options, Layout.CONTIGUOUS));
                    }
                }
            }
        }
        return grid;
    }

    private static Tolerance single(String input) {
        return input.equals("weight") || input.equals("bias") ? FLOAT_SUM : FLOAT;
    }
}
