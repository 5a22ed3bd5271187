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
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import org.apiguardian.api.API;

/**
 * The causal depthwise convolution before a scan (Gu and Dao, 2023, section 3.4):
 *
 * <pre>
 *   y_t    = bias + sum over k of weight_k x_{t - W + 1 + k}       (channel by channel; k from 0 to W - 1)
 *   output = silu(y), or y
 * </pre>
 *
 * <p>Shapes: x and the output (B, L, D); weight (D, W) with W at least 1; bias (D); states (B, W -
 * 1, D), the W - 1 inputs before the next one, the oldest first. The last axis of each should be
 * contiguous; others may have any stride. Both results are differentiable in every input. With L =
 * 0 the output is empty and the final state is the initial one.
 *
 * <p>Immutable and thread safe; the arrays it names are not copied.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class CausalConv1d {

    private final NDArray x;
    private final NDArray weight;
    private NDArray bias;
    private boolean silu;
    private NDArray initialState;

    private CausalConv1d(NDArray x, NDArray weight) {
        this.x = x;
        this.weight = weight;
    }

    private CausalConv1d copy() {
        CausalConv1d copy = new CausalConv1d(x, weight);
        copy.bias = bias;
        copy.silu = silu;
        copy.initialState = initialState;
        return copy;
    }

    /**
     * Names the required inputs.
     *
     * @param x the sequence, of shape (B, L, D)
     * @param weight the taps of each channel, the oldest input's first, of shape (D, W)
     * @return the op, with every option off
     */
    public static CausalConv1d of(NDArray x, NDArray weight) {
        return new CausalConv1d(x, weight);
    }

    /**
     * Adds a bias.
     *
     * @param newBias the bias, of shape (D); null for none
     * @return a copy of the op with it
     */
    public CausalConv1d withBias(NDArray newBias) {
        CausalConv1d copy = copy();
        copy.bias = newBias;
        return copy;
    }

    /**
     * Sets whether the output passes through SiLU.
     *
     * @param newSilu true for SiLU
     * @return a copy of the op with it
     */
    public CausalConv1d withSilu(boolean newSilu) {
        CausalConv1d copy = copy();
        copy.silu = newSilu;
        return copy;
    }

    /**
     * Starts after earlier inputs other than zero.
     *
     * @param newInitialState the W - 1 inputs before x, of shape (B, W - 1, D); null for zeros
     * @return a copy of the op with it
     */
    public CausalConv1d withInitialState(NDArray newInitialState) {
        CausalConv1d copy = copy();
        copy.initialState = newInitialState;
        return copy;
    }

    /**
     * Returns the sequence.
     *
     * @return x, of shape (B, L, D)
     */
    public NDArray x() {
        return x;
    }

    /**
     * Returns the taps of each channel.
     *
     * @return the weight, of shape (D, W)
     */
    public NDArray weight() {
        return weight;
    }

    /**
     * Returns the bias.
     *
     * @return the bias, of shape (D), or null
     */
    public NDArray bias() {
        return bias;
    }

    /**
     * Returns whether the output passes through SiLU.
     *
     * @return true for SiLU
     */
    public boolean silu() {
        return silu;
    }

    /**
     * Returns the inputs before x.
     *
     * @return the state, of shape (B, W - 1, D), or null for zeros
     */
    public NDArray initialState() {
        return initialState;
    }

    /**
     * Checks the inputs and runs the op on the provider for them.
     *
     * @return the output and the final state, in x's manager
     * @throws IllegalArgumentException if a shape, type or device does not fit
     * @throws IllegalStateException if an array is closed
     */
    public Result run() {
        check();
        return OpsProviders.forArrays(x.getDevice(), x.getDataType()).causalConv1d(this);
    }

    /**
     * Checks the inputs without running anything.
     *
     * @throws IllegalArgumentException if a shape, type or device does not fit
     * @throws IllegalStateException if an array is closed
     */
    public void check() {
        ArgumentCheck check = new ArgumentCheck("causal conv1d");
        check.array("x", x);
        check.axes("x", x, "(B, L, D)", 3);
        long batch = x.getShape().get(0);
        long length = x.getShape().get(1);
        long channels = x.getShape().get(2);
        check.array("weight", weight);
        check.axes("weight", weight, "(D, W)", 2);
        long width = weight.getShape().get(1);
        check.array("weight", weight, "(D, W), with D as in x", channels, width);
        if (channels == 0 || width == 0) {
            throw check.failure(
                    "weight",
                    "has shape "
                            + weight.getShape()
                            + "; expected at least one channel and one tap");
        }
        if (bias != null) {
            check.array("bias", bias, "(D)", channels);
        }
        if (initialState != null) {
            check.array("initialState", initialState, "(B, W - 1, D)", batch, width - 1, channels);
        }
        check.elements("the output", batch, length, channels);
        check.elements("the final state", batch, width - 1, channels);
    }

    /**
     * Computes the op tap by tap by NDArray operations.
     *
     * @return the output and the final state, in x's manager
     */
    public Result naive() {
        NDList results = NaiveForm.compute(x.getManager(), this::outputAndFinalState);
        return new Result(results.get(0), results.get(1));
    }

    private NDList outputAndFinalState() {
        Shape shape = x.getShape();
        long batch = shape.get(0);
        long length = shape.get(1);
        long channels = shape.get(2);
        long width = weight.getShape().get(1);
        NDArray before =
                initialState != null
                        ? initialState
                        : x.getManager()
                                .zeros(new Shape(batch, width - 1, channels), x.getDataType());
        if (batch == 0) {
            return new NDList(x.add(0), before.add(0));
        }
        NDArray extended = width == 1 ? x : before.concat(x, 1);
        NDArray output = null;
        for (long k = 0; k < width; k++) {
            NDArray term = extended.get(":, {}:{}", k, k + length).mul(weight.get(":, {}", k));
            output = output == null ? term : output.add(term);
        }
        if (bias != null) {
            output = output.add(bias);
        }
        if (silu) {
            // Not Activation.swish: what it multiplies by may be gone at the backward pass
            // (Scalars).
            output = output.mul(Activation.sigmoid(output));
        }
        NDArray finalState = width == 1 ? before.add(0) : extended.get(":, {}:", length).add(0);
        return new NDList(output, finalState);
    }

    /**
     * What a convolution gives.
     *
     * @param output the output, of shape (B, L, D)
     * @param finalState the last W - 1 inputs, of shape (B, W - 1, D)
     */
    public record Result(NDArray output, NDArray finalState) {}
}
