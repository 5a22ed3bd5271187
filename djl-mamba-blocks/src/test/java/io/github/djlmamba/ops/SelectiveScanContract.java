/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import static io.github.djlmamba.ops.ScanCase.Option.DELTA_BIAS;
import static io.github.djlmamba.ops.ScanCase.Option.GATE;
import static io.github.djlmamba.ops.ScanCase.Option.INITIAL_STATE;
import static io.github.djlmamba.ops.ScanCase.Option.SKIP;
import static io.github.djlmamba.ops.ScanCase.Option.SOFTPLUS;

import ai.djl.ndarray.types.DataType;
import io.github.djlmamba.ops.ScanCase.Option;
import io.github.djlmamba.ops.ScanCase.Size;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What a provider's selective scan computes: values, gradients, determinism. */
public abstract class SelectiveScanContract {

    private static final int[] LENGTHS = {
        8, 16, 32, 64, 128, 256, 372, 512, 784, 1024, 1134, 2048, 4096
    };
    private static final Set<Option> ALL = EnumSet.allOf(Option.class);
    private static final List<Set<Option>> EVERY = ScanCase.allOptions();

    /** The tolerance of the reference implementation's tests in float32. */
    private static final Tolerance FLOAT = Tolerance.of(6e-4, 2e-3);

    /**
     * The same for gradients that are sums over the batch and the sequence: where large terms
     * cancel, their rounding remains, so that a small part of the largest entry is allowed as well.
     */
    private static final Tolerance FLOAT_SUM = new Tolerance(1e-3, 1e-3, 1e-4);

    private static final Map<String, Tolerance> FLOAT_GRADIENTS =
            Map.of(
                    "u",
                    Tolerance.of(2 * 6e-4, 2 * 2e-3),
                    "delta",
                    Tolerance.of(5 * 6e-4, 10 * 2e-3),
                    "a",
                    FLOAT_SUM,
                    "skip",
                    FLOAT_SUM,
                    "gate",
                    Tolerance.of(1e-3, 1e-3),
                    "deltaBias",
                    FLOAT_SUM);

    /** The provider under test. */
    protected abstract OpsProvider provider();

    @Test
    void valuesOverTheGridOfLengths() {
        int turn = 0;
        for (int length : LENGTHS) {
            for (int groups = 1; groups <= 2; groups++) {
                Size size = new Size(2, length, 4, 8, groups);
                for (Set<Option> options : optionsFor(length, turn++)) {
                    ScanCase scan = new ScanCase(size, options, Layout.CONTIGUOUS);
                    OpChecks.forward(provider(), scan, DataType.FLOAT32, FLOAT);
                    OpChecks.forward(provider(), scan, DataType.FLOAT64, OpChecks.DOUBLE);
                }
            }
        }
    }

    @Test
    void gradientsInSinglePrecisionOverTheGridOfLengths() {
        int turn = 0;
        for (int length : LENGTHS) {
            for (int groups = 1; groups <= 2; groups++) {
                Size size = new Size(2, length, 4, 8, groups);
                for (Set<Option> options : optionsFor(2 * length, 7 * turn++)) {
                    ScanCase scan = new ScanCase(size, options, Layout.CONTIGUOUS);
                    OpChecks.gradients(
                            provider(), scan, DataType.FLOAT32, SelectiveScanContract::single);
                }
            }
        }
    }

    @Test
    void valuesOfOddSizes() {
        for (Size size : oddSizes()) {
            for (Set<Option> options : List.of(EnumSet.noneOf(Option.class), ALL)) {
                ScanCase scan = new ScanCase(size, options, Layout.CONTIGUOUS);
                OpChecks.forward(provider(), scan, DataType.FLOAT32, FLOAT);
                OpChecks.forward(provider(), scan, DataType.FLOAT64, OpChecks.DOUBLE);
            }
        }
    }

    @Test
    void gradientsOfOddSizes() {
        for (Size size : oddSizes()) {
            for (Set<Option> options : List.of(EnumSet.noneOf(Option.class), ALL)) {
                ScanCase scan = new ScanCase(size, options, Layout.CONTIGUOUS);
                OpChecks.gradients(provider(), scan, DataType.FLOAT64, name -> OpChecks.DOUBLE);
                OpChecks.gradients(
                        provider(), scan, DataType.FLOAT32, SelectiveScanContract::single);
            }
        }
    }

    @Test
    void valuesOfEveryCombinationInEveryLayout() {
        for (Layout layout : Layout.values()) {
            for (int groups : new int[] {0, 2}) {
                for (Set<Option> options : EVERY) {
                    ScanCase scan = new ScanCase(new Size(2, 9, 6, 5, groups), options, layout);
                    OpChecks.forward(provider(), scan, DataType.FLOAT32, FLOAT);
                    OpChecks.forward(provider(), scan, DataType.FLOAT64, OpChecks.DOUBLE);
                }
            }
        }
    }

    @Test
    void gradientsOfEveryCombinationAgreeWithTheNaiveForm() {
        for (int groups : new int[] {0, 1, 2}) {
            for (Set<Option> options : EVERY) {
                OpChecks.gradientsAsNaive(
                        provider(),
                        new ScanCase(new Size(2, 7, 4, 3, groups), options, Layout.CONTIGUOUS));
            }
        }
    }

    @Test
    void gradientsOfEveryCombinationAgreeWithCentralDifferences() {
        for (Set<Option> options : EVERY) {
            OpChecks.gradientsAsDifferences(
                    provider(), new ScanCase(new Size(2, 5, 4, 3, 2), options, Layout.CONTIGUOUS));
        }
    }

    @Test
    void gradientsInEveryLayout() {
        for (Layout layout : Layout.values()) {
            for (Size size : List.of(new Size(2, 11, 20, 7, 0), new Size(3, 6, 32, 16, 4))) {
                ScanCase scan = new ScanCase(size, ALL, layout);
                OpChecks.gradientsAsNaive(provider(), scan);
                OpChecks.gradients(provider(), scan, DataType.FLOAT64, name -> OpChecks.DOUBLE);
                OpChecks.gradients(
                        provider(), scan, DataType.FLOAT32, SelectiveScanContract::single);
            }
        }
    }

    @Test
    void gradientsOfEachInputAlone() {
        OpChecks.gradientOfEachInputAlone(
                provider(), new ScanCase(new Size(2, 7, 6, 3, 2), ALL, Layout.CONTIGUOUS));
        OpChecks.gradientOfEachInputAlone(
                provider(),
                new ScanCase(
                        new Size(2, 7, 6, 3, 0), EnumSet.noneOf(Option.class), Layout.CONTIGUOUS));
    }

    @Test
    void packedSequencesGiveWhatEachGivesByItself() {
        for (PackedSequences packed : Packings.AWKWARD) {
            for (int groups : new int[] {0, 2}) {
                for (Set<Option> options :
                        List.of(ALL, EnumSet.noneOf(Option.class), EnumSet.of(SKIP, SOFTPLUS))) {
                    Size size =
                            new Size((int) packed.batch(), (int) packed.length(), 18, 5, groups);
                    ScanCase scan = new ScanCase(size, options, Layout.SLICED, packed);
                    SequenceChecks.oneByOne(
                            provider(), scan, packed, arrays -> scan.single(provider(), arrays));
                }
            }
        }
    }

    @Test
    void manyPackedSequences() {
        PackedSequences packed = Packings.many(Effort.of(300, 40));
        for (int groups : new int[] {1, 2}) {
            for (Set<Option> options : List.of(ALL, EnumSet.noneOf(Option.class))) {
                Size size = new Size(1, (int) packed.length(), 18, 4, groups);
                ScanCase scan = new ScanCase(size, options, Layout.CONTIGUOUS, packed);
                OpChecks.forward(provider(), scan, DataType.FLOAT32, FLOAT);
                OpChecks.gradients(provider(), scan, DataType.FLOAT64, name -> OpChecks.DOUBLE);
                OpChecks.gradients(
                        provider(), scan, DataType.FLOAT32, SelectiveScanContract::single);
            }
        }
    }

    @Test
    void packedSequencesWithoutTokens() {
        ScanCase scan =
                new ScanCase(new Size(2, 0, 3, 2, 1), ALL, Layout.CONTIGUOUS, Packings.EMPTY);
        OpChecks.forward(provider(), scan, DataType.FLOAT64, OpChecks.DOUBLE);
        OpChecks.gradientsAsNaive(provider(), scan);
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
        for (int length : new int[] {0, 1, 7, 16, 50, 130}) {
            for (Set<Option> options : optionsFor(length + 65, turn)) {
                for (int groups = 0; groups < 3; groups++) {
                    Layout layout = Layout.values()[turn++ % Layout.values().length];
                    Size size = new Size(2, length, turn % 2 == 0 ? 6 : 34, 8, groups);
                    Bfloat16Checks.valuesAndGradients(each, new ScanCase(size, options, layout));
                }
            }
        }
        for (PackedSequences packed : Packings.AWKWARD) {
            Size size = new Size((int) packed.batch(), (int) packed.length(), 18, 5, 2);
            Bfloat16Checks.valuesAndGradients(
                    each, new ScanCase(size, ALL, Layout.CONTIGUOUS, packed));
        }
    }

    @Test
    void repeatsToTheBit() {
        for (DataType type : List.of(DataType.FLOAT32, DataType.FLOAT64)) {
            for (Size size : List.of(new Size(2, 90, 48, 16, 0), new Size(1, 130, 34, 5, 2))) {
                OpChecks.repeats(provider(), new ScanCase(size, ALL, Layout.SLICED), type);
            }
        }
    }

    @Test
    void decaysThatUnderflowGiveZeroAndNoNaN() {
        ScanCase scan = new ScanCase(new Size(2, 12, 20, 5, 0), ALL, Layout.CONTIGUOUS);
        fill(scan, "a", -1e4);
        fill(scan, "delta", 1, 0.5, 2);
        extreme(scan);
    }

    @Test
    void softplusIsTheIdentityAbove20() {
        ScanCase scan = new ScanCase(new Size(2, 12, 20, 5, 0), ALL, Layout.CONTIGUOUS);
        fill(scan, "deltaBias", 0);
        fill(scan, "delta", 0.5, 19.9, 20.1, 25, 100, 1e4, -5, -30, -100, -1e4);
        extreme(scan);
    }

    @Test
    void gatesSaturate() {
        ScanCase scan = new ScanCase(new Size(2, 12, 20, 5, 0), ALL, Layout.CONTIGUOUS);
        fill(
                scan, "gate", 0, 1, 20, 88.5, 89, 100, 1e3, 1e5, -1, -20, -88.5, -89, -100, -1e3,
                -1e5);
        extreme(scan);
    }

    private void extreme(ScanCase scan) {
        Tolerance tolerance = new Tolerance(6e-4, 2e-3, 1e-5);
        OpChecks.forward(provider(), scan, DataType.FLOAT64, OpChecks.DOUBLE);
        OpChecks.forward(provider(), scan, DataType.FLOAT32, tolerance);
        OpChecks.gradients(provider(), scan, DataType.FLOAT64, name -> OpChecks.DOUBLE);
        OpChecks.gradients(provider(), scan, DataType.FLOAT32, name -> tolerance);
    }

    private static void fill(ScanCase scan, String name, double... values) {
        Sample sample = scan.inputs().get(name);
        double[] filled = new double[sample.values().length];
        Arrays.setAll(filled, i -> (float) values[i % values.length]);
        scan.inputs().put(name, sample.with(filled));
    }

    @Test
    void spreadsNaNAsTheFormulaSays() {
        for (int groups : new int[] {0, 3}) {
            ScanCase scan = new ScanCase(new Size(2, 7, 18, 5, groups), ALL, Layout.CONTIGUOUS);
            SequenceChecks.spreadsNaN(provider(), scan, DataType.FLOAT32, FLOAT);
            SequenceChecks.spreadsNaN(provider(), scan, DataType.FLOAT64, OpChecks.DOUBLE);
        }
    }

    @Test
    void isCausal() {
        for (Size size : List.of(new Size(2, 13, 18, 5, 0), new Size(1, 70, 16, 16, 2))) {
            ScanCase scan = new ScanCase(size, ALL, Layout.CONTIGUOUS);
            SequenceChecks.causal(provider(), scan, DataType.FLOAT32);
            SequenceChecks.causal(provider(), scan, DataType.FLOAT64);
        }
    }

    @Test
    void aPrefixAndTheRestGiveTheWhole() {
        for (Set<Option> options :
                List.of(ALL, EnumSet.noneOf(Option.class), EnumSet.of(SOFTPLUS, GATE))) {
            for (int cut : new int[] {0, 1, 2, 31, 64, 99, 100}) {
                SequenceChecks.chained(
                        provider(),
                        new ScanCase(new Size(2, 100, 18, 5, 3), options, Layout.CONTIGUOUS),
                        cut);
            }
        }
    }

    @Test
    void givesTheSameToManyThreads() throws Exception {
        SequenceChecks.concurrent(
                provider(), new ScanCase(new Size(2, 40, 48, 16, 0), ALL, Layout.CONTIGUOUS));
    }

    @Test
    void recordsNothingWithoutGradientMode() {
        OpChecks.unrecorded(
                provider(), new ScanCase(new Size(2, 9, 18, 5, 0), ALL, Layout.CONTIGUOUS));
    }

    @Test
    void leavesNoArraysBehind() {
        for (Set<Option> options : List.of(ALL, EnumSet.noneOf(Option.class))) {
            for (int length : new int[] {0, 1, 5}) {
                OpChecks.keepsManagersFlat(
                        provider(),
                        new ScanCase(new Size(2, length, 6, 3, 2), options, Layout.CONTIGUOUS),
                        500);
            }
        }
        OpChecks.keepsManagersFlat(
                provider(),
                new ScanCase(
                        new Size(1, 5, 6, 3, 2),
                        ALL,
                        Layout.CONTIGUOUS,
                        PackedSequences.ofLengths(2, 0, 3)),
                500);
    }

    /** The sets of options that are run at a length: all, or fewer where the length is large. */
    private static List<Set<Option>> optionsFor(int length, int turn) {
        if (Effort.LONG) {
            return EVERY;
        }
        if (length > 512) {
            return List.of(EVERY.get(11 * turn % EVERY.size()));
        }
        List<Set<Option>> some = new ArrayList<>();
        some.add(ALL);
        some.add(EVERY.get(11 * turn % EVERY.size()));
        if (length <= 64) {
            some.addAll(
                    List.of(
                            EnumSet.noneOf(Option.class),
                            EnumSet.of(SKIP),
                            EnumSet.of(GATE),
                            EnumSet.of(DELTA_BIAS),
                            EnumSet.of(SOFTPLUS),
                            EnumSet.of(INITIAL_STATE)));
        }
        return some;
    }

    private static List<Size> oddSizes() {
        List<Size> sizes = new ArrayList<>();
        for (int length : new int[] {0, 1, 2, 3, 5, 7}) {
            sizes.add(new Size(2, length, 5, 3, 0));
            sizes.add(new Size(3, length, 4, 2, 4));
        }
        for (int channels : new int[] {1, 3, 15, 16, 17, 33, 64}) {
            for (int states : new int[] {1, 2, 3, 16, 17, 64}) {
                sizes.add(new Size(1, 4, channels, states, 0));
                sizes.add(new Size(3, 3, channels, states, channels));
            }
        }
        for (int batch : new int[] {0, 1, 3}) {
            sizes.add(new Size(batch, 5, 12, 4, 3));
            sizes.add(new Size(batch, 19, 17, 16, 0));
        }
        return sizes;
    }

    private static Tolerance single(String input) {
        return FLOAT_GRADIENTS.getOrDefault(input, FLOAT);
    }
}
