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

/** One call of the state space dual. */
public final class DualCase extends OpCase {

    /** The limits of delta, if they are asked for: some of the steps drawn lie outside. */
    static final double MINIMUM = 0.3;

    static final double MAXIMUM = 0.8;

    /**
     * How far from the limits all steps lie that are drawn: some roundings of float32. A step
     * nearer than that is limited in one precision and not in the other, and its gradient is all or
     * nothing.
     */
    private static final double MARGIN = 1e-6;

    /** What a state space dual can do besides the recurrence. */
    public enum Option {
        SKIP,
        /** The skip has a weight for each channel instead of each head. */
        SKIP_BY_CHANNEL,
        GATE,
        DELTA_BIAS,
        SOFTPLUS,
        LIMITS,
        INITIAL_STATE
    }

    /**
     * The sizes of a state space dual.
     *
     * @param batch B
     * @param length L
     * @param heads H
     * @param headSize P
     * @param states N
     * @param groups G; 0 for B and C without an axis of groups
     */
    public record Size(int batch, int length, int heads, int headSize, int states, int groups) {}

    private final Size size;
    private final Set<Option> options;
    private final Layout layout;
    private final int chunkSize;
    private final PackedSequences sequences;

    /** Draws the inputs of a case of one sequence a row, whose chunks are chosen. */
    public DualCase(Size size, Set<Option> options, Layout layout) {
        this(size, options, layout, 0, null);
    }

    /** Draws the inputs; they do not depend on the size of the chunks. */
    public DualCase(
            Size size,
            Set<Option> options,
            Layout layout,
            int chunkSize,
            PackedSequences sequences) {
        this.size = size;
        this.options = options;
        this.layout = layout;
        this.chunkSize = chunkSize;
        this.sequences = sequences;
        Random random = new Random(drawn().hashCode());
        Shape tokens = new Shape(size.batch(), size.length());
        Shape head = new Shape(size.heads());
        Shape grouped =
                size.groups() == 0
                        ? tokens.add(size.states())
                        : tokens.add(size.groups(), size.states());
        put("x", tokens.add(size.heads(), size.headSize()), random, 1, 0);
        put("delta", tokens.add(size.heads()), random, 0, 0.5);
        put("a", head, random, 0, -1);
        put("b", grouped, random, 1, 0);
        put("c", grouped, random, 1, 0);
        if (options.contains(Option.SKIP)) {
            boolean byChannel = options.contains(Option.SKIP_BY_CHANNEL);
            put("skip", byChannel ? head.add(size.headSize()) : head, random, 1, 0);
        }
        if (options.contains(Option.GATE)) {
            put("gate", tokens.add(size.heads(), size.headSize()), random, 1, 0);
        }
        if (options.contains(Option.DELTA_BIAS)) {
            put("deltaBias", head, random, 0, 0.5);
        }
        if (options.contains(Option.INITIAL_STATE)) {
            put("initialState", shapes().get(1), random, 1, 0);
        }
        while (options.contains(Option.LIMITS) && loop(values()).distanceFromLimits() < MARGIN) {
            put("delta", tokens.add(size.heads()), random, 0, 0.5);
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

    /** All sets of options. */
    public static List<Set<Option>> allOptions() {
        List<Set<Option>> all = new ArrayList<>();
        for (int bits = 0; bits < 1 << Option.values().length; bits++) {
            Set<Option> options = EnumSet.noneOf(Option.class);
            for (Option option : Option.values()) {
                if ((bits >> option.ordinal() & 1) != 0) {
                    options.add(option);
                }
            }
            if (options.contains(Option.SKIP) || !options.contains(Option.SKIP_BY_CHANNEL)) {
                all.add(options);
            }
        }
        return all;
    }

    /** The options. */
    public Set<Option> options() {
        return options;
    }

    /** The same call with another size of the chunks, of the same inputs. */
    public DualCase withChunkSize(int tokens) {
        return new DualCase(size, options, layout, tokens, sequences);
    }

    /** The op over some arrays, of which there may be fewer tokens than in the case. */
    private StateSpaceDual dual(Map<String, NDArray> arrays) {
        StateSpaceDual dual =
                StateSpaceDual.of(
                                arrays.get("x"),
                                arrays.get("delta"),
                                arrays.get("a"),
                                arrays.get("b"),
                                arrays.get("c"))
                        .withSkip(arrays.get("skip"))
                        .withGate(arrays.get("gate"))
                        .withDeltaBias(arrays.get("deltaBias"))
                        .withDeltaSoftplus(options.contains(Option.SOFTPLUS))
                        .withInitialState(arrays.get("initialState"))
                        .withChunkSize(chunkSize)
                        .withSequences(sequences);
        return options.contains(Option.LIMITS) ? dual.withDeltaLimits(MINIMUM, MAXIMUM) : dual;
    }

    @Override
    public List<String> results() {
        return List.of("output", "final state");
    }

    @Override
    public List<Shape> shapes() {
        long[] matrix = {size.heads(), size.headSize(), size.states()};
        return List.of(
                new Shape(size.batch(), size.length(), size.heads(), size.headSize()),
                sequences == null
                        ? new Shape(size.batch()).add(matrix)
                        : new Shape(sequences.stateShape(matrix)));
    }

    /** The shapes that the results of other arrays have. */
    List<Shape> shapes(Map<String, NDArray> arrays) {
        Shape x = arrays.get("x").getShape();
        Shape b = arrays.get("b").getShape();
        Shape rows = new Shape(x.get(0));
        return List.of(
                x,
                (sequences == null ? rows : rows.add(sequences.sequences()))
                        .add(x.get(2), x.get(3), b.get(b.dimension() - 1)));
    }

    @Override
    public List<NDArray> run(OpsProvider provider, Map<String, NDArray> arrays) {
        StateSpaceDual dual = dual(arrays);
        dual.check();
        StateSpaceDual.Result result = provider.stateSpaceDual(dual);
        return List.of(result.output(), result.finalState());
    }

    @Override
    public List<NDArray> naive(Map<String, NDArray> arrays) {
        StateSpaceDual.Result result = dual(arrays).naive();
        return List.of(result.output(), result.finalState());
    }

    /** Runs the op with one sequence a row, whatever the case packs. */
    public List<NDArray> single(OpsProvider provider, Map<String, NDArray> arrays) {
        StateSpaceDual dual = dual(arrays).withSequences(null);
        dual.check();
        StateSpaceDual.Result result = provider.stateSpaceDual(dual);
        return List.of(result.output(), result.finalState());
    }

    private DualLoop loop(Map<String, double[]> values) {
        boolean limited = options.contains(Option.LIMITS);
        return new DualLoop(
                size,
                sequences,
                values,
                options.contains(Option.SOFTPLUS),
                limited ? MINIMUM : Double.NEGATIVE_INFINITY,
                limited ? MAXIMUM : Double.POSITIVE_INFINITY);
    }

    @Override
    public List<double[]> forward(Map<String, double[]> values) {
        return loop(values).forward();
    }

    @Override
    public Map<String, double[]> backward(List<double[]> cotangents) {
        return loop(values()).backward(cotangents.get(0), cotangents.get(1));
    }

    private String drawn() {
        String packed = sequences == null ? "" : " packed " + Arrays.hashCode(sequences.offsets());
        return "state space dual " + size + " " + options + " " + layout + packed;
    }

    @Override
    public String toString() {
        return drawn() + " chunk " + chunkSize;
    }
}
