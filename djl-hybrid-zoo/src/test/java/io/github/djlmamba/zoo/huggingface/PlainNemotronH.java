/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.function.DoubleBinaryOperator;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;

/**
 * Nemotron-H by loops over the stored tensors in double, for one sequence: by its own names and
 * layout, so that what the family's table does can be told from it.
 */
final class PlainNemotronH {

    /** The sizes of the model that the test makes. */
    record Sizes(
            int size,
            int heads,
            int keyValueHeads,
            int headSize,
            int stateHeads,
            int stateHeadSize,
            int states,
            int groups,
            int experts,
            int perToken,
            int expertGroups,
            int chosenGroups,
            double scale,
            double epsilon) {}

    private final Map<String, double[]> tensors;
    private final Sizes sizes;

    PlainNemotronH(Map<String, double[]> tensors, Sizes sizes) {
        this.tensors = tensors;
        this.sizes = sizes;
    }

    double[][] logits(String pattern, long[] ids) {
        double[] table = tensors.get("backbone.embeddings.weight");
        double[][] h = new double[ids.length][];
        for (int t = 0; t < ids.length; t++) {
            int row = (int) ids[t] * sizes.size();
            h[t] = Arrays.copyOfRange(table, row, row + sizes.size());
        }
        for (int layer = 0; layer < pattern.length(); layer++) {
            String prefix = "backbone.layers." + layer + ".";
            double[][] x = norm(h, prefix + "norm.weight");
            String name = prefix + "mixer.";
            double[][] y =
                    switch (pattern.charAt(layer)) {
                        case 'M' -> mamba2(name, x);
                        case '*' -> attention(name, x);
                        case '-' -> each(x, token -> mlp(name, token));
                        default -> each(x, token -> experts(name, token));
                    };
            h = each(h, y, Double::sum);
        }
        return each(norm(h, "backbone.norm_f.weight"), x -> linear("lm_head", x));
    }

    private double[][] mamba2(String name, double[][] x) {
        int channels = sizes.stateHeads() * sizes.stateHeadSize();
        int matrices = sizes.groups() * sizes.states();
        int convolved = channels + 2 * matrices;
        double[][] all = each(x, token -> linear(name + "in_proj", token));
        double[] weight = tensors.get(name + "conv1d.weight");
        double[] bias = tensors.get(name + "conv1d.bias");
        int width = weight.length / convolved;
        double[][] output = new double[x.length][];
        double[] state = new double[channels * sizes.states()];
        for (int t = 0; t < x.length; t++) {
            double[] conv = new double[convolved];
            for (int c = 0; c < convolved; c++) {
                double sum = bias[c];
                for (int w = 0; w < width; w++) {
                    int from = t - width + 1 + w;
                    sum += from < 0 ? 0 : weight[c * width + w] * all[from][channels + c];
                }
                conv[c] = silu(sum);
            }
            double[] y = step(name, conv, all[t], state);
            for (int c = 0; c < channels; c++) {
                y[c] *= silu(all[t][c]);
            }
            groupedNorm(y, tensors.get(name + "norm.weight"));
            output[t] = linear(name + "out_proj", y);
        }
        return output;
    }

    private double[] step(String name, double[] conv, double[] all, double[] state) {
        int channels = sizes.stateHeads() * sizes.stateHeadSize();
        int states = sizes.states();
        int matrices = sizes.groups() * states;
        double[] y = new double[channels];
        for (int head = 0; head < sizes.stateHeads(); head++) {
            double dt =
                    Math.log1p(
                            Math.exp(
                                    all[2 * channels + 2 * matrices + head]
                                            + tensors.get(name + "dt_bias")[head]));
            double decay = Math.exp(-dt * Math.exp(tensors.get(name + "A_log")[head]));
            int group = head / (sizes.stateHeads() / sizes.groups());
            for (int p = 0; p < sizes.stateHeadSize(); p++) {
                int c = head * sizes.stateHeadSize() + p;
                y[c] = tensors.get(name + "D")[head] * conv[c];
                for (int n = 0; n < states; n++) {
                    double b = conv[channels + group * states + n];
                    int s = c * states + n;
                    state[s] = decay * state[s] + dt * b * conv[c];
                    y[c] += conv[channels + matrices + group * states + n] * state[s];
                }
            }
        }
        return y;
    }

    private void groupedNorm(double[] y, double[] weight) {
        int size = y.length / sizes.groups();
        for (int g = 0; g < sizes.groups(); g++) {
            double sum = 0;
            for (int i = g * size; i < (g + 1) * size; i++) {
                sum += y[i] * y[i];
            }
            for (int i = g * size; i < (g + 1) * size; i++) {
                y[i] *= weight[i] / Math.sqrt(sum / size + sizes.epsilon());
            }
        }
    }

    private double[][] attention(String name, double[][] x) {
        double[][] q = each(x, token -> linear(name + "q_proj", token));
        double[][] k = each(x, token -> linear(name + "k_proj", token));
        double[][] v = each(x, token -> linear(name + "v_proj", token));
        int p = sizes.headSize();
        double[][] output = new double[x.length][];
        for (int t = 0; t < x.length; t++) {
            double[] mixed = new double[sizes.heads() * p];
            for (int head = 0; head < sizes.heads(); head++) {
                int key = head / (sizes.heads() / sizes.keyValueHeads());
                double[] weights = new double[t + 1];
                for (int s = 0; s <= t; s++) {
                    for (int i = 0; i < p; i++) {
                        weights[s] += q[t][head * p + i] * k[s][key * p + i] / Math.sqrt(p);
                    }
                    weights[s] = Math.exp(weights[s]);
                }
                double total = Arrays.stream(weights).sum();
                for (int s = 0; s <= t; s++) {
                    for (int i = 0; i < p; i++) {
                        mixed[head * p + i] += weights[s] / total * v[s][key * p + i];
                    }
                }
            }
            output[t] = linear(name + "o_proj", mixed);
        }
        return output;
    }

    private double[] mlp(String name, double[] x) {
        double[] hidden = linear(name + "up_proj", x);
        Arrays.setAll(hidden, i -> Math.max(hidden[i], 0) * Math.max(hidden[i], 0));
        return linear(name + "down_proj", hidden);
    }

    private double[] experts(String name, double[] x) {
        double[] scores = linear(name + "gate", x);
        Arrays.setAll(scores, e -> 1 / (1 + Math.exp(-scores[e])));
        double[] correction = tensors.get(name + "gate.e_score_correction_bias");
        double[] eligible = new double[sizes.experts()];
        Arrays.setAll(eligible, e -> scores[e] + correction[e]);
        int size = sizes.experts() / sizes.expertGroups();
        double[] totals = new double[sizes.expertGroups()];
        for (int g = 0; g < totals.length; g++) {
            double[] group = Arrays.copyOfRange(eligible, g * size, (g + 1) * size);
            totals[g] = largest(group, 2).stream().mapToDouble(e -> group[e]).sum();
        }
        List<Integer> groups = largest(totals, sizes.chosenGroups());
        for (int e = 0; e < eligible.length; e++) {
            eligible[e] = groups.contains(e / size) ? eligible[e] : Double.NEGATIVE_INFINITY;
        }
        List<Integer> chosen = largest(eligible, sizes.perToken());
        double total = chosen.stream().mapToDouble(e -> scores[e]).sum();
        double[] narrow = linear(name + "fc1_latent_proj", x);
        double[] sum = new double[narrow.length];
        for (int e : chosen) {
            double[] one = mlp(name + "experts." + e + ".", narrow);
            for (int i = 0; i < sum.length; i++) {
                sum[i] += sizes.scale() * scores[e] / total * one[i];
            }
        }
        double[] output = linear(name + "fc2_latent_proj", sum);
        double[] shared = mlp(name + "shared_experts.", x);
        Arrays.setAll(output, i -> output[i] + shared[i]);
        return output;
    }

    private static List<Integer> largest(double[] values, int count) {
        return IntStream.range(0, values.length)
                .boxed()
                .sorted(Comparator.comparingDouble(i -> -values[i]))
                .limit(count)
                .toList();
    }

    private double[] linear(String name, double[] x) {
        double[] weight = tensors.get(name + ".weight");
        double[] bias = tensors.get(name + ".bias");
        double[] y = new double[weight.length / x.length];
        for (int o = 0; o < y.length; o++) {
            y[o] = bias == null ? 0 : bias[o];
            for (int i = 0; i < x.length; i++) {
                y[o] += weight[o * x.length + i] * x[i];
            }
        }
        return y;
    }

    private double[][] norm(double[][] h, String name) {
        double[] weight = tensors.get(name);
        return each(
                h,
                x -> {
                    double mean = Arrays.stream(x).map(v -> v * v).average().orElseThrow();
                    double[] y = new double[x.length];
                    Arrays.setAll(y, i -> weight[i] * x[i] / Math.sqrt(mean + sizes.epsilon()));
                    return y;
                });
    }

    private static double silu(double x) {
        return x / (1 + Math.exp(-x));
    }

    private static double[][] each(double[][] rows, UnaryOperator<double[]> function) {
        return Arrays.stream(rows).map(function).toArray(double[][]::new);
    }

    private static double[][] each(
            double[][] left, double[][] right, DoubleBinaryOperator function) {
        double[][] result = new double[left.length][left[0].length];
        for (int t = 0; t < left.length; t++) {
            for (int i = 0; i < left[t].length; i++) {
                result[t][i] = function.applyAsDouble(left[t][i], right[t][i]);
            }
        }
        return result;
    }
}
