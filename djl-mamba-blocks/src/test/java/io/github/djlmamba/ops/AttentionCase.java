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
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** One call of causal attention, with its loops in double. */
public final class AttentionCase extends OpCase {

    /**
     * The sizes of an attention.
     *
     * @param batch B
     * @param past the number of tokens before the queries, T - L
     * @param length L
     * @param heads H
     * @param keyHeads K
     * @param headSize P
     */
    public record Size(int batch, int past, int length, int heads, int keyHeads, int headSize) {}

    private final Size size;
    private final Double scale;
    private final int window;
    private final Layout layout;

    /** Draws the inputs; no scale is the usual one, and a window of 0 is none. */
    public AttentionCase(Size size, Double scale, int window, Layout layout) {
        this.size = size;
        this.scale = scale;
        this.window = window;
        this.layout = layout;
        Random random = new Random(toString().hashCode());
        put("queries", shapes().get(0), random);
        Shape keys = new Shape(size.batch(), total(), size.keyHeads(), size.headSize());
        put("keys", keys, random);
        put("values", keys, random);
    }

    private void put(String name, Shape shape, Random random) {
        inputs().put(name, Sample.draw(shape, layout, random::nextGaussian));
    }

    private int total() {
        return size.past() + size.length();
    }

    private CausalAttention attention(Map<String, NDArray> arrays) {
        CausalAttention attention =
                CausalAttention.of(arrays.get("queries"), arrays.get("keys"), arrays.get("values"))
                        .withWindow(window);
        return scale == null ? attention : attention.withScale(scale);
    }

    @Override
    public List<String> results() {
        return List.of("output");
    }

    @Override
    public List<Shape> shapes() {
        return List.of(new Shape(size.batch(), size.length(), size.heads(), size.headSize()));
    }

    @Override
    public List<NDArray> run(OpsProvider provider, Map<String, NDArray> arrays) {
        CausalAttention attention = attention(arrays);
        attention.check();
        return List.of(provider.causalAttention(attention));
    }

    @Override
    public List<NDArray> naive(Map<String, NDArray> arrays) {
        return List.of(attention(arrays).naive());
    }

    /** Where the vector of a token and a head begins in an array of so many tokens and heads. */
    private int at(int row, int token, int head, int tokens, int heads) {
        return ((row * tokens + token) * heads + head) * size.headSize();
    }

    private int keyAt(int row, int token, int head) {
        return at(row, token, head / (size.heads() / size.keyHeads()), total(), size.keyHeads());
    }

    private double factor() {
        return scale == null ? 1 / Math.sqrt(size.headSize()) : scale;
    }

    /** The weights of all keys for one query; 0 for those that it may not read. */
    private double[] weights(Map<String, double[]> values, int row, int t, int head) {
        int position = size.past() + t;
        int first = window == 0 ? 0 : Math.max(0, position - window + 1);
        int query = at(row, t, head, size.length(), size.heads());
        double[] weights = new double[total()];
        double largest = Double.NEGATIVE_INFINITY;
        for (int s = first; s <= position; s++) {
            weights[s] =
                    factor()
                            * dot(
                                    values.get("queries"),
                                    query,
                                    values.get("keys"),
                                    keyAt(row, s, head));
            largest = Math.max(largest, weights[s]);
        }
        double sum = 0;
        for (int s = first; s <= position; s++) {
            weights[s] = Math.exp(weights[s] - largest);
            sum += weights[s];
        }
        for (int s = first; s <= position; s++) {
            weights[s] /= sum;
        }
        return weights;
    }

    private double dot(double[] a, int fromA, double[] b, int fromB) {
        double dot = 0;
        for (int p = 0; p < size.headSize(); p++) {
            dot += a[fromA + p] * b[fromB + p];
        }
        return dot;
    }

    private interface Query {
        void visit(int row, int t, int head, int query);
    }

    private void forEachQuery(Query visitor) {
        for (int row = 0; row < size.batch(); row++) {
            for (int t = 0; t < size.length(); t++) {
                for (int head = 0; head < size.heads(); head++) {
                    visitor.visit(row, t, head, at(row, t, head, size.length(), size.heads()));
                }
            }
        }
    }

    @Override
    public List<double[]> forward(Map<String, double[]> values) {
        double[] output = new double[values.get("queries").length];
        forEachQuery(
                (row, t, head, query) -> {
                    double[] weights = weights(values, row, t, head);
                    for (int s = 0; s <= size.past() + t; s++) {
                        for (int p = 0; weights[s] != 0 && p < size.headSize(); p++) {
                            output[query + p] +=
                                    weights[s] * values.get("values")[keyAt(row, s, head) + p];
                        }
                    }
                });
        return List.of(output);
    }

    @Override
    public Map<String, double[]> backward(List<double[]> cotangents) {
        Map<String, double[]> values = values();
        Map<String, double[]> gradients = new LinkedHashMap<>();
        values.forEach((name, of) -> gradients.put(name, new double[of.length]));
        double[] g = cotangents.get(0);
        forEachQuery(
                (row, t, head, query) -> {
                    double[] weights = weights(values, row, t, head);
                    double[] ofWeights = new double[weights.length];
                    double mean = 0;
                    for (int s = 0; s <= size.past() + t; s++) {
                        ofWeights[s] = dot(g, query, values.get("values"), keyAt(row, s, head));
                        mean += weights[s] * ofWeights[s];
                    }
                    for (int s = 0; s <= size.past() + t; s++) {
                        double ofScore = factor() * weights[s] * (ofWeights[s] - mean);
                        int key = keyAt(row, s, head);
                        for (int p = 0; p < size.headSize(); p++) {
                            gradients.get("values")[key + p] += weights[s] * g[query + p];
                            gradients.get("keys")[key + p] +=
                                    ofScore * values.get("queries")[query + p];
                            gradients.get("queries")[query + p] +=
                                    ofScore * values.get("keys")[key + p];
                        }
                    }
                });
        return gradients;
    }

    @Override
    public String toString() {
        return "causal attention " + size + " scale " + scale + " window " + window + " " + layout;
    }
}
