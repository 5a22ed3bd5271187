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
import java.util.List;
import java.util.function.UnaryOperator;
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
 * 1, D), or (B, S, W - 1, D) with packed sequences: the W - 1 inputs before the next one, the
 * oldest first. The last axis of each should be contiguous; others may have any stride. Beside
 * bfloat16 x, which the output is like, all others are float32, as is what is computed. Both
 * results are differentiable in every input. With L = 0 the output is empty and the final state is
 * the initial one.
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
    private PackedSequences sequences;

    private CausalConv1d(NDArray x, NDArray weight) {
        this.x = x;
        this.weight = weight;
    }

    private CausalConv1d copy() {
        return over(x, initialState, sequences);
    }

    /** The same op over another sequence, from another state. */
    private CausalConv1d over(NDArray newX, NDArray newInitialState, PackedSequences newSequences) {
        CausalConv1d copy = new CausalConv1d(newX, weight);
        copy.bias = bias;
        copy.silu = silu;
        copy.initialState = newInitialState;
        copy.sequences = newSequences;
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
     * @param newInitialState the W - 1 inputs before x, of shape (B, W - 1, D) or, with packed
     *     sequences, (B, S, W - 1, D); null for zeros
     * @return a copy of the op with it
     */
    public CausalConv1d withInitialState(NDArray newInitialState) {
        CausalConv1d copy = copy();
        copy.initialState = newInitialState;
        return copy;
    }

    /**
     * Treats each of the sequences packed into the rows as one by itself.
     *
     * @param newSequences the sequences that fill (B, L); null for one a row
     * @return a copy of the op with them
     */
    public CausalConv1d withSequences(PackedSequences newSequences) {
        CausalConv1d copy = copy();
        copy.sequences = newSequences;
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
     * @return the state, of shape (B, W - 1, D) or (B, S, W - 1, D), or null for zeros
     */
    public NDArray initialState() {
        return initialState;
    }

    /**
     * Returns where packed sequences lie.
     *
     * @return the sequences, or null for one a row
     */
    public PackedSequences sequences() {
        return sequences;
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
        ArgumentCheck check = new ArgumentCheck("causal conv1d", true);
        checkTokens(check, "(B, L, D)", 3);
        if (sequences != null) {
            check.packed(sequences, x.getShape().get(0), x.getShape().get(1));
        }
        if (initialState != null) {
            check.parameter(
                    "initialState",
                    initialState,
                    sequences == null ? "(B, W - 1, D)" : "(B, S, W - 1, D)",
                    stateShape().getShape());
        }
        check.elements("the output", x.getShape().getShape());
        check.elements("the final state", stateShape().getShape());
    }

    /** Checks what every step has, and what all share, where x has the axes that are named. */
    void checkTokens(ArgumentCheck check, String letters, int axes) {
        check.array("x", x);
        check.axes("x", x, letters, axes);
        long channels = x.getShape().get(axes - 1);
        check.parameter("weight", weight);
        check.axes("weight", weight, "(D, W)", 2);
        long width = weight.getShape().get(1);
        check.parameter("weight", weight, "(D, W), with D as in x", channels, width);
        if (channels == 0 || width == 0) {
            throw check.failure(
                    "weight",
                    "has shape "
                            + weight.getShape()
                            + "; expected at least one channel and one tap");
        }
        if (bias != null) {
            check.parameter("bias", bias, "(D)", channels);
        }
    }

    /**
     * Computes the op tap by tap by NDArray operations, one packed sequence after the other.
     *
     * @return the output and the final state, in x's manager
     */
    public Result naive() {
        NDList results =
                NaiveForm.compute(
                        x,
                        x.getManager(),
                        1,
                        wide -> over(wide.apply(x), initialState, sequences).outputAndFinalState());
        return new Result(results.get(0), results.get(1));
    }

    /**
     * Computes one step, where x lacks the axis L.
     *
     * @param wide makes of an activation what to compute with
     * @param before the state before it, of shape (B, W - 1, D)
     * @return the output, of shape (B, D), and the state after it
     */
    NDList step(UnaryOperator<NDArray> wide, NDArray before) {
        NDList results = over(wide.apply(x).expandDims(1), before, null).outputAndFinalState();
        return new NDList(results.get(0).squeeze(1), results.get(1));
    }

    private Shape stateShape() {
        return PackedForm.stateShape(
                sequences, x.getShape().get(0), weight.getShape().get(1) - 1, x.getShape().get(2));
    }

    private NDList outputAndFinalState() {
        if (sequences != null) {
            return PackedForm.compute(
                    sequences,
                    List.of(x),
                    initialState,
                    (own, state) -> over(own.get(0), state, null).outputAndFinalState());
        }
        long length = x.getShape().get(1);
        long width = weight.getShape().get(1);
        NDArray before =
                initialState != null
                        ? initialState
                        : x.getManager().zeros(stateShape(), x.getDataType());
        if (x.getShape().get(0) == 0) {
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
     * @param finalState the last W - 1 inputs, of shape (B, W - 1, D) or, with packed sequences,
     *     those of each, (B, S, W - 1, D)
     */
    public record Result(NDArray output, NDArray finalState) {}
}
