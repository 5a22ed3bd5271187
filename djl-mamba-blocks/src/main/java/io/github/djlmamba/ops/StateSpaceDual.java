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
 * The state space dual of Mamba-2 (Dao and Gu, 2024, sections 5 to 7): a selective scan whose decay
 * is one number for each head and token, with the element-wise work around it:
 *
 * <pre>
 *   delta' = clamp(softplus(delta + deltaBias), minimum, maximum)   (softplus is the identity above 20)
 *   S_t    = exp(delta'_t A) S_{t-1} + delta'_t x_t B_t^T           (for each head, a P x N matrix)
 *   y_t    = S_t C_t + D x_t
 *   output = y silu(z)
 * </pre>
 *
 * <p>Shapes: x, z and the output (B, L, H, P); delta (B, L, H); A and deltaBias (H); B and C (B, L,
 * N), or (B, L, G, N) with head h in group h / (H / G); D (H), or (H, P) for one by channel; states
 * (B, H, P, N), or (B, S, H, P, N) with packed sequences. The last axis of each should be
 * contiguous; others may have any stride. A, D, deltaBias and states are float32 where the others
 * are bfloat16, else all share one type; float64 arrays are computed in double throughout. Both
 * results are differentiable in every input; the gradient of the clamp passes where its argument
 * lies within the limits or on one. With L = 0, and for an empty sequence, the final state is the
 * initial one.
 *
 * <p>Long sequences are computed in chunks of tokens by matrix products, short ones token by token.
 * Immutable and thread safe; the arrays it names are not copied.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class StateSpaceDual {

    /** The largest chunk: what {@link #withChunkSize} takes. */
    public static final int LARGEST_CHUNK = 256;

    private static final int SMALLEST_CHUNK = 16;

    private final NDArray x;
    private final NDArray delta;
    private final NDArray a;
    private final NDArray b;
    private final NDArray c;
    private NDArray skip;
    private NDArray gate;
    private NDArray deltaBias;
    private boolean deltaSoftplus;
    private double deltaMinimum = Double.NEGATIVE_INFINITY;
    private double deltaMaximum = Double.POSITIVE_INFINITY;
    private NDArray initialState;
    private PackedSequences sequences;
    private int chunkSize;

    private StateSpaceDual(NDArray x, NDArray delta, NDArray a, NDArray b, NDArray c) {
        this.x = x;
        this.delta = delta;
        this.a = a;
        this.b = b;
        this.c = c;
    }

    private StateSpaceDual copy() {
        StateSpaceDual copy = new StateSpaceDual(x, delta, a, b, c);
        copy.skip = skip;
        copy.gate = gate;
        copy.deltaBias = deltaBias;
        copy.deltaSoftplus = deltaSoftplus;
        copy.deltaMinimum = deltaMinimum;
        copy.deltaMaximum = deltaMaximum;
        copy.initialState = initialState;
        copy.sequences = sequences;
        copy.chunkSize = chunkSize;
        return copy;
    }

    /**
     * Names the required inputs.
     *
     * @param x the sequence by heads, of shape (B, L, H, P)
     * @param delta the step sizes before bias and softplus, of shape (B, L, H)
     * @param a the state matrix A, one number for each head, negative for a stable scan; (H)
     * @param b the input matrix B, of shape (B, L, N) or (B, L, G, N)
     * @param c the output matrix C, of b's shape
     * @return the op, with every option off
     */
    public static StateSpaceDual of(NDArray x, NDArray delta, NDArray a, NDArray b, NDArray c) {
        return new StateSpaceDual(x, delta, a, b, c);
    }

    /**
     * Adds the skip connection D x.
     *
     * @param newSkip D, of shape (H) or (H, P); null for none
     * @return a copy of the op with it
     */
    public StateSpaceDual withSkip(NDArray newSkip) {
        StateSpaceDual copy = copy();
        copy.skip = newSkip;
        return copy;
    }

    /**
     * Multiplies the output by silu(z).
     *
     * @param newGate z, of shape (B, L, H, P); null for none
     * @return a copy of the op with it
     */
    public StateSpaceDual withGate(NDArray newGate) {
        StateSpaceDual copy = copy();
        copy.gate = newGate;
        return copy;
    }

    /**
     * Adds a bias to delta, before softplus.
     *
     * @param newDeltaBias the bias, of shape (H); null for none
     * @return a copy of the op with it
     */
    public StateSpaceDual withDeltaBias(NDArray newDeltaBias) {
        StateSpaceDual copy = copy();
        copy.deltaBias = newDeltaBias;
        return copy;
    }

    /**
     * Sets whether delta passes through softplus.
     *
     * @param newDeltaSoftplus true for softplus
     * @return a copy of the op with it
     */
    public StateSpaceDual withDeltaSoftplus(boolean newDeltaSoftplus) {
        StateSpaceDual copy = copy();
        copy.deltaSoftplus = newDeltaSoftplus;
        return copy;
    }

    /**
     * Bounds the step sizes, after softplus.
     *
     * @param minimum the smallest step size; negative infinity for no bound
     * @param maximum the largest step size, not below the smallest; infinity for no bound
     * @return a copy of the op with them
     */
    public StateSpaceDual withDeltaLimits(double minimum, double maximum) {
        StateSpaceDual copy = copy();
        copy.deltaMinimum = minimum;
        copy.deltaMaximum = maximum;
        return copy;
    }

    /**
     * Starts from a state other than zero.
     *
     * @param newInitialState the state before the first token, of shape (B, H, P, N), or (B, S, H,
     *     P, N) with packed sequences; null for zero
     * @return a copy of the op with it
     */
    public StateSpaceDual withInitialState(NDArray newInitialState) {
        StateSpaceDual copy = copy();
        copy.initialState = newInitialState;
        return copy;
    }

    /**
     * Treats each of the sequences packed into the rows as one by itself.
     *
     * @param newSequences where they lie; null for one sequence a row
     * @return a copy of the op with it
     */
    public StateSpaceDual withSequences(PackedSequences newSequences) {
        StateSpaceDual copy = copy();
        copy.sequences = newSequences;
        return copy;
    }

    /**
     * Sets how many tokens are computed together by matrix products. A matter of speed only: the
     * results differ by rounding alone.
     *
     * @param newChunkSize 0 to choose by the sizes, 1 for token by token, or from 16 to {@link
     *     #LARGEST_CHUNK}
     * @return a copy of the op with it
     */
    public StateSpaceDual withChunkSize(int newChunkSize) {
        StateSpaceDual copy = copy();
        copy.chunkSize = newChunkSize;
        return copy;
    }

    /**
     * Returns the sequence by heads.
     *
     * @return x, of shape (B, L, H, P)
     */
    public NDArray x() {
        return x;
    }

    /**
     * Returns the step sizes before bias and softplus.
     *
     * @return delta, of shape (B, L, H)
     */
    public NDArray delta() {
        return delta;
    }

    /**
     * Returns the state matrix.
     *
     * @return A, of shape (H)
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
     * @return D, of shape (H) or (H, P), or null
     */
    public NDArray skip() {
        return skip;
    }

    /**
     * Returns the gate.
     *
     * @return z, of shape (B, L, H, P), or null
     */
    public NDArray gate() {
        return gate;
    }

    /**
     * Returns the bias of delta.
     *
     * @return the bias, of shape (H), or null
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
     * Returns the smallest step size.
     *
     * @return the bound; negative infinity for none
     */
    public double deltaMinimum() {
        return deltaMinimum;
    }

    /**
     * Returns the largest step size.
     *
     * @return the bound; infinity for none
     */
    public double deltaMaximum() {
        return deltaMaximum;
    }

    /**
     * Returns the state before the first token.
     *
     * @return the state, of shape (B, H, P, N) or (B, S, H, P, N), or null for zero
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
     * Returns how many tokens are computed together.
     *
     * @return the number; 0 if it is chosen by the sizes
     */
    public int chunkSize() {
        return chunkSize;
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
        return OpsProviders.forArrays(x.getDevice(), x.getDataType()).stateSpaceDual(this);
    }

    /**
     * Checks the inputs without running anything.
     *
     * @throws IllegalArgumentException if a shape, type or device does not fit
     * @throws IllegalStateException if an array is closed
     */
    public void check() {
        ArgumentCheck check = new ArgumentCheck("state space dual", true);
        checkTokens(check, "B, L", 2);
        Shape shape = x.getShape();
        long batch = shape.get(0);
        long length = shape.get(1);
        if (sequences != null) {
            check.packed(sequences, batch, length);
        }
        if (initialState != null) {
            check.parameter(
                    "initialState",
                    initialState,
                    sequences == null ? "(B, H, P, N)" : "(B, S, H, P, N)",
                    stateShape().getShape());
        }
        boolean fits = chunkSize >= SMALLEST_CHUNK && chunkSize <= LARGEST_CHUNK;
        if (chunkSize != 0 && chunkSize != 1 && !fits) {
            throw check.failure(
                    "chunkSize",
                    "is "
                            + chunkSize
                            + "; expected 0 to choose it, 1 for token by token, or from "
                            + SMALLEST_CHUNK
                            + " to "
                            + LARGEST_CHUNK);
        }
        check.elements("the states", batch, length, shape.get(2), shape.get(3), states());
        check.elements("the final state", stateShape().getShape());
    }

    /**
     * Checks what every token has, and what all share, where the leading axes are the first ones of
     * x, named by the letters.
     */
    void checkTokens(ArgumentCheck check, String letters, int leading) {
        check.array("x", x);
        check.axes("x", x, "(" + letters + ", H, P)", leading + 2);
        Shape tokens = x.getShape().slice(0, leading);
        long heads = x.getShape().get(leading);
        long headSize = x.getShape().get(leading + 1);
        if (heads == 0 || headSize == 0) {
            throw check.failure(
                    "x", "has shape " + x.getShape() + "; expected at least one head and channel");
        }
        check.array("delta", delta, "(" + letters + ", H), as x", tokens.add(heads).getShape());
        check.parameter("a", a, "(H), with H as in x", heads);
        check.array("b", b);
        check.axes(
                "b",
                b,
                "(" + letters + ", N) or (" + letters + ", G, N)",
                leading + 1,
                leading + 2);
        if (states() == 0) {
            throw check.failure("b", "has shape " + b.getShape() + "; expected at least one state");
        }
        boolean grouped = b.getShape().dimension() == leading + 2;
        Shape matrix = tokens.add(states());
        if (grouped) {
            long groups = b.getShape().get(leading);
            if (groups == 0 || heads % groups != 0) {
                throw check.failure(
                        "b",
                        "has "
                                + groups
                                + " groups, which do not divide the "
                                + heads
                                + " heads of x");
            }
            matrix = tokens.add(groups, states());
        }
        String expected = "(" + letters + (grouped ? ", G, N)" : ", N)");
        check.array("b", b, expected, matrix.getShape());
        check.array("c", c, expected + ", as b", matrix.getShape());
        if (skip != null) {
            check.parameter("skip", skip);
            check.axes("skip", skip, "(H) or (H, P)", 1, 2);
            if (skip.getShape().dimension() == 1) {
                check.parameter("skip", skip, "(H)", heads);
            } else {
                check.parameter("skip", skip, "(H, P)", heads, headSize);
            }
        }
        if (gate != null) {
            check.array("gate", gate, "(" + letters + ", H, P), as x", x.getShape().getShape());
        }
        if (deltaBias != null) {
            check.parameter("deltaBias", deltaBias, "(H)", heads);
        }
        if (!(deltaMinimum <= deltaMaximum)) {
            throw check.failure(
                    "deltaLimits",
                    "are "
                            + deltaMinimum
                            + " and "
                            + deltaMaximum
                            + "; expected a minimum that is not above the maximum");
        }
    }

    /** Returns N. */
    long states() {
        return b.getShape().get(b.getShape().dimension() - 1);
    }

    /** Returns the shape of states. */
    Shape stateShape() {
        Shape shape = x.getShape();
        return PackedForm.stateShape(sequences, shape.get(0), shape.get(2), shape.get(3), states());
    }

    /**
     * Computes the op token by token by NDArray operations. It holds all states at once: (B, L, H,
     * P, N) in memory.
     *
     * @return the output and the final state, in x's manager
     */
    public Result naive() {
        NDList results =
                NaiveForm.compute(
                        x, x.getManager(), 1, new StateSpaceDualNaive(this)::outputAndFinalState);
        return new Result(results.get(0), results.get(1));
    }

    /**
     * What a state space dual gives.
     *
     * @param output the output, of shape (B, L, H, P)
     * @param finalState the state after the last token, of shape (B, H, P, N) or, with packed
     *     sequences, that of each, (B, S, H, P, N)
     */
    public record Result(NDArray output, NDArray finalState) {}
}
