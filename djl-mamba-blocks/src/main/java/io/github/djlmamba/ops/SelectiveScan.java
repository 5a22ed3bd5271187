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
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
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
 * with channel d in group d / (D / G); D and deltaBias (D); states (B, D, N). The last axis of each
 * should be contiguous; others may have any stride. float64 arrays are computed in double
 * throughout. Both results are differentiable in every input. With L = 0 the output is empty and
 * the final state is the initial one.
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

    private SelectiveScan(NDArray u, NDArray delta, NDArray a, NDArray b, NDArray c) {
        this.u = u;
        this.delta = delta;
        this.a = a;
        this.b = b;
        this.c = c;
    }

    private SelectiveScan copy() {
        SelectiveScan copy = new SelectiveScan(u, delta, a, b, c);
        copy.skip = skip;
        copy.gate = gate;
        copy.deltaBias = deltaBias;
        copy.deltaSoftplus = deltaSoftplus;
        copy.initialState = initialState;
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
     * @param newInitialState the state before the first step, of shape (B, D, N); null for zero
     * @return a copy of the op with it
     */
    public SelectiveScan withInitialState(NDArray newInitialState) {
        SelectiveScan copy = copy();
        copy.initialState = newInitialState;
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
     * @return the state, of shape (B, D, N), or null for zero
     */
    public NDArray initialState() {
        return initialState;
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
        ArgumentCheck check = new ArgumentCheck("selective scan");
        check.array("u", u);
        check.axes("u", u, "(B, L, D)", 3);
        long batch = u.getShape().get(0);
        long length = u.getShape().get(1);
        long channels = u.getShape().get(2);
        check.array("delta", delta, "(B, L, D), as u", batch, length, channels);
        check.array("a", a);
        check.axes("a", a, "(D, N)", 2);
        long states = a.getShape().get(1);
        check.array("a", a, "(D, N), with D as in u", channels, states);
        if (channels == 0 || states == 0) {
            throw check.failure(
                    "u or a",
                    "has no channels or no states: u " + u.getShape() + ", a " + a.getShape());
        }
        check.array("b", b);
        check.axes("b", b, "(B, L, N) or (B, L, G, N)", 3, 4);
        if (b.getShape().dimension() == 4) {
            long groups = b.getShape().get(2);
            if (groups == 0 || channels % groups != 0) {
                throw check.failure(
                        "b",
                        "has "
                                + groups
                                + " groups, which do not divide the "
                                + channels
                                + " channels of u");
            }
            check.array("b", b, "(B, L, G, N)", batch, length, groups, states);
            check.array("c", c, "(B, L, G, N), as b", batch, length, groups, states);
        } else {
            check.array("b", b, "(B, L, N)", batch, length, states);
            check.array("c", c, "(B, L, N), as b", batch, length, states);
        }
        if (skip != null) {
            check.array("skip", skip, "(D)", channels);
        }
        if (gate != null) {
            check.array("gate", gate, "(B, L, D), as u", batch, length, channels);
        }
        if (deltaBias != null) {
            check.array("deltaBias", deltaBias, "(D)", channels);
        }
        if (initialState != null) {
            check.array("initialState", initialState, "(B, D, N)", batch, channels, states);
        }
        check.elements("the scan", batch, length, channels, states);
        check.elements("the final state", batch, channels, states);
    }

    /**
     * Computes the op step by step by NDArray operations. It holds all states at once: (B, L, D, N)
     * in memory.
     *
     * @return the output and the final state, in u's manager
     */
    public Result naive() {
        NDList results = NaiveForm.compute(u.getManager(), this::outputAndFinalState);
        return new Result(results.get(0), results.get(1));
    }

    private NDList outputAndFinalState() {
        Shape shape = u.getShape();
        long batch = shape.get(0);
        long length = shape.get(1);
        long channels = shape.get(2);
        if (length == 0 || batch == 0) {
            NDArray state =
                    initialState != null
                            ? initialState.add(0)
                            : u.getManager()
                                    .zeros(
                                            new Shape(batch, channels, a.getShape().get(1)),
                                            u.getDataType());
            return new NDList(u.add(0), state);
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
        // DJL cuts the graph of an array concatenated with nothing.
        NDArray states = length == 1 ? state : NDArrays.concat(history, 1);
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
     * @param finalState the state after the last step, of shape (B, D, N)
     */
    public record Result(NDArray output, NDArray finalState) {}
}
