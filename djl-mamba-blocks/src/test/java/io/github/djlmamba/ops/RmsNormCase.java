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
import io.github.djlmamba.ops.RmsNormalization.GateOrder;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/** One call of the RMS norm, with its loops in double. */
public final class RmsNormCase extends OpCase {

    /** What a norm can do besides normalising. */
    public enum Option {
        RESIDUAL,
        WEIGHT,
        GATE_FIRST,
        GATE_LAST
    }

    private final Shape leading;
    private final int groups;
    private final int groupSize;
    private final Set<Option> options;
    private final Layout layout;
    private final double epsilon = 0.01;

    /** Draws the inputs: x of (leading..., groups groupSize), and those of the options. */
    public RmsNormCase(
            Shape leading, int groups, int groupSize, Set<Option> options, Layout layout) {
        this.leading = leading;
        this.groups = groups;
        this.groupSize = groupSize;
        this.options = options;
        this.layout = layout;
        Random random = new Random(toString().hashCode());
        Shape shape = leading.add(channels());
        put("x", shape, random);
        if (options.contains(Option.RESIDUAL)) {
            put("residual", shape, random);
        }
        if (gated()) {
            put("gate", shape, random);
        }
        if (options.contains(Option.WEIGHT)) {
            put("weight", new Shape(channels()), random);
        }
    }

    private void put(String name, Shape shape, Random random) {
        inputs().put(name, Sample.draw(shape, layout, random::nextGaussian));
    }

    /** All 12 sets of options. */
    public static List<Set<Option>> allOptions() {
        List<Set<Option>> all = new ArrayList<>();
        for (int bits = 0; bits < 1 << Option.values().length; bits++) {
            Set<Option> options = EnumSet.noneOf(Option.class);
            for (Option option : Option.values()) {
                if ((bits >> option.ordinal() & 1) != 0) {
                    options.add(option);
                }
            }
            if (!options.containsAll(EnumSet.of(Option.GATE_FIRST, Option.GATE_LAST))) {
                all.add(options);
            }
        }
        return all;
    }

    private int channels() {
        return groups * groupSize;
    }

    private boolean gated() {
        return first() || options.contains(Option.GATE_LAST);
    }

    private boolean first() {
        return options.contains(Option.GATE_FIRST);
    }

    /** The op over some arrays. */
    public RmsNormalization norm(Map<String, NDArray> arrays) {
        return RmsNormalization.of(arrays.get("x"))
                .withResidual(arrays.get("residual"))
                .withGate(arrays.get("gate"), first() ? GateOrder.GATE_FIRST : GateOrder.GATE_LAST)
                .withWeight(arrays.get("weight"))
                .withGroups(groups)
                .withEpsilon(epsilon);
    }

    @Override
    public List<String> results() {
        return options.contains(Option.RESIDUAL) ? List.of("output", "sum") : List.of("output");
    }

    @Override
    public List<Shape> shapes() {
        Shape shape = leading.add(channels());
        return options.contains(Option.RESIDUAL) ? List.of(shape, shape) : List.of(shape);
    }

    @Override
    public List<NDArray> run(OpsProvider provider, Map<String, NDArray> arrays) {
        RmsNormalization norm = norm(arrays);
        norm.check();
        return list(provider.rmsNorm(norm));
    }

    @Override
    public List<NDArray> naive(Map<String, NDArray> arrays) {
        return list(norm(arrays).naive());
    }

    private static List<NDArray> list(RmsNormalization.Result result) {
        return result.sum() == null
                ? List.of(result.output())
                : List.of(result.output(), result.sum());
    }

    @Override
    public List<double[]> forward(Map<String, double[]> values) {
        double[] sum = sum(values);
        double[] output = new double[sum.length];
        for (int start = 0; start < sum.length; start += groupSize) {
            double root = root(values, sum, start);
            for (int i = start; i < start + groupSize; i++) {
                output[i] = before(values, sum, i) / root * after(values, i);
            }
        }
        return options.contains(Option.RESIDUAL) ? List.of(output, sum) : List.of(output);
    }

    private double[] sum(Map<String, double[]> values) {
        double[] sum = values.get("x").clone();
        if (options.contains(Option.RESIDUAL)) {
            for (int i = 0; i < sum.length; i++) {
                sum[i] += values.get("residual")[i];
            }
        }
        return sum;
    }

    /** What is normalised. */
    private double before(Map<String, double[]> values, double[] sum, int i) {
        return first() ? sum[i] * ScanLoop.silu(values.get("gate")[i]) : sum[i];
    }

    /** What the normalised is multiplied by. */
    private double after(Map<String, double[]> values, int i) {
        double weight = options.contains(Option.WEIGHT) ? values.get("weight")[i % channels()] : 1;
        return gated() && !first() ? weight * ScanLoop.silu(values.get("gate")[i]) : weight;
    }

    private double root(Map<String, double[]> values, double[] sum, int start) {
        double squares = 0;
        for (int i = start; i < start + groupSize; i++) {
            squares += Math.pow(before(values, sum, i), 2);
        }
        return Math.sqrt(squares / groupSize + epsilon);
    }

    @Override
    public Map<String, double[]> backward(List<double[]> cotangents) {
        Map<String, double[]> values = values();
        Map<String, double[]> gradients = new LinkedHashMap<>();
        values.forEach((name, of) -> gradients.put(name, new double[of.length]));
        double[] sum = sum(values);
        for (int start = 0; start < sum.length; start += groupSize) {
            double root = root(values, sum, start);
            double dot = 0;
            for (int i = start; i < start + groupSize; i++) {
                dot += cotangents.get(0)[i] * after(values, i) * before(values, sum, i);
            }
            for (int i = start; i < start + groupSize; i++) {
                double g = cotangents.get(0)[i];
                double u = before(values, sum, i);
                double ofU = g * after(values, i) / root - u * dot / groupSize / Math.pow(root, 3);
                double ofSum = ofU;
                if (gated()) {
                    double z = values.get("gate")[i];
                    double weight =
                            options.contains(Option.WEIGHT)
                                    ? values.get("weight")[i % channels()]
                                    : 1;
                    gradients.get("gate")[i] =
                            ScanLoop.siluSlope(z)
                                    * (first() ? ofU * sum[i] : g * weight * u / root);
                    ofSum = first() ? ofU * ScanLoop.silu(z) : ofU;
                }
                if (options.contains(Option.RESIDUAL)) {
                    ofSum += cotangents.get(1)[i];
                    gradients.get("residual")[i] = ofSum;
                }
                gradients.get("x")[i] = ofSum;
                if (options.contains(Option.WEIGHT)) {
                    double last = gated() && !first() ? ScanLoop.silu(values.get("gate")[i]) : 1;
                    gradients.get("weight")[i % channels()] += g * u / root * last;
                }
            }
        }
        return gradients;
    }

    @Override
    public String toString() {
        return "RMS norm " + leading + " " + groups + " x " + groupSize + options + " " + layout;
    }
}
