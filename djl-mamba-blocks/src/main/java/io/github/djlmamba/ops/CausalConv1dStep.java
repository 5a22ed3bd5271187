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
import org.apiguardian.api.API;

/**
 * One step of the causal convolution ({@link CausalConv1d}) for each row of a batch, in place on a
 * state, which moves on by one input.
 *
 * <p>Shapes: x and the output (B, D); weight (D, W); bias (D); the state (B, W - 1, D), or (slots,
 * W - 1, D) where slots name the state of each row: the W - 1 inputs before x, the oldest first. So
 * sequences of a changing batch keep their states where they are. A row whose slot is -1 is
 * padding: its output is zero, and it touches no state.
 *
 * <p>Types are those of the convolution. Nothing is recorded for a gradient. Immutable but for the
 * state, which one thread at a time may change.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class CausalConv1dStep {

    private final NDArray state;

    /** The other arguments, whose x lacks the axis L. */
    private final CausalConv1d tokens;

    private final NDArray slots;

    private CausalConv1dStep(NDArray state, CausalConv1d tokens, NDArray slots) {
        this.state = state;
        this.tokens = tokens;
        this.slots = slots;
    }

    /**
     * Names the required inputs.
     *
     * @param state the state, which is changed, of shape (B, W - 1, D), or (slots, W - 1, D) with
     *     {@link #withSlots}
     * @param x the input of each row, of shape (B, D)
     * @param weight the taps of each channel, the oldest input's first, of shape (D, W)
     * @return the op, with every option off
     */
    public static CausalConv1dStep of(NDArray state, NDArray x, NDArray weight) {
        return new CausalConv1dStep(state, CausalConv1d.of(x, weight), null);
    }

    /**
     * Names the state of each row.
     *
     * @param newSlots the slot of each row, no slot twice, or -1 for a row of padding; int64 of
     *     shape (B); null for slot r in row r
     * @return a copy of the op with it
     */
    public CausalConv1dStep withSlots(NDArray newSlots) {
        return new CausalConv1dStep(state, tokens, newSlots);
    }

    /**
     * Adds a bias.
     *
     * @param newBias the bias, of shape (D); null for none
     * @return a copy of the op with it
     */
    public CausalConv1dStep withBias(NDArray newBias) {
        return new CausalConv1dStep(state, tokens.withBias(newBias), slots);
    }

    /**
     * Sets whether the output passes through SiLU.
     *
     * @param newSilu true for SiLU
     * @return a copy of the op with it
     */
    public CausalConv1dStep withSilu(boolean newSilu) {
        return new CausalConv1dStep(state, tokens.withSilu(newSilu), slots);
    }

    /**
     * Returns the state.
     *
     * @return the state, of shape (B, W - 1, D) or (slots, W - 1, D)
     */
    public NDArray state() {
        return state;
    }

    /**
     * Returns the slot of each row.
     *
     * @return the slots, of shape (B), or null
     */
    public NDArray slots() {
        return slots;
    }

    /**
     * Returns the input of each row.
     *
     * @return x, of shape (B, D)
     */
    public NDArray x() {
        return tokens.x();
    }

    /**
     * Returns the taps.
     *
     * @return the weight, of shape (D, W)
     */
    public NDArray weight() {
        return tokens.weight();
    }

    /**
     * Returns the bias.
     *
     * @return the bias, of shape (D), or null
     */
    public NDArray bias() {
        return tokens.bias();
    }

    /**
     * Returns whether the output passes through SiLU.
     *
     * @return true for SiLU
     */
    public boolean silu() {
        return tokens.silu();
    }

    /**
     * Checks the inputs and runs the op on the provider for them.
     *
     * @return the output, of shape (B, D), in x's manager
     * @throws IllegalArgumentException if a shape, type, device or slot does not fit, or a gradient
     *     is wanted
     * @throws IllegalStateException if an array is closed
     */
    public NDArray run() {
        check();
        return OpsProviders.forArrays(x().getDevice(), x().getDataType()).causalConv1dStep(this);
    }

    /**
     * Checks the inputs without running anything.
     *
     * @throws IllegalArgumentException if a shape, type, device or slot does not fit, or a gradient
     *     is wanted
     * @throws IllegalStateException if an array is closed
     */
    public void check() {
        ArgumentCheck check = new ArgumentCheck("causal conv1d step", true);
        tokens.checkTokens(check, "(B, D)", 2);
        Shape shape = x().getShape();
        check.parameter("state", state);
        check.axes("state", state, "(slots, W - 1, D)", 3);
        check.parameter(
                "state",
                state,
                "(slots, W - 1, D)",
                state.getShape().get(0),
                weight().getShape().get(1) - 1,
                shape.get(1));
        StateSlots.check(check, state, slots, shape.get(0));
        check.notRecorded("causal conv1d", state, x(), weight(), bias());
    }

    /**
     * Computes the op by NDArray operations.
     *
     * @return the output, of shape (B, D), in x's manager
     */
    public NDArray naive() {
        return NaiveForm.compute(
                        x(),
                        x().getManager(),
                        1,
                        wide ->
                                new NDList(
                                        StateSlots.step(
                                                state, slots, before -> tokens.step(wide, before))))
                .singletonOrThrow();
    }
}
