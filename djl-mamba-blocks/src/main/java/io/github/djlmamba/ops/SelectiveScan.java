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
import java.util.Arrays;
import java.util.function.UnaryOperator;
import org.apiguardian.api.API;

/**
 * The selective scan of Mamba (Gu and Dao, 2023, section 3.2 and algorithm 2), with the
 * element-wise work around it:
 *
 * <pre>
 *   delta' = softplus(delta + deltaBias)                          (the identity above 20)
 *   h_t    = exp(delta'_t A) h_{t-1} + delta'_t B_t u_t           (element-wise in channels and states)
 *   y_t    = C_t . h_t + D u_t
 *   output = y silu(z)
 * </pre>
 *
 * <p>Shapes: u, delta, z and the output (B, L, D); A (D, N); B and C (B, L, N), or (B, L, G, N)
 * with channel d in group d / (D / G); D and deltaBias (D); states (B, D, N), or (B, S, D, N) with
 * packed sequences. The last axis of each should be contiguous; others may have any stride. float64
 * arrays are computed in double throughout; beside bfloat16 u, delta, B, C and z, which the output
 * is like, all others are float32, as is what is computed. Both results are differentiable in every
 * input. With L = 0 the output is empty and the final state is the initial one.
 *
 * <p>Immutable and thread safe; the arrays it names are not copied.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class SelectiveScan {

    private final NDArray u;
    private final NDArray delta;
    private final NDArray a;
    private final NDArray b;
    private final NDArray c;
    private NDArray skip;
    private NDArray gate;
    private NDArray deltaBias;
    private boolean deltaSoftplus;
    private NDArray initialState;
    private PackedSequences sequences;

    private SelectiveScan(NDArray u, NDArray delta, NDArray a, NDArray b, NDArray c) {
        this.u = u;
        this.delta = delta;
        this.a = a;
        this.b = b;
        this.c = c;
    }

    private SelectiveScan copy() {
        return over(u, delta, b, c, gate, initialState, sequences);
    }

    /** The same op over other tokens, from another state. */
    private SelectiveScan over(
            NDArray newU,
            NDArray newDelta,
            NDArray newB,
            NDArray newC,
            NDArray newGate,
            NDArray newInitialState,
            PackedSequences newSequences) {
        SelectiveScan copy = new SelectiveScan(newU, newDelta, a, newB, newC);
        copy.skip = skip;
        copy.gate = newGate;
        copy.deltaBias = deltaBias;
        copy.deltaSoftplus = deltaSoftplus;
        copy.initialState = newInitialState;
        copy.sequences = newSequences;
        return copy;
    }

    /**
     * Names the required inputs.
     *
     * @param u the sequence, of shape (B, L, D)
     * @param delta the step sizes before bias and softplus, of shape (B, L, D)
     * @param a the state matrix A, negative for a stable scan, of shape (D, N)
     * @param b the input matrix B, of shape (B, L, N) or (B, L, G, N)
     * @param c the output matrix C, of b's shape
     * @return the op, with every option off
     */
    public static SelectiveScan of(NDArray u, NDArray delta, NDArray a, NDArray b, NDArray c) {
        return new SelectiveScan(u, delta, a, b, c);
    }

    /**
     * Adds the skip connection D u.
     *
     * @param newSkip D, of shape (D); null for none
     * @return a copy of the op with it
     */
    public SelectiveScan withSkip(NDArray newSkip) {
        SelectiveScan copy = copy();
        copy.skip = newSkip;
        return copy;
    }

    /**
     * Multiplies the output by silu(z).
     *
     * @param newGate z, of shape (B, L, D); null for none
     * @return a copy of the op with it
     */
    public SelectiveScan withGate(NDArray newGate) {
        SelectiveScan copy = copy();
        copy.gate = newGate;
        return copy;
    }

    /**
     * Adds a bias to delta, before softplus.
     *
     * @param newDeltaBias the bias, of shape (D); null for none
     * @return a copy of the op with it
     */
    public SelectiveScan withDeltaBias(NDArray newDeltaBias) {
        SelectiveScan copy = copy();
        copy.deltaBias = newDeltaBias;
        return copy;
    }

    /**
     * Sets whether delta passes through softplus.
     *
     * @param newDeltaSoftplus true for softplus
     * @return a copy of the op with it
     */
    public SelectiveScan withDeltaSoftplus(boolean newDeltaSoftplus) {
        SelectiveScan copy = copy();
        copy.deltaSoftplus = newDeltaSoftplus;
        return copy;
    }

    /**
     * Starts from a state other than zero.
     *
     * @param newInitialState the state before the first step, of shape (B, D, N) or, with packed
     *     sequences, (B, S, D, N); null for zero
     * @return a copy of the op with it
     */
    public SelectiveScan withInitialState(NDArray newInitialState) {
        SelectiveScan copy = copy();
        copy.initialState = newInitialState;
        return copy;
    }

    /**
     * Treats each of the sequences packed into the rows as one by itself.
     *
     * @param newSequences the sequences that fill (B, L); null for one a row
     * @return a copy of the op with them
     */
    public SelectiveScan withSequences(PackedSequences newSequences) {
        SelectiveScan copy = copy();
        copy.sequences = newSequences;
        return copy;
    }

    /**
     * Returns the sequence.
     *
     * @return u, of shape (B, L, D)
     */
    public NDArray u() {
        return u;
    }

    /**
     * Returns the step sizes before bias and softplus.
     *
     * @return delta, of shape (B, L, D)
     */
    public NDArray delta() {
        return delta;
    }

    /**
     * Returns the state matrix.
     *
     * @return A, of shape (D, N)
     */
    public NDArray a() {
        return a;
    }

    /**
     * Returns the input matrix.
     *
     * @return B, of shape (B, L, N) or (B, L, G, N)
     */
    public NDArray b() {
        return b;
    }

    /**
     * Returns the output matrix.
     *
     * @return C, of B's shape
     */
    public NDArray c() {
        return c;
    }

    /**
     * Returns the weight of the skip connection.
     *
     * @return D, of shape (D), or null
     */
    public NDArray skip() {
        return skip;
    }

    /**
     * Returns the gate.
     *
     * @return z, of shape (B, L, D), or null
     */
    public NDArray gate() {
        return gate;
    }

    /**
     * Returns the bias of delta.
     *
     * @return the bias, of shape (D), or null
     */
    public NDArray deltaBias() {
        return deltaBias;
    }

    /**
     * Returns whether delta passes through softplus.
     *
     * @return true for softplus
     */
    public boolean deltaSoftplus() {
        return deltaSoftplus;
    }

    /**
     * Returns the state before the first step.
     *
     * @return the state, of shape (B, D, N) or (B, S, D, N), or null for zero
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
     * @return the output and the final state, in u's manager
     * @throws IllegalArgumentException if a shape, type or device does not fit
     * @throws IllegalStateException if an array is closed
     */
    public Result run() {
        check();
        return OpsProviders.forArrays(u.getDevice(), u.getDataType()).selectiveScan(this);
    }

    /**
     * Checks the inputs without running anything.
     *
     * @throws IllegalArgumentException if a shape, type or device does not fit
     * @throws IllegalStateException if an array is closed
     */
    public void check() {
        ArgumentCheck check = new ArgumentCheck("selective scan", true);
        checkTokens(check, "B, L", 2);
        long batch = u.getShape().get(0);
        long length = u.getShape().get(1);
        if (sequences != null) {
            check.packed(sequences, batch, length);
        }
        if (initialState != null) {
            check.parameter(
                    "initialState",
                    initialState,
                    sequences == null ? "(B, D, N)" : "(B, S, D, N)",
                    stateShape().getShape());
        }
        check.elements("the scan", u.getShape().add(a.getShape().get(1)).getShape());
        check.elements("the final state", stateShape().getShape());
    }

    /**
     * Checks what every step has, and what all share, where the leading axes are the first ones of
     * u, named by the letters.
     */
    void checkTokens(ArgumentCheck check, String letters, int leading) {
        check.array("u", u);
        check.axes("u", u, "(" + letters + ", D)", leading + 1);
        long channels = u.getShape().get(leading);
        check.array("delta", delta, "(" + letters + ", D), as u", u.getShape().getShape());
        check.parameter("a", a);
        check.axes("a", a, "(D, N)", 2);
        long states = a.getShape().get(1);
        check.parameter("a", a, "(D, N), with D as in u", channels, states);
        if (channels == 0 || states == 0) {
            throw check.failure(
                    "u or a",
                    "has no channels or no states: u " + u.getShape() + ", a " + a.getShape());
        }
        check.array("b", b);
        check.axes(
                "b",
                b,
                "(" + letters + ", N) or (" + letters + ", G, N)",
                leading + 1,
                leading + 2);
        boolean grouped = b.getShape().dimension() == leading + 2;
        Shape matrix = u.getShape().slice(0, leading).add(states);
        if (grouped) {
            long groups = b.getShape().get(leading);
            if (groups == 0 || channels % groups != 0) {
                throw check.failure(
                        "b",
                        "has "
                                + groups
                                + " groups, which do not divide the "
                                + channels
                                + " channels of u");
            }
            matrix = u.getShape().slice(0, leading).add(groups, states);
        }
        String expected = "(" + letters + (grouped ? ", G, N)" : ", N)");
        check.array("b", b, expected, matrix.getShape());
        check.array("c", c, expected + ", as b", matrix.getShape());
        if (skip != null) {
            check.parameter("skip", skip, "(D)", channels);
        }
        if (gate != null) {
            check.array("gate", gate, "(" + letters + ", D), as u", u.getShape().getShape());
        }
        if (deltaBias != null) {
            check.parameter("deltaBias", deltaBias, "(D)", channels);
        }
    }

    /**
     * Computes the op step by step by NDArray operations, one packed sequence after the other. It
     * holds all states at once: (B, L, D, N) in memory.
     *
     * @return the output and the final state, in u's manager
     */
    public Result naive() {
        NDList results =
                NaiveForm.compute(
                        u,
                        u.getManager(),
                        1,
                        wide ->
                                over(
                                                wide.apply(u),
                                                wide.apply(delta),
                                                wide.apply(b),
                                                wide.apply(c),
                                                wide.apply(gate),
                                                initialState,
                                                sequences)
                                        .outputAndFinalState());
        return new Result(results.get(0), results.get(1));
    }

    /**
     * Computes one step, where the arrays lack the axis L.
     *
     * @param wide makes of an activation what to compute with
     * @param before the state before it, of shape (B, D, N)
     * @return the output, of shape (B, D), and the state after it
     */
    NDList step(UnaryOperator<NDArray> wide, NDArray before) {
        UnaryOperator<NDArray> asSequence =
                array -> array == null ? null : wide.apply(array).expandDims(1);
        NDList results =
                over(
                                asSequence.apply(u),
                                asSequence.apply(delta),
                                asSequence.apply(b),
                                asSequence.apply(c),
                                asSequence.apply(gate),
                                before,
                                null)
                        .outputAndFinalState();
        return new NDList(results.get(0).squeeze(1), results.get(1));
    }

    private Shape stateShape() {
        return PackedForm.stateShape(
                sequences, u.getShape().get(0), u.getShape().get(2), a.getShape().get(1));
    }

    private NDList outputAndFinalState() {
        long length = u.getShape().get(1);
        long channels = u.getShape().get(2);
        if (u.getShape().size() == 0) {
            NDArray state =
                    initialState != null
                            ? initialState.add(0)
                            : u.getManager().zeros(stateShape(), u.getDataType());
            return new NDList(u.add(0), state);
        }
        if (sequences != null) {
            return PackedForm.compute(
                    sequences,
                    Arrays.asList(u, delta, b, c, gate),
                    initialState,
                    (own, state) ->
                            over(
                                            own.get(0),
                                            own.get(1),
                                            own.get(2),
                                            own.get(3),
                                            own.get(4),
                                            state,
                                            null)
                                    .outputAndFinalState());
        }
        NDArray step = deltaBias == null ? delta : delta.add(deltaBias);
        if (deltaSoftplus) {
            step = Activation.softPlus(step);
        }
        NDArray decay = step.expandDims(3).mul(a).exp();
        NDArray drive = step.mul(u).expandDims(3).mul(perChannel(b, channels));
        // Split, since the gradient of each slice taken by itself would be as large as the whole.
        NDList decays = decay.split(length, 1);
        NDList drives = drive.split(length, 1);
        NDArray state = initialState == null ? null : initialState.expandDims(1);
        NDList history = new NDList(drives.size());
        for (int t = 0; t < drives.size(); t++) {
            NDArray input = drives.get(t);
            state = state == null ? input : decays.get(t).mul(state).add(input);
            history.add(state);
        }
        NDArray states = PackedForm.concat(history, 1);
        NDArray output = states.mul(perChannel(c, channels)).sum(new int[] {3});
        if (skip != null) {
            output = output.add(u.mul(skip));
        }
        if (gate != null) {
            // Not Activation.swish: what it multiplies by may be gone at the backward pass
            // (Scalars).
            output = output.mul(gate.mul(Activation.sigmoid(gate)));
        }
        return new NDList(output, state.squeeze(1));
    }

    /** Gives each channel the matrix of its group: (B, L, [G,] N) to (B, L, D or 1, N). */
    static NDArray perChannel(NDArray grouped, long channels) {
        Shape shape = grouped.getShape();
        if (shape.dimension() == 3) {
            return grouped.expandDims(2);
        }
        long groups = shape.get(2);
        return groups == 1 ? grouped : grouped.repeat(2, channels / groups);
    }

    /**
     * What a scan gives.
     *
     * @param output the output, of shape (B, L, D)
     * @param finalState the state after the last step, of shape (B, D, N) or, with packed
     *     sequences, that of each, (B, S, D, N)
     */
    public record Result(NDArray output, NDArray finalState) {}
}
