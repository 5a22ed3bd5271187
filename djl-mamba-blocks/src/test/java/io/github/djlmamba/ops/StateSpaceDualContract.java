/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import static io.github.djlmamba.ops.DualCase.Option.DELTA_BIAS;
import static io.github.djlmamba.ops.DualCase.Option.GATE;
import static io.github.djlmamba.ops.DualCase.Option.INITIAL_STATE;
import static io.github.djlmamba.ops.DualCase.Option.LIMITS;
import static io.github.djlmamba.ops.DualCase.Option.SKIP;
import static io.github.djlmamba.ops.DualCase.Option.SOFTPLUS;

import ai.djl.ndarray.types.DataType;
import io.github.djlmamba.ops.DualCase.Option;
import io.github.djlmamba.ops.DualCase.Size;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What a provider's state space dual computes: values, gradients, determinism. */
public abstract class StateSpaceDualContract {

    private static final int[] LENGTHS = {
        8, 16, 32, 64, 128, 256, 372, 512, 784, 1024, 1134, 2048, 4096
    };
    private static final int[] CHUNKS = {1, 16, 32, 50, 64, 128, 200, 256};
    private static final Set<Option> ALL = EnumSet.allOf(Option.class);
    private static final Set<Option> NONE = EnumSet.noneOf(Option.class);
    private static final List<Set<Option>> EVERY = DualCase.allOptions();

    /**
     * That of the selective scan, which is within what the reference implementation allows, and
     * some roundings of the largest entry: outputs near zero are sums of terms as large as that.
     */
    private static final Tolerance FLOAT = new Tolerance(6e-4, 2e-3, 1e-5);

    /**
     * The same for gradients that are sums over the batch and the sequence: where large terms
     * cancel, their rounding remains, so that a small part of the largest entry is allowed as well.
     */
    private static final Tolerance FLOAT_SUM = new Tolerance(1e-3, 1e-3, 1e-4);

    private static final Map<String, Tolerance> FLOAT_GRADIENTS =
            Map.of(
                    "x",
                    Tolerance.of(2 * 6e-4, 2 * 2e-3),
                    "delta",
                    new Tolerance(5 * 6e-4, 10 * 2e-3, 1e-5),
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

    /** Whether the size of a chunk means something to the provider. */
    protected boolean computesInChunks() {
        return true;
    }

    private int[] chunks(int... sizes) {
        return computesInChunks() ? sizes : new int[] {0};
    }

    @Test
    void valuesOverTheGridOfLengths() {
        int turn = 0;
        for (int length : LENGTHS) {
            for (int groups : groupsFor(length)) {
                Size size = new Size(2, length, 8, 4, 8, groups);
                for (Set<Option> options : optionsFor(length, turn++)) {
                    values(new DualCase(size, options, Layout.CONTIGUOUS));
                }
            }
        }
    }

    @Test
    void gradientsOverTheGridOfLengths() {
        int turn = 0;
        for (int length : LENGTHS) {
            for (int groups : groupsFor(length)) {
                Size size = new Size(1, length, 8, 4, 8, groups);
                for (Set<Option> options : optionsFor(4 * length, 7 * turn++)) {
                    gradients(new DualCase(size, options, Layout.CONTIGUOUS));
                }
            }
        }
    }

    @Test
    void chunksOfEverySizeGiveWhatTheRecurrenceGives() {
        int[] lengths = {1, 2, 15, 16, 17, 33, 63, 64, 65, 130, 257, 300};
        int turn = 0;
        for (int length : lengths) {
            for (int chunk : chunks(CHUNKS)) {
                turn++;
                if (Effort.LONG || turn % 3 == 0) {
                    Size size = new Size(2, length, 4, turn % 2 == 0 ? 5 : 16, 9, turn % 2 + 1);
                    DualCase dual =
                            new DualCase(size, turn % 5 == 0 ? NONE : ALL, Layout.CONTIGUOUS)
                                    .withChunkSize(chunk);
                    values(dual);
                    gradients(dual);
                }
            }
        }
    }

    @Test
    void valuesAndGradientsOfOddSizes() {
        for (Size size : oddSizes()) {
            for (Set<Option> options : List.of(NONE, ALL)) {
                DualCase dual = new DualCase(size, options, Layout.CONTIGUOUS);
                values(dual);
                gradients(dual);
                values(dual.withChunkSize(16));
                gradients(dual.withChunkSize(16));
            }
        }
    }

    @Test
    void valuesOfEveryCombinationInEveryLayout() {
        int turn = 0;
        for (Layout layout : Layout.values()) {
            for (int groups : new int[] {0, 2}) {
                for (Set<Option> options : EVERY) {
                    Size size = new Size(2, 19, 4, 6, 5, groups);
                    values(new DualCase(size, options, layout, turn++ % 2 * 16, null));
                }
            }
        }
    }

    @Test
    void gradientsOfEveryCombinationAgreeWithTheNaiveForm() {
        int turn = 0;
        for (int groups : new int[] {0, 1, 2}) {
            for (Set<Option> options : EVERY) {
                Size size = new Size(2, 18, 2, 4, 3, groups);
                OpChecks.gradientsAsNaive(
                        provider(),
                        new DualCase(size, options, Layout.CONTIGUOUS, turn++ % 2 * 16, null));
            }
        }
    }

    @Test
    void gradientsOfEveryCombinationAgreeWithCentralDifferences() {
        int turn = 0;
        for (Set<Option> options : EVERY) {
            Size size = new Size(2, 4, 2, 3, 2, 2);
            OpChecks.gradientsAsDifferences(
                    provider(),
                    new DualCase(size, options, Layout.CONTIGUOUS, turn++ % 2 * 16, null));
        }
    }

    @Test
    void gradientsInEveryLayout() {
        for (Layout layout : Layout.values()) {
            for (Size size : List.of(new Size(2, 11, 4, 5, 7, 0), new Size(3, 21, 4, 16, 16, 4))) {
                for (int chunk : chunks(0, 1, 16)) {
                    DualCase dual = new DualCase(size, ALL, layout, chunk, null);
                    OpChecks.gradientsAsNaive(provider(), dual);
                    gradients(dual);
                }
            }
        }
    }

    @Test
    void gradientsOfEachInputAlone() {
        for (int chunk : chunks(1, 16)) {
            OpChecks.gradientOfEachInputAlone(
                    provider(),
                    new DualCase(new Size(2, 19, 4, 6, 3, 2), ALL, Layout.CONTIGUOUS, chunk, null));
            OpChecks.gradientOfEachInputAlone(
                    provider(),
                    new DualCase(
                            new Size(2, 19, 4, 6, 3, 0), NONE, Layout.CONTIGUOUS, chunk, null));
        }
    }

    @Test
    void packedSequencesGiveWhatEachGivesByItself() {
        for (PackedSequences packed : Packings.AWKWARD) {
            for (int chunk : chunks(0, 1, 16, 64)) {
                for (Set<Option> options : List.of(ALL, NONE)) {
                    Size size =
                            new Size(
                                    (int) packed.batch(),
                                    (int) packed.length(),
                                    4,
                                    5,
                                    3,
                                    chunk % 3);
                    DualCase dual = new DualCase(size, options, Layout.SLICED, chunk, packed);
                    SequenceChecks.oneByOne(
                            provider(), dual, packed, arrays -> dual.single(provider(), arrays));
                }
            }
        }
    }

    @Test
    void manyPackedSequences() {
        PackedSequences packed = Packings.many(Effort.of(300, 40));
        for (int groups : new int[] {1, 2, 8}) {
            for (int chunk : chunks(64, 128)) {
                Size size = new Size(1, (int) packed.length(), 8, 4, 4, groups);
                Set<Option> options = chunk == 128 ? EnumSet.of(SOFTPLUS, DELTA_BIAS) : ALL;
                DualCase dual = new DualCase(size, options, Layout.CONTIGUOUS, chunk, packed);
                values(dual);
                gradients(dual);
            }
        }
    }

    @Test
    void packedSequencesWithoutTokens() {
        PackedSequences empty = PackedSequences.ofLengths(new long[][] {{0, 0}, {0, 0}});
        DualCase dual = new DualCase(new Size(2, 0, 2, 3, 2, 1), ALL, Layout.CONTIGUOUS, 0, empty);
        values(dual);
        gradients(dual);
    }

    @Test
    void valuesAndGradientsInBfloat16() {
        Bfloat16Checks.assumeAvailable();
        for (OpsProvider each : List.of(provider(), OpsProviders.named(ReferenceOps.NAME))) {
            int turn = 0;
            for (int length : new int[] {0, 1, 7, 16, 50, 130}) {
                for (int chunk : chunks(0, 1, 16, 64)) {
                    for (Set<Option> options : List.of(ALL, NONE)) {
                        Layout layout = Layout.values()[turn++ % Layout.values().length];
                        Size size = new Size(2, length, 4, turn % 2 == 0 ? 5 : 16, 16, turn % 3);
                        Bfloat16Checks.valuesAndGradients(
                                each, new DualCase(size, options, layout, chunk, null));
                    }
                }
            }
            for (PackedSequences packed : Packings.AWKWARD) {
                Size size = new Size((int) packed.batch(), (int) packed.length(), 4, 5, 3, 2);
                Bfloat16Checks.valuesAndGradients(
                        each, new DualCase(size, ALL, Layout.CONTIGUOUS, 0, packed));
            }
        }
    }

    @Test
    void repeatsToTheBit() {
        for (DataType type : List.of(DataType.FLOAT32, DataType.FLOAT64)) {
            for (int chunk : chunks(0, 1, 32)) {
                for (Size size :
                        List.of(new Size(2, 90, 6, 16, 16, 0), new Size(1, 130, 4, 9, 5, 2))) {
                    OpChecks.repeats(
                            provider(), new DualCase(size, ALL, Layout.SLICED, chunk, null), type);
                }
            }
        }
    }

    @Test
    void decaysThatUnderflowGiveZeroAndNoNaN() {
        for (int chunk : chunks(1, 16, 64)) {
            DualCase dual =
                    new DualCase(
                            new Size(2, 70, 4, 5, 3, 0),
                            EnumSet.complementOf(EnumSet.of(LIMITS)),
                            Layout.CONTIGUOUS,
                            chunk,
                            null);
            fill(dual, "a", -1e4, -1e-4, -30, 0);
            fill(dual, "delta", 1, 0.5, 2, 0, 40);
            extreme(dual);
        }
    }

    @Test
    void softplusIsTheIdentityAbove20() {
        for (int chunk : chunks(1, 16)) {
            DualCase dual =
                    new DualCase(
                            new Size(2, 12, 20, 5, 3, 0),
                            EnumSet.complementOf(EnumSet.of(LIMITS)),
                            Layout.CONTIGUOUS,
                            chunk,
                            null);
            fill(dual, "deltaBias", 0);
            fill(dual, "delta", 0.5, 19.9, 20.1, 25, 100, 1e4, -5, -30, -100, -1e4);
            extreme(dual);
        }
    }

    @Test
    void limitsKeepTheGradientOnThemAndInside() {
        for (int chunk : chunks(1, 16)) {
            DualCase dual =
                    new DualCase(
                            new Size(2, 12, 4, 5, 3, 0),
                            EnumSet.of(LIMITS, SKIP),
                            Layout.CONTIGUOUS,
                            chunk,
                            null);
            fill(dual, "delta", 0.1, 0.5, 0.79, 0.81, 100, -5);
            OpChecks.forward(provider(), dual, DataType.FLOAT64, OpChecks.DOUBLE);
            OpChecks.gradients(provider(), dual, DataType.FLOAT64, name -> OpChecks.DOUBLE);
        }
    }

    @Test
    void gatesSaturate() {
        for (int chunk : chunks(1, 16)) {
            DualCase dual =
                    new DualCase(new Size(2, 12, 20, 5, 3, 0), ALL, Layout.CONTIGUOUS, chunk, null);
            fill(
                    dual, "gate", 0, 1, 20, 88.5, 89, 100, 1e3, 1e5, -1, -20, -88.5, -89, -100,
                    -1e3, -1e5);
            extreme(dual);
        }
    }

    private void extreme(DualCase dual) {
        Tolerance tolerance = new Tolerance(6e-4, 2e-3, 1e-5);
        OpChecks.forward(provider(), dual, DataType.FLOAT64, OpChecks.DOUBLE);
        OpChecks.forward(provider(), dual, DataType.FLOAT32, tolerance);
        OpChecks.gradients(provider(), dual, DataType.FLOAT64, name -> OpChecks.DOUBLE);
        OpChecks.gradients(provider(), dual, DataType.FLOAT32, name -> tolerance);
    }

    private static void fill(DualCase dual, String name, double... values) {
        Sample sample = dual.inputs().get(name);
        double[] filled = new double[sample.values().length];
        Arrays.setAll(filled, i -> (float) values[i % values.length]);
        dual.inputs().put(name, sample.with(filled));
    }

    @Test
    void spreadsNaNAsTheFormulaSays() {
        for (int groups : new int[] {0, 3}) {
            for (int chunk : chunks(1, 16)) {
                DualCase dual =
                        new DualCase(
                                new Size(2, 19, 6, 5, 3, groups),
                                ALL,
                                Layout.CONTIGUOUS,
                                chunk,
                                null);
                SequenceChecks.spreadsNaN(provider(), dual, DataType.FLOAT32, FLOAT);
                SequenceChecks.spreadsNaN(provider(), dual, DataType.FLOAT64, OpChecks.DOUBLE);
            }
        }
    }

    @Test
    void isCausal() {
        for (int chunk : chunks(0, 1, 16, 32, 64)) {
            for (Size size : List.of(new Size(2, 18, 4, 5, 3, 0), new Size(1, 70, 2, 16, 16, 2))) {
                DualCase dual = new DualCase(size, ALL, Layout.CONTIGUOUS, chunk, null);
                SequenceChecks.causal(provider(), dual, DataType.FLOAT32);
                SequenceChecks.causal(provider(), dual, DataType.FLOAT64);
            }
        }
    }

    @Test
    void aPrefixAndTheRestGiveTheWhole() {
        for (Set<Option> options : List.of(ALL, NONE, EnumSet.of(SOFTPLUS, GATE, INITIAL_STATE))) {
            for (int chunk : chunks(0, 1, 32)) {
                for (int cut : new int[] {0, 1, 2, 31, 64, 99, 100}) {
                    SequenceChecks.chained(
                            provider(),
                            new DualCase(
                                    new Size(2, 100, 6, 5, 3, 3),
                                    options,
                                    Layout.CONTIGUOUS,
                                    chunk,
                                    null),
                            cut);
                }
            }
        }
    }

    @Test
    void givesTheSameToManyThreads() throws Exception {
        SequenceChecks.concurrent(
                provider(), new DualCase(new Size(2, 40, 4, 16, 16, 0), ALL, Layout.CONTIGUOUS));
    }

    @Test
    void recordsNothingWithoutGradientMode() {
        OpChecks.unrecorded(
                provider(), new DualCase(new Size(2, 9, 6, 5, 3, 0), ALL, Layout.CONTIGUOUS));
    }

    @Test
    void leavesNoArraysBehind() {
        for (Set<Option> options : List.of(ALL, NONE)) {
            for (int length : new int[] {0, 1, 5}) {
                OpChecks.keepsManagersFlat(
                        provider(),
                        new DualCase(new Size(2, length, 2, 3, 2, 2), options, Layout.CONTIGUOUS),
                        500);
            }
        }
        PackedSequences packed = PackedSequences.ofLengths(2, 0, 3);
        OpChecks.keepsManagersFlat(
                provider(),
                new DualCase(new Size(1, 5, 2, 3, 2, 2), ALL, Layout.CONTIGUOUS, 0, packed),
                500);
    }

    private void values(DualCase dual) {
        OpChecks.forward(provider(), dual, DataType.FLOAT32, FLOAT);
        OpChecks.forward(provider(), dual, DataType.FLOAT64, OpChecks.DOUBLE);
    }

    private void gradients(DualCase dual) {
        OpChecks.gradients(provider(), dual, DataType.FLOAT64, name -> OpChecks.DOUBLE);
        OpChecks.gradients(
                provider(),
                dual,
                DataType.FLOAT32,
                name -> FLOAT_GRADIENTS.getOrDefault(name, FLOAT));
    }

    /** The sets of options that are run at a length: all, or fewer where the length is large. */
    private static List<Set<Option>> optionsFor(int length, int turn) {
        if (Effort.LONG) {
            return EVERY;
        }
        Set<Option> some = EVERY.get(11 * turn % EVERY.size());
        return length > 256 ? List.of(some) : List.of(ALL, NONE, some);
    }

    /** The groups of eight heads that are run at a length: all, or one number if it is large. */
    private static int[] groupsFor(int length) {
        int[] all = {1, 2, 8};
        return Effort.LONG || length <= 256 ? all : new int[] {all[length % 3]};
    }

    private static List<Size> oddSizes() {
        List<Size> sizes = new ArrayList<>();
        for (int length : new int[] {0, 1, 2, 3, 5, 7}) {
            sizes.add(new Size(2, length, 5, 3, 2, 0));
            sizes.add(new Size(3, length, 4, 2, 3, 4));
        }
        for (int headSize : new int[] {1, 3, 8, 17, 64, 65}) {
            for (int states : new int[] {1, 2, 16, 17, 128, 130}) {
                sizes.add(new Size(1, 4, 1 + states % 2, headSize, states, 0));
            }
        }
        for (int batch : new int[] {0, 1, 3}) {
            sizes.add(new Size(batch, 5, 6, 4, 3, 3));
            sizes.add(new Size(batch, 19, 3, 7, 16, 0));
        }
        return sizes;
    }
}
