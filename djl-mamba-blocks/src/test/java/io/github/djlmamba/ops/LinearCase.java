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
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.util.NativeResource;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Supplier;

/** One call of the linear projection, with its loops in double. */
public final class LinearCase extends OpCase {

    private final Shape leading;
    private final int inputs;
    private final int outputs;
    private final boolean bias;
    private final Layout layout;

    /** Draws the inputs: (leading..., I), (O, I) and perhaps (O). */
    public LinearCase(Shape leading, int inputs, int outputs, boolean bias, Layout layout) {
        this.leading = leading;
        this.inputs = inputs;
        this.outputs = outputs;
        this.bias = bias;
        this.layout = layout;
        Random random = new Random(toString().hashCode());
        put("input", leading.add(inputs), random);
        put("weight", new Shape(outputs, inputs), random);
        if (bias) {
            put("bias", new Shape(outputs), random);
        }
    }

    private void put(String name, Shape shape, Random random) {
        inputs().put(name, Sample.draw(shape, layout, random::nextGaussian));
    }

    private Linear linear(Map<String, NDArray> arrays) {
        return Linear.of(arrays.get("input"), arrays.get("weight")).withBias(arrays.get("bias"));
    }

    @Override
    public List<String> results() {
        return List.of("result");
    }

    @Override
    public List<Shape> shapes() {
        return List.of(leading.add(outputs));
    }

    @Override
    public List<NDArray> run(OpsProvider provider, Map<String, NDArray> arrays) {
        Linear linear = linear(arrays);
        return inPrecisionOf(
                linear.input(),
                () -> {
                    linear.check();
                    return List.of(provider.linear(linear));
                });
    }

    @Override
    public List<NDArray> naive(Map<String, NDArray> arrays) {
        Linear linear = linear(arrays);
        return inPrecisionOf(linear.input(), () -> List.of(linear.naive()));
    }

    /** The op takes bfloat16 within that precision alone. */
    private static List<NDArray> inPrecisionOf(NDArray input, Supplier<List<NDArray>> run) {
        // What is closed has no type to ask for; the op is to say so.
        boolean reduced =
                input instanceof NativeResource<?> open
                        && !open.isReleased()
                        && input.getDataType() == DataType.UNKNOWN;
        return (reduced ? Precision.BFLOAT16 : Precision.FLOAT32).within(run);
    }

    @Override
    public List<double[]> forward(Map<String, double[]> values) {
        int rows = (int) leading.size();
        double[] result = new double[rows * outputs];
        for (int r = 0; r < rows; r++) {
            for (int o = 0; o < outputs; o++) {
                double sum = bias ? values.get("bias")[o] : 0;
                for (int i = 0; i < inputs; i++) {
                    sum +=
                            values.get("input")[r * inputs + i]
                                    * values.get("weight")[o * inputs + i];
                }
                result[r * outputs + o] = sum;
            }
        }
        return List.of(result);
    }

    @Override
    public Map<String, double[]> backward(List<double[]> cotangents) {
        Map<String, double[]> values = values();
        Map<String, double[]> gradients = new LinkedHashMap<>();
        values.forEach((name, of) -> gradients.put(name, new double[of.length]));
        for (int r = 0; r < leading.size(); r++) {
            for (int o = 0; o < outputs; o++) {
                double g = cotangents.get(0)[r * outputs + o];
                for (int i = 0; i < inputs; i++) {
                    gradients.get("input")[r * inputs + i] +=
                            g * values.get("weight")[o * inputs + i];
                    gradients.get("weight")[o * inputs + i] +=
                            g * values.get("input")[r * inputs + i];
                }
                if (bias) {
                    gradients.get("bias")[o] += g;
                }
            }
        }
        return gradients;
    }

    @Override
    public String toString() {
        return "linear "
                + leading
                + " x "
                + inputs
                + " to "
                + outputs
                + (bias ? " with bias " : " ")
                + layout;
    }
}
