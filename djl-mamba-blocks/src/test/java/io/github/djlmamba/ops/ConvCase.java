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
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/** One call of the causal convolution, with its loops in double. */
public final class ConvCase extends OpCase {

    /** What a convolution can do besides the taps. */
    public enum Option {
        BIAS,
        SILU,
        INITIAL_STATE
    }

    /**
     * The sizes of a convolution.
     *
     * @param batch B
     * @param length L
     * @param channels D
     * @param width W
     */
    public record Size(int batch, int length, int channels, int width) {}

    private final Size size;
    private final Set<Option> options;
    private final Layout layout;
    private final PackedSequences sequences;

    /** Draws the inputs of one sequence a row. */
    public ConvCase(Size size, Set<Option> options, Layout layout) {
        this(size, options, layout, null);
    }

    /** Draws the inputs, with the sequences packed into the rows. */
    public ConvCase(Size size, Set<Option> options, Layout layout, PackedSequences sequences) {
        this.size = size;
        this.options = options;
        this.layout = layout;
        this.sequences = sequences;
        Random random = new Random(toString().hashCode());
        put("x", shapes().get(0), random);
        put("weight", new Shape(size.channels(), size.width()), random);
        if (options.contains(Option.BIAS)) {
            put("bias", new Shape(size.channels()), random);
        }
        if (options.contains(Option.INITIAL_STATE)) {
            put("initialState", shapes().get(1), random);
        }
    }

    private void put(String name, Shape shape, Random random) {
        inputs().put(name, Sample.draw(shape, layout, random::nextGaussian));
    }

    /** All 8 sets of options. */
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
    public CausalConv1d convolution(Map<String, NDArray> arrays) {
        return CausalConv1d.of(arrays.get("x"), arrays.get("weight"))
                .withBias(arrays.get("bias"))
                .withSilu(options.contains(Option.SILU))
                .withInitialState(arrays.get("initialState"))
                .withSequences(sequences);
    }

    /** The step over the arrays of one token, whose x lacks the axis L. */
    public CausalConv1dStep step(NDArray state, Map<String, NDArray> token) {
        return CausalConv1dStep.of(state, token.get("x"), token.get("weight"))
                .withBias(token.get("bias"))
                .withSilu(options.contains(Option.SILU));
    }

    @Override
    public List<String> results() {
        return List.of("output", "final state");
    }

    @Override
    public List<Shape> shapes() {
        return List.of(
                new Shape(size.batch(), size.length(), size.channels()),
                PackedForm.stateShape(sequences, size.batch(), size.width() - 1, size.channels()));
    }

    @Override
    public List<NDArray> run(OpsProvider provider, Map<String, NDArray> arrays) {
        return run(provider, convolution(arrays));
    }

    /** Runs the op with one sequence a row, whatever the case packs. */
    public List<NDArray> single(OpsProvider provider, Map<String, NDArray> arrays) {
        return run(provider, convolution(arrays).withSequences(null));
    }

    private static List<NDArray> run(OpsProvider provider, CausalConv1d convolution) {
        convolution.check();
        CausalConv1d.Result result = provider.causalConv1d(convolution);
        return List.of(result.output(), result.finalState());
    }

    @Override
    public List<NDArray> naive(Map<String, NDArray> arrays) {
        CausalConv1d.Result result = convolution(arrays).naive();
        return List.of(result.output(), result.finalState());
    }

    @Override
    public List<double[]> forward(Map<String, double[]> values) {
        double[] output = new double[size.batch() * size.length() * size.channels()];
        double[] state = new double[(int) shapes().get(1).size()];
        int rows = size.width() - 1;
        for (Sequence sequence : all()) {
            for (int t = sequence.begin(); t < sequence.end(); t++) {
                for (int k = 0; k < size.channels(); k++) {
                    double y = linear(values, sequence, t, k);
                    output[step(sequence, t, k)] =
                            options.contains(Option.SILU) ? ScanLoop.silu(y) : y;
                }
            }
            for (int j = 0; j < rows; j++) {
                for (int k = 0; k < size.channels(); k++) {
                    state[(sequence.number() * rows + j) * size.channels() + k] =
                            input(values, sequence, sequence.end() - rows + j, k);
                }
            }
        }
        return List.of(output, state);
    }

    @Override
    public Map<String, double[]> backward(List<double[]> cotangents) {
        Map<String, double[]> values = values();
        Map<String, double[]> gradients = new LinkedHashMap<>();
        values.forEach((name, of) -> gradients.put(name, new double[of.length]));
        int rows = size.width() - 1;
        for (Sequence sequence : all()) {
            for (int k = 0; k < size.channels(); k++) {
                for (int t = sequence.begin(); t < sequence.end(); t++) {
                    double g = cotangents.get(0)[step(sequence, t, k)];
                    if (options.contains(Option.SILU)) {
                        g *= ScanLoop.siluSlope(linear(values, sequence, t, k));
                    }
                    if (options.contains(Option.BIAS)) {
                        gradients.get("bias")[k] += g;
                    }
                    for (int j = 0; j < size.width(); j++) {
                        int from = t - rows + j;
                        int tap = k * size.width() + j;
                        gradients.get("weight")[tap] += g * input(values, sequence, from, k);
                        add(gradients, sequence, from, k, g * values.get("weight")[tap]);
                    }
                }
                for (int j = 0; j < rows; j++) {
                    int at = (sequence.number() * rows + j) * size.channels() + k;
                    add(gradients, sequence, sequence.end() - rows + j, k, cotangents.get(1)[at]);
                }
            }
        }
        return gradients;
    }

    /** Steps [begin, end) of a row; the number counts over all rows. */
    private record Sequence(int row, int number, int begin, int end) {}

    private List<Sequence> all() {
        List<Sequence> all = new ArrayList<>();
        for (int row = 0; row < size.batch(); row++) {
            if (sequences == null) {
                all.add(new Sequence(row, row, 0, size.length()));
            } else {
                for (int s = 0; s < sequences.sequences(); s++) {
                    int begin = (int) sequences.begin(row, s);
                    all.add(new Sequence(row, all.size(), begin, (int) sequences.end(row, s)));
                }
            }
        }
        return all;
    }

    private double linear(Map<String, double[]> values, Sequence sequence, int t, int k) {
        double[] weight = values.get("weight");
        double y = options.contains(Option.BIAS) ? values.get("bias")[k] : 0;
        for (int j = 0; j < size.width(); j++) {
            int from = t - size.width() + 1 + j;
            y += weight[k * size.width() + j] * input(values, sequence, from, k);
        }
        return y;
    }

    /** The input at step t, which may lie before the sequence's first. */
    private double input(Map<String, double[]> values, Sequence sequence, int t, int k) {
        if (t >= sequence.begin()) {
            return values.get("x")[step(sequence, t, k)];
        }
        return options.contains(Option.INITIAL_STATE)
                ? values.get("initialState")[earlier(sequence, t, k)]
                : 0;
    }

    private void add(
            Map<String, double[]> gradients, Sequence sequence, int t, int k, double value) {
        if (t >= sequence.begin()) {
            gradients.get("x")[step(sequence, t, k)] += value;
        } else if (options.contains(Option.INITIAL_STATE)) {
            gradients.get("initialState")[earlier(sequence, t, k)] += value;
        }
    }

    private int step(Sequence sequence, int t, int k) {
        return (sequence.row() * size.length() + t) * size.channels() + k;
    }

    private int earlier(Sequence sequence, int t, int k) {
        int rows = size.width() - 1;
        return (sequence.number() * rows + rows + t - sequence.begin()) * size.channels() + k;
    }

    @Override
    public String toString() {
        String packed = sequences == null ? "" : " packed " + Arrays.hashCode(sequences.offsets());
        return "causal conv1d " + size + " " + options + " " + layout + packed;
    }
}
