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
 * One step of the selective scan ({@link SelectiveScan}) for each row of a batch, in place on a
 * state: what the recurrence costs a decoder for each token.
 *
 * <p>Shapes: u, delta, z and the output (B, D); A (D, N); B and C (B, N) or (B, G, N); D and
 * deltaBias (D); the state (B, D, N), or (slots, D, N) where slots name the state of each row. So
 * sequences of a changing batch keep their states where they are. A row whose slot is -1 is
 * padding: its output is zero, and it touches no state.
 *
 * <p>Types are those of the selective scan. Nothing is recorded for a gradient. Immutable but for
 * the state, which one thread at a time may change.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class SelectiveScanStep {

    private final NDArray state;

    /** The other arguments, whose arrays lack the axis L. */
    private final SelectiveScan tokens;

    private final NDArray slots;

    private SelectiveScanStep(NDArray state, SelectiveScan tokens, NDArray slots) {
        this.state = state;
        this.tokens = tokens;
        this.slots = slots;
    }

    /**
     * Names the required inputs.
     *
     * @param state the state, which is changed, of shape (B, D, N), or (slots, D, N) with {@link
     *     #withSlots}
     * @param u the input of each row, of shape (B, D)
     * @param delta the step sizes before bias and softplus, of shape (B, D)
     * @param a the state matrix A, of shape (D, N)
     * @param b the input matrix B, of shape (B, N) or (B, G, N)
     * @param c the output matrix C, of b's shape
     * @return the op, with every option off
     */
    public static SelectiveScanStep of(
            NDArray state, NDArray u, NDArray delta, NDArray a, NDArray b, NDArray c) {
        return new SelectiveScanStep(state, SelectiveScan.of(u, delta, a, b, c), null);
    }

    /**
     * Names the state of each row.
     *
     * @param newSlots the slot of each row, no slot twice, or -1 for a row of padding; int64 of
     *     shape (B); null for slot r in row r
     * @return a copy of the op with it
     */
    public SelectiveScanStep withSlots(NDArray newSlots) {
        return new SelectiveScanStep(state, tokens, newSlots);
    }

    /**
     * Adds the skip connection D u.
     *
     * @param newSkip D, of shape (D); null for none
     * @return a copy of the op with it
     */
    public SelectiveScanStep withSkip(NDArray newSkip) {
        return new SelectiveScanStep(state, tokens.withSkip(newSkip), slots);
    }

    /**
     * Multiplies the output by silu(z).
     *
     * @param newGate z, of shape (B, D); null for none
     * @return a copy of the op with it
     */
    public SelectiveScanStep withGate(NDArray newGate) {
        return new SelectiveScanStep(state, tokens.withGate(newGate), slots);
    }

    /**
     * Adds a bias to delta, before softplus.
     *
     * @param newDeltaBias the bias, of shape (D); null for none
     * @return a copy of the op with it
     */
    public SelectiveScanStep withDeltaBias(NDArray newDeltaBias) {
        return new SelectiveScanStep(state, tokens.withDeltaBias(newDeltaBias), slots);
    }

    /**
     * Sets whether delta passes through softplus.
     *
     * @param newDeltaSoftplus true for softplus
     * @return a copy of the op with it
     */
    public SelectiveScanStep withDeltaSoftplus(boolean newDeltaSoftplus) {
        return new SelectiveScanStep(state, tokens.withDeltaSoftplus(newDeltaSoftplus), slots);
    }

    /**
     * Returns the state.
     *
     * @return the state, of shape (B, D, N) or (slots, D, N)
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
     * @return u, of shape (B, D)
     */
    public NDArray u() {
        return tokens.u();
    }

    /**
     * Returns the step sizes before bias and softplus.
     *
     * @return delta, of shape (B, D)
     */
    public NDArray delta() {
        return tokens.delta();
    }

    /**
     * Returns the state matrix.
     *
     * @return A, of shape (D, N)
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
     * @return D, of shape (D), or null
     */
    public NDArray skip() {
        return tokens.skip();
    }

    /**
     * Returns the gate.
     *
     * @return z, of shape (B, D), or null
     */
    public NDArray gate() {
        return tokens.gate();
    }

    /**
     * Returns the bias of delta.
     *
     * @return the bias, of shape (D), or null
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
     * Checks the inputs and runs the op on the provider for them.
     *
     * @return the output, of shape (B, D), in u's manager
     * @throws IllegalArgumentException if a shape, type, device or slot does not fit, or a gradient
     *     is wanted
     * @throws IllegalStateException if an array is closed
     */
    public NDArray run() {
        check();
        return OpsProviders.forArrays(u().getDevice(), u().getDataType()).selectiveScanStep(this);
    }

    /**
     * Checks the inputs without running anything.
     *
     * @throws IllegalArgumentException if a shape, type, device or slot does not fit, or a gradient
     *     is wanted
     * @throws IllegalStateException if an array is closed
     */
    public void check() {
        ArgumentCheck check = new ArgumentCheck("selective scan step", true);
        tokens.checkTokens(check, "B", 1);
        Shape shape = u().getShape();
        check.parameter("state", state);
        check.axes("state", state, "(slots, D, N)", 3);
        check.parameter(
                "state",
                state,
                "(slots, D, N)",
                state.getShape().get(0),
                shape.get(1),
                a().getShape().get(1));
        StateSlots.check(check, state, slots, shape.get(0));
        check.notRecorded(
                "selective scan", state, u(), delta(), a(), b(), c(), skip(), gate(), deltaBias());
    }

    /**
     * Computes the op by NDArray operations.
     *
     * @return the output, of shape (B, D), in u's manager
     */
    public NDArray naive() {
        return NaiveForm.compute(
                        u(),
                        u().getManager(),
                        1,
                        wide ->
                                new NDList(
                                        StateSlots.step(
                                                state, slots, before -> tokens.step(wide, before))))
                .singletonOrThrow();
    }
}
