/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/** One call of the selective scan. */
public final class ScanCase extends OpCase {

    /** What a scan can do besides the recurrence. */
    public enum Option {
        SKIP,
        GATE,
        DELTA_BIAS,
        SOFTPLUS,
        INITIAL_STATE
    }

    /**
     * The sizes of a scan.
     *
     * @param batch B
     * @param length L
     * @param channels D
     * @param states N
     * @param groups G; 0 for B and C without an axis of groups
     */
    public record Size(int batch, int length, int channels, int states, int groups) {}

    private final Size size;
    private final Set<Option> options;
    private final Layout layout;
    private final PackedSequences sequences;

    /** Draws the inputs of one sequence a row, as the reference implementation's tests do. */
    public ScanCase(Size size, Set<Option> options, Layout layout) {
        this(size, options, layout, null);
    }

    /** Draws the inputs, with the sequences packed into the rows. */
    public ScanCase(Size size, Set<Option> options, Layout layout, PackedSequences sequences) {
        this.size = size;
        this.options = options;
        this.layout = layout;
        this.sequences = sequences;
        Random random = new Random(toString().hashCode());
        Shape sequence = new Shape(size.batch(), size.length(), size.channels());
        Shape channel = new Shape(size.channels());
        Shape grouped =
                size.groups() == 0
                        ? new Shape(size.batch(), size.length(), size.states())
                        : new Shape(size.batch(), size.length(), size.groups(), size.states());
        put("u", sequence, random, 1, 0);
        put("delta", sequence, random, 0, 0.5);
        put("a", new Shape(size.channels(), size.states()), random, 0, -0.5);
        put("b", grouped, random, 1, 0);
        put("c", grouped, random, 1, 0);
        if (options.contains(Option.SKIP)) {
            put("skip", channel, random, 1, 0);
        }
        if (options.contains(Option.GATE)) {
            put("gate", sequence, random, 1, 0);
        }
        if (options.contains(Option.DELTA_BIAS)) {
            put("deltaBias", channel, random, 0, 0.5);
        }
        if (options.contains(Option.INITIAL_STATE)) {
            put("initialState", shapes().get(1), random, 1, 0);
        }
    }

    private void put(String name, Shape shape, Random random, double normal, double uniform) {
        inputs().put(
                        name,
                        Sample.draw(
                                shape,
                                layout,
                                () ->
                                        normal * random.nextGaussian()
                                                + uniform * random.nextDouble()));
    }

    /** All 32 sets of options. */
    public static List<Set<Option>> allOptions() {
        List<Set<Option>> all = new ArrayList<>();
        for (int bits = 0; bits < 1 << Option.values().length; bits++) {
            Set<Option> options = EnumSet.noneOf(Option.class);
            for (Option option : Option.values()) {
                if ((bits >> option.ordinal() & 1) != 0) {
                    options.add(option);
                }
            }
            all.add(options);
        }
        return all;
    }

    /** The sequences packed into the rows, or null for one a row. */
    public PackedSequences sequences() {
        return sequences;
    }

    /** The sizes. */
    public Size size() {
        return size;
    }

    /** The op over some arrays, of which there may be fewer steps than in the case. */
    public SelectiveScan scan(Map<String, NDArray> arrays) {
        return SelectiveScan.of(
                        arrays.get("u"),
                        arrays.get("delta"),
                        arrays.get("a"),
                        arrays.get("b"),
                        arrays.get("c"))
                .withSkip(arrays.get("skip"))
                .withGate(arrays.get("gate"))
                .withDeltaBias(arrays.get("deltaBias"))
                .withDeltaSoftplus(options.contains(Option.SOFTPLUS))
                .withInitialState(arrays.get("initialState"))
                .withSequences(sequences);
    }

    /** The step over the arrays of one token, which lack the axis L. */
    public SelectiveScanStep step(NDArray state, Map<String, NDArray> token) {
        return SelectiveScanStep.of(
                        state,
                        token.get("u"),
                        token.get("delta"),
                        token.get("a"),
                        token.get("b"),
                        token.get("c"))
                .withSkip(token.get("skip"))
                .withGate(token.get("gate"))
                .withDeltaBias(token.get("deltaBias"))
                .withDeltaSoftplus(options.contains(Option.SOFTPLUS));
    }

    @Override
    public List<String> results() {
        return List.of("output", "final state");
    }

    @Override
    public List<Shape> shapes() {
        return List.of(
                new Shape(size.batch(), size.length(), size.channels()),
                PackedForm.stateShape(sequences, size.batch(), size.channels(), size.states()));
    }

    @Override
    public List<NDArray> run(OpsProvider provider, Map<String, NDArray> arrays) {
        return run(provider, scan(arrays));
    }

    /** Runs the op with one sequence a row, whatever the case packs. */
    public List<NDArray> single(OpsProvider provider, Map<String, NDArray> arrays) {
        return run(provider, scan(arrays).withSequences(null));
    }

    private static List<NDArray> run(OpsProvider provider, SelectiveScan scan) {
        scan.check();
        SelectiveScan.Result result = provider.selectiveScan(scan);
        return List.of(result.output(), result.finalState());
    }

    @Override
    public List<NDArray> naive(Map<String, NDArray> arrays) {
        SelectiveScan.Result result = scan(arrays).naive();
        return List.of(result.output(), result.finalState());
    }

    @Override
    public List<double[]> forward(Map<String, double[]> values) {
        return loop(values).forward();
    }

    @Override
    public Map<String, double[]> backward(List<double[]> cotangents) {
        return loop(values()).backward(cotangents.get(0), cotangents.get(1));
    }

    private ScanLoop loop(Map<String, double[]> values) {
        return new ScanLoop(size, sequences, values, options.contains(Option.SOFTPLUS));
    }

    @Override
    public String toString() {
        String packed = sequences == null ? "" : " packed " + Arrays.hashCode(sequences.offsets());
        return "selective scan " + size + " " + options + " " + layout + packed;
    }
}
