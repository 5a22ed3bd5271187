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
import org.apiguardian.api.API;

/**
 * The linear projection y = x W<sup>T</sup> + b over the last axis.
 *
 * <p>Shapes: x (..., I), weight (O, I), bias (O), result (..., O). Within {@link
 * Precision#BFLOAT16} x may be float32 or bfloat16, and the result is bfloat16. A weight may be
 * stored in bfloat16 beside a float32 x, which halves what a projection of few rows has to read;
 * the products and sums are those of its numbers in float32. Immutable and thread safe; the arrays
 * it names are not copied.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class Linear {

    private final NDArray input;
    private final NDArray weight;
    private final NDArray bias;

    private Linear(NDArray input, NDArray weight, NDArray bias) {
        this.input = input;
        this.weight = weight;
        this.bias = bias;
    }

    /**
     * Names the required inputs.
     *
     * @param input x, of shape (..., I)
     * @param weight the weight, of shape (O, I)
     * @return the op, without bias
     */
    public static Linear of(NDArray input, NDArray weight) {
        return new Linear(input, weight, null);
    }

    /**
     * Adds a bias.
     *
     * @param newBias the bias, of shape (O); null for none
     * @return a copy of the op with it
     */
    public Linear withBias(NDArray newBias) {
        return new Linear(input, weight, newBias);
    }

    /**
     * Returns x.
     *
     * @return the input
     */
    public NDArray input() {
        return input;
    }

    /**
     * Returns the weight.
     *
     * @return the weight
     */
    public NDArray weight() {
        return weight;
    }

    /**
     * Returns the bias.
     *
     * @return the bias, or null
     */
    public NDArray bias() {
        return bias;
    }

    /**
     * Checks the inputs and runs the op on the provider for them.
     *
     * @return the projection, in x's manager
     * @throws IllegalArgumentException if a shape, type or device does not fit
     * @throws IllegalStateException if an array is closed
     */
    public NDArray run() {
        check();
        return OpsProviders.forArrays(input.getDevice(), input.getDataType()).linear(this);
    }

    /**
     * Checks the inputs without running anything.
     *
     * @throws IllegalArgumentException if a shape, type or device does not fit
     * @throws IllegalStateException if an array is closed
     */
    public void check() {
        // Within bfloat16 the products convert what they multiply, and the parameters stay float32.
        ArgumentCheck check = new ArgumentCheck("linear", Precision.active() == Precision.BFLOAT16);
        check.array("input", input);
        check.weight("weight", weight);
        check.axes("weight", weight, "(O, I)", 2);
        Shape shape = input.getShape();
        long inputs = weight.getShape().get(1);
        if (shape.dimension() == 0 || shape.get(shape.dimension() - 1) != inputs) {
            throw check.failure(
                    "input",
                    "has shape "
                            + shape
                            + "; expected (..., I) with I = "
                            + inputs
                            + ", as weight has shape "
                            + weight.getShape());
        }
        long outputs = weight.getShape().get(0);
        if (bias != null) {
            check.parameter("bias", bias, "(O)", outputs);
        }
        check.elements("the result", shape.slice(0, shape.dimension() - 1).size(), outputs);
    }

    /**
     * Computes the op by DJL's own linear projection.
     *
     * @return the projection
     */
    public NDArray naive() {
        if (weight.getDataType() != DataType.UNKNOWN) {
            return ai.djl.nn.core.Linear.linear(input, weight, bias).singletonOrThrow();
        }
        return NaiveForm.compute(
                        input.getManager(),
                        () ->
                                ai.djl.nn.core.Linear.linear(
                                        input, Precision.FLOAT32.cast(weight), bias))
                .singletonOrThrow();
    }
}
