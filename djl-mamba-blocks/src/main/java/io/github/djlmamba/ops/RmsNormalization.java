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
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import java.util.function.UnaryOperator;
import org.apiguardian.api.API;

/**
 * The RMS norm (Zhang and Sennrich, 2019), over groups of channels if wanted, with a SiLU gate (Dao
 * and Gu, 2024) or the addition of a residual in the same pass:
 *
 * <pre>
 *   h_t    = residual_t + x_t, or x_t                              (the sum)
 *   u_t    = h_t silu(gate_t) where the gate comes first, else h_t
 *   n_td   = u_td / sqrt(mean over d's group of u_t^2 + epsilon)
 *   output = weight n_t, times silu(gate_t) where the gate comes last
 * </pre>
 *
 * <p>Shapes: x, residual, gate and both results (..., M), with M at least 1; weight (M); G groups
 * of M / G channels. The last axis of each should be contiguous; others may have any stride. Both
 * results are differentiable in every input.
 *
 * <p>x and the gate may be bfloat16; the residual, its sum and the weight are then float32. Within
 * {@link Precision#BFLOAT16} the output of a float32 x is bfloat16 too, which is what a residual
 * stream in float32 needs. Immutable and thread safe; the arrays it names are not copied.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class RmsNormalization {

    /** The epsilon unless set. */
    public static final double DEFAULT_EPSILON = 1e-5;

    private final NDArray x;
    private NDArray residual;
    private NDArray gate;
    private GateOrder gateOrder = GateOrder.GATE_LAST;
    private NDArray weight;
    private int groups = 1;
    private double epsilon = DEFAULT_EPSILON;

    /** What comes first of the norm and the gate. */
    public enum GateOrder {
        /** norm(x silu(gate)), as in Mamba-2. */
        GATE_FIRST,
        /** norm(x) silu(gate). */
        GATE_LAST
    }

    private RmsNormalization(NDArray x) {
        this.x = x;
    }

    private RmsNormalization copy() {
        RmsNormalization copy = new RmsNormalization(x);
        copy.residual = residual;
        copy.gate = gate;
        copy.gateOrder = gateOrder;
        copy.weight = weight;
        copy.groups = groups;
        copy.epsilon = epsilon;
        return copy;
    }

    /**
     * Names the required input.
     *
     * @param x what is normalised, of shape (..., M)
     * @return the op, with every option off
     */
    public static RmsNormalization of(NDArray x) {
        return new RmsNormalization(x);
    }

    /**
     * Adds x to a residual before the norm, and returns the sum, too.
     *
     * @param newResidual the residual, of x's shape; null for none
     * @return a copy of the op with it
     */
    public RmsNormalization withResidual(NDArray newResidual) {
        RmsNormalization copy = copy();
        copy.residual = newResidual;
        return copy;
    }

    /**
     * Adds a gate.
     *
     * @param newGate the gate before its SiLU, of x's shape; null for none
     * @param order what comes first
     * @return a copy of the op with it
     */
    public RmsNormalization withGate(NDArray newGate, GateOrder order) {
        RmsNormalization copy = copy();
        copy.gate = newGate;
        copy.gateOrder = order;
        return copy;
    }

    /**
     * Adds a weight.
     *
     * @param newWeight the factor of each channel, of shape (M); null for none
     * @return a copy of the op with it
     */
    public RmsNormalization withWeight(NDArray newWeight) {
        RmsNormalization copy = copy();
        copy.weight = newWeight;
        return copy;
    }

    /**
     * Sets the number of groups of channels that are normalised each by itself; 1 unless set.
     *
     * @param number G, a divisor of M
     * @return a copy of the op with it
     */
    public RmsNormalization withGroups(int number) {
        RmsNormalization copy = copy();
        copy.groups = number;
        return copy;
    }

    /**
     * Sets what is added to the mean square; {@value #DEFAULT_EPSILON} unless set.
     *
     * @param newEpsilon a positive number
     * @return a copy of the op with it
     */
    public RmsNormalization withEpsilon(double newEpsilon) {
        RmsNormalization copy = copy();
        copy.epsilon = newEpsilon;
        return copy;
    }

    /**
     * Returns what is normalised.
     *
     * @return x
     */
    public NDArray x() {
        return x;
    }

    /**
     * Returns what x is added to.
     *
     * @return the residual, or null
     */
    public NDArray residual() {
        return residual;
    }

    /**
     * Returns the gate.
     *
     * @return the gate before its SiLU, or null
     */
    public NDArray gate() {
        return gate;
    }

    /**
     * Returns what comes first of the norm and the gate.
     *
     * @return the order
     */
    public GateOrder gateOrder() {
        return gateOrder;
    }

    /**
     * Returns the factor of each channel.
     *
     * @return the weight, or null
     */
    public NDArray weight() {
        return weight;
    }

    /**
     * Returns the number of groups.
     *
     * @return G
     */
    public int groups() {
        return groups;
    }

    /**
     * Returns what is added to the mean square.
     *
     * @return epsilon
     */
    public double epsilon() {
        return epsilon;
    }

    /**
     * Returns whether the output is bfloat16 on the calling thread.
     *
     * @return true for bfloat16
     */
    public boolean bfloat16Output() {
        DataType type = x.getDataType();
        return type == DataType.UNKNOWN
                || type == DataType.FLOAT32 && Precision.active() == Precision.BFLOAT16;
    }

    /**
     * Checks the inputs and runs the op on the provider for them.
     *
     * @return the results, in x's manager
     * @throws IllegalArgumentException if a shape, type, device or number does not fit
     * @throws IllegalStateException if an array is closed
     */
    public Result run() {
        check();
        return OpsProviders.forArrays(x.getDevice(), x.getDataType()).rmsNorm(this);
    }

    /**
     * Checks the inputs without running anything.
     *
     * @throws IllegalArgumentException if a shape, type, device or number does not fit
     * @throws IllegalStateException if an array is closed
     */
    public void check() {
        ArgumentCheck check = new ArgumentCheck("RMS norm", true);
        check.array("x", x);
        Shape shape = x.getShape();
        if (shape.dimension() == 0 || channels() == 0) {
            throw check.failure(
                    "x", "has shape " + shape + "; expected (..., M) with at least one channel");
        }
        if (residual != null) {
            check.parameter("residual", residual, "(..., M), as in x", shape.getShape());
        }
        if (gate != null) {
            check.array("gate", gate, "(..., M), as in x", shape.getShape());
            if (gateOrder == null) {
                throw check.failure("gateOrder", "is null; choose one of GateOrder");
            }
        }
        if (weight != null) {
            check.parameter("weight", weight, "(M)", channels());
        }
        if (groups < 1 || channels() % groups != 0) {
            throw check.failure(
                    "groups",
                    "is " + groups + "; expected a divisor of the " + channels() + " channels");
        }
        if (!(epsilon > 0) || Double.isInfinite(epsilon)) {
            throw check.failure("epsilon", "is " + epsilon + "; expected a small positive number");
        }
    }

    private long channels() {
        Shape shape = x.getShape();
        return shape.get(shape.dimension() - 1);
    }

    /**
     * Computes the op by NDArray operations.
     *
     * @return the results, in x's manager
     */
    public Result naive() {
        boolean reduced = bfloat16Output();
        NDList results =
                NaiveForm.compute(
                        x.getManager(),
                        () -> reduced ? roundedOutput() : outputAndSum(UnaryOperator.identity()));
        return new Result(results.get(0), residual == null ? null : results.get(1));
    }

    private NDList roundedOutput() {
        NDList results = outputAndSum(Precision.FLOAT32::cast);
        results.set(0, Precision.BFLOAT16.cast(results.get(0)));
        return results;
    }

    private NDList outputAndSum(UnaryOperator<NDArray> wide) {
        NDArray sum = residual == null ? wide.apply(x) : residual.add(wide.apply(x));
        NDArray factor = gate == null ? null : silu(wide.apply(gate));
        boolean first = gate != null && gateOrder == GateOrder.GATE_FIRST;
        NDArray output = normalised(first ? sum.mul(factor) : sum);
        if (weight != null) {
            output = output.mul(weight);
        }
        if (gate != null && !first) {
            output = output.mul(factor);
        }
        return residual == null ? new NDList(output) : new NDList(output, sum);
    }

    private static NDArray silu(NDArray z) {
        // Not Activation.swish: see Scalars.
        return z.mul(Activation.sigmoid(z));
    }

    private NDArray normalised(NDArray u) {
        Shape shape = u.getShape();
        int axes = shape.dimension();
        NDArray grouped = u.reshape(shape.slice(0, axes - 1).add(groups, channels() / groups));
        NDArray means = grouped.square().mean(new int[] {axes}, true);
        return grouped.div(means.add(epsilon).sqrt()).reshape(shape);
    }

    /**
     * What a norm gives.
     *
     * @param output the output, of x's shape
     * @param sum the residual plus x, of x's shape; null without a residual
     */
    public record Result(NDArray output, NDArray sum) {}
}
