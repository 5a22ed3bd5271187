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
 * One token of the {@link StateSpaceDual} for each of B rows, in place on a state: the step of
 * decoding.
 *
 * <p>Shapes: x, z and the output (B, H, P); delta (B, H); A and deltaBias (H); B and C (B, N) or
 * (B, G, N); D (H) or (H, P); the state (B, H, P, N), or (slots, H, P, N) where slots name the
 * state of each row. So sequences of a changing batch keep their states where they are. A row whose
 * slot is -1 is padding: its output is zero, and it touches no state.
 *
 * <p>Types are those of the state space dual. Nothing is recorded for a gradient. Immutable but for
 * the state, which one thread at a time may change.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class StateSpaceDualStep {

    private final NDArray state;

    /** The other arguments, whose arrays lack the axis L. */
    private final StateSpaceDual tokens;

    private final NDArray slots;

    private StateSpaceDualStep(NDArray state, StateSpaceDual tokens, NDArray slots) {
        this.state = state;
        this.tokens = tokens;
        this.slots = slots;
    }

    /**
     * Names the required inputs.
     *
     * @param state the state, which is changed, of shape (B, H, P, N), or (slots, H, P, N) with
     *     {@link #withSlots}
     * @param x the token of each row by heads, of shape (B, H, P)
     * @param delta the step sizes before bias and softplus, of shape (B, H)
     * @param a the state matrix A, of shape (H)
     * @param b the input matrix B, of shape (B, N) or (B, G, N)
     * @param c the output matrix C, of b's shape
     * @return the op, with every option off
     */
    public static StateSpaceDualStep of(
            NDArray state, NDArray x, NDArray delta, NDArray a, NDArray b, NDArray c) {
        return new StateSpaceDualStep(state, StateSpaceDual.of(x, delta, a, b, c), null);
    }

    /**
     * Names the state of each row.
     *
     * @param newSlots the slot of each row, no slot twice, or -1 for a row of padding; int64 of
     *     shape (B); null for slot r in row r
     * @return a copy of the op with it
     */
    public StateSpaceDualStep withSlots(NDArray newSlots) {
        return new StateSpaceDualStep(state, tokens, newSlots);
    }

    /**
     * Adds the skip connection D x.
     *
     * @param newSkip D, of shape (H) or (H, P); null for none
     * @return a copy of the op with it
     */
    public StateSpaceDualStep withSkip(NDArray newSkip) {
        return new StateSpaceDualStep(state, tokens.withSkip(newSkip), slots);
    }

    /**
     * Multiplies the output by silu(z).
     *
     * @param newGate z, of shape (B, H, P); null for none
     * @return a copy of the op with it
     */
    public StateSpaceDualStep withGate(NDArray newGate) {
        return new StateSpaceDualStep(state, tokens.withGate(newGate), slots);
    }

    /**
     * Adds a bias to delta, before softplus.
     *
     * @param newDeltaBias the bias, of shape (H); null for none
     * @return a copy of the op with it
     */
    public StateSpaceDualStep withDeltaBias(NDArray newDeltaBias) {
        return new StateSpaceDualStep(state, tokens.withDeltaBias(newDeltaBias), slots);
    }

    /**
     * Sets whether delta passes through softplus.
     *
     * @param newDeltaSoftplus true for softplus
     * @return a copy of the op with it
     */
    public StateSpaceDualStep withDeltaSoftplus(boolean newDeltaSoftplus) {
        return new StateSpaceDualStep(state, tokens.withDeltaSoftplus(newDeltaSoftplus), slots);
    }

    /**
     * Bounds the step sizes, after softplus.
     *
     * @param minimum the smallest step size; negative infinity for no bound
     * @param maximum the largest step size, not below the smallest; infinity for no bound
     * @return a copy of the op with them
     */
    public StateSpaceDualStep withDeltaLimits(double minimum, double maximum) {
        return new StateSpaceDualStep(state, tokens.withDeltaLimits(minimum, maximum), slots);
    }

    /**
     * Returns the state.
     *
     * @return the state, of shape (B, H, P, N) or (slots, H, P, N)
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
     * Returns the token of each row.
     *
     * @return x, of shape (B, H, P)
     */
    public NDArray x() {
        return tokens.x();
    }

    /**
     * Returns the step sizes before bias and softplus.
     *
     * @return delta, of shape (B, H)
     */
    public NDArray delta() {
        return tokens.delta();
    }

    /**
     * Returns the state matrix.
     *
     * @return A, of shape (H)
     */
    public NDArray a() {
        return tokens.a();
    }

    /**
     * Returns the input matrix.
     *
     * @return B, of shape (B, N) or (B, G, N)
     */
    public NDArray b() {
        return tokens.b();
    }

    /**
     * Returns the output matrix.
     *
     * @return C, of B's shape
     */
    public NDArray c() {
        return tokens.c();
    }

    /**
     * Returns the weight of the skip connection.
     *
     * @return D, of shape (H) or (H, P), or null
     */
    public NDArray skip() {
        return tokens.skip();
    }

    /**
     * Returns the gate.
     *
     * @return z, of shape (B, H, P), or null
     */
    public NDArray gate() {
        return tokens.gate();
    }

    /**
     * Returns the bias of delta.
     *
     * @return the bias, of shape (H), or null
     */
    public NDArray deltaBias() {
        return tokens.deltaBias();
    }

    /**
     * Returns whether delta passes through softplus.
     *
     * @return true for softplus
     */
    public boolean deltaSoftplus() {
        return tokens.deltaSoftplus();
    }

    /**
     * Returns the smallest step size.
     *
     * @return the bound; negative infinity for none
     */
    public double deltaMinimum() {
        return tokens.deltaMinimum();
    }

    /**
     * Returns the largest step size.
     *
     * @return the bound; infinity for none
     */
    public double deltaMaximum() {
        return tokens.deltaMaximum();
    }

    /**
     * Checks the inputs and runs the op on the provider for them.
     *
     * @return the output, of shape (B, H, P), in x's manager
     * @throws IllegalArgumentException if a shape, type, device or slot does not fit, or a gradient
     *     is wanted
     * @throws IllegalStateException if an array is closed
     */
    public NDArray run() {
        check();
        return OpsProviders.forArrays(x().getDevice(), x().getDataType()).stateSpaceDualStep(this);
    }

    /**
     * Checks the inputs without running anything.
     *
     * @throws IllegalArgumentException if a shape, type, device or slot does not fit, or a gradient
     *     is wanted
     * @throws IllegalStateException if an array is closed
     */
    public void check() {
        ArgumentCheck check = new ArgumentCheck("state space dual step", true);
        tokens.checkTokens(check, "B", 1);
        Shape shape = x().getShape();
        check.parameter("state", state);
        check.axes("state", state, "(slots, H, P, N)", 4);
        check.parameter(
                "state",
                state,
                "(slots, H, P, N)",
                state.getShape().get(0),
                shape.get(1),
                shape.get(2),
                tokens.states());
        StateSlots.check(check, state, slots, shape.get(0));
        check.notRecorded(
                "state space dual",
                state,
                x(),
                delta(),
                a(),
                b(),
                c(),
                skip(),
                gate(),
                deltaBias());
    }

    /**
     * Computes the op by NDArray operations.
     *
     * @return the output, of shape (B, H, P), in x's manager
     */
    public NDArray naive() {
        return NaiveForm.compute(
                        x(),
                        x().getManager(),
                        1,
                        wide ->
                                new NDList(
                                        StateSlots.step(
                                                state,
                                                slots,
                                                before ->
                                                        new StateSpaceDualNaive(tokens)
                                                                .step(wide, before))))
                .singletonOrThrow();
    }
}
