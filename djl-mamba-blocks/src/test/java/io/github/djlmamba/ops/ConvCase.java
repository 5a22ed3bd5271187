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

    /** Draws the inputs. */
    public ConvCase(Size size, Set<Option> options, Layout layout) {
        this.size = size;
        this.options = options;
        this.layout = layout;
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

    /** The sizes. */
    public Size size() {
        return size;
    }

    /** The op over some arrays. */
    public CausalConv1d convolution(Map<String, NDArray> arrays) {
        return CausalConv1d.of(arrays.get("x"), arrays.get("weight"))
                .withBias(arrays.get("bias"))
                .withSilu(options.contains(Option.SILU))
                .withInitialState(arrays.get("initialState"));
    }

    @Override
    public List<String> results() {
        return List.of("output", "final state");
    }

    @Override
    public List<Shape> shapes() {
        return List.of(
                new Shape(size.batch(), size.length(), size.channels()),
                new Shape(size.batch(), size.width() - 1, size.channels()));
    }

    @Override
    public List<NDArray> run(OpsProvider provider, Map<String, NDArray> arrays) {
        CausalConv1d convolution = convolution(arrays);
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
        double[] state = new double[size.batch() * (size.width() - 1) * size.channels()];
        for (int i = 0; i < size.batch(); i++) {
            for (int t = 0; t < size.length(); t++) {
                for (int k = 0; k < size.channels(); k++) {
                    double y = linear(values, i, t, k);
                    output[(i * size.length() + t) * size.channels() + k] =
                            options.contains(Option.SILU) ? ScanLoop.silu(y) : y;
                }
            }
            for (int s = 0; s < size.width() - 1; s++) {
                int t = size.length() - (size.width() - 1) + s;
                for (int k = 0; k < size.channels(); k++) {
                    state[(i * (size.width() - 1) + s) * size.channels() + k] =
                            input(values, i, t, k);
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
        double[] weight = values.get("weight");
        double[] ofWeight = gradients.get("weight");
        for (int i = 0; i < size.batch(); i++) {
            for (int t = 0; t < size.length(); t++) {
                for (int k = 0; k < size.channels(); k++) {
                    double g = cotangents.get(0)[(i * size.length() + t) * size.channels() + k];
                    if (options.contains(Option.SILU)) {
                        g *= ScanLoop.siluSlope(linear(values, i, t, k));
                    }
                    if (options.contains(Option.BIAS)) {
                        gradients.get("bias")[k] += g;
                    }
                    for (int j = 0; j < size.width(); j++) {
                        int from = t - size.width() + 1 + j;
                        int tap = k * size.width() + j;
                        ofWeight[tap] += g * input(values, i, from, k);
                        add(gradients, i, from, k, g * weight[tap]);
                    }
                }
            }
            for (int s = 0; s < size.width() - 1; s++) {
                for (int k = 0; k < size.channels(); k++) {
                    int at = (i * (size.width() - 1) + s) * size.channels() + k;
                    add(
                            gradients,
                            i,
                            size.length() - (size.width() - 1) + s,
                            k,
                            cotangents.get(1)[at]);
                }
            }
        }
        return gradients;
    }

    private double linear(Map<String, double[]> values, int i, int t, int k) {
        double[] weight = values.get("weight");
        double y = options.contains(Option.BIAS) ? values.get("bias")[k] : 0;
        for (int j = 0; j < size.width(); j++) {
            y += weight[k * size.width() + j] * input(values, i, t - size.width() + 1 + j, k);
        }
        return y;
    }

    /** The input at step t, which may lie before the first. */
    private double input(Map<String, double[]> values, int i, int t, int k) {
        if (t >= 0) {
            return values.get("x")[(i * size.length() + t) * size.channels() + k];
        }
        return options.contains(Option.INITIAL_STATE)
                ? values.get("initialState")[earlier(i, t, k)]
                : 0;
    }

    private void add(Map<String, double[]> gradients, int i, int t, int k, double value) {
        if (t >= 0) {
            gradients.get("x")[(i * size.length() + t) * size.channels() + k] += value;
        } else if (options.contains(Option.INITIAL_STATE)) {
            gradients.get("initialState")[earlier(i, t, k)] += value;
        }
    }

    private int earlier(int i, int t, int k) {
        return (i * (size.width() - 1) + size.width() - 1 + t) * size.channels() + k;
    }

    @Override
    public String toString() {
        return "causal conv1d " + size + " " + options + " " + layout;
    }
}
