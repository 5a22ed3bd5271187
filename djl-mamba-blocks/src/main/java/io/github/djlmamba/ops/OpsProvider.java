/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import org.apiguardian.api.API;

/**
 * The ops, as one implementation offers them.
 *
 * <p>Each method's default is the op's naive form, so a provider overrides exactly what it computes
 * in a better way. Implementations are found by {@link java.util.ServiceLoader}, through the class
 * loader of this interface. They must be thread safe, and may rely on the checks that each op has
 * made when its method is called.
 */
@API(status = API.Status.EXPERIMENTAL)
public interface OpsProvider {

    /**
     * Returns the name by which this provider is forced and reported.
     *
     * @return a short lower-case name
     */
    String name();

    /**
     * Returns which of several usable providers is preferred: the highest.
     *
     * @return the priority; the reference provider has 0
     */
    int priority();

    /**
     * Returns whether this provider takes arrays of the given kind.
     *
     * @param device where the arrays are
     * @param dataType their type; unknown stands for bfloat16
     * @return true if each op of this provider works on such arrays
     */
    boolean supports(Device device, DataType dataType);

    /**
     * Returns what keeps this provider from working at all, in one line that says how to mend it.
     *
     * @return the reason, or null if it works
     */
    default String unavailableReason() {
        return null;
    }

    /**
     * Returns a description of what runs below this provider, such as a library's version and
     * instruction set.
     *
     * @return one line for people
     */
    default String description() {
        return name();
    }

    /**
     * Returns what this provider has chosen by timing, where results depend on it in their last
     * digits. Another process may choose otherwise, unless {@link #repeatTimedChoice} is given this
     * text there.
     *
     * @return the choice, as this provider words it; empty if nothing is chosen so
     */
    default String timedChoice() {
        return "";
    }

    /**
     * Makes an earlier choice again, for the whole process.
     *
     * @param choice what {@link #timedChoice} returned, perhaps in another process
     * @return whether it holds now; false if it is unknown or not to be had here, or another one is
     *     forced
     */
    default boolean repeatTimedChoice(String choice) {
        return choice.isEmpty();
    }

    /**
     * Returns what this provider offers to compute in less than float32.
     *
     * @return the offer, or null for none
     */
    default ReducedPrecision reducedPrecision() {
        return null;
    }

    /**
     * Computes a linear projection.
     *
     * @param linear the checked inputs
     * @return the projection, of shape (..., O)
     */
    default NDArray linear(Linear linear) {
        return linear.naive();
    }

    /**
     * Computes a selective scan.
     *
     * @param scan the checked inputs
     * @return the output and the final state
     */
    default SelectiveScan.Result selectiveScan(SelectiveScan scan) {
        return scan.naive();
    }

    /**
     * Computes a state space dual.
     *
     * @param dual the checked inputs
     * @return the output and the final state
     */
    default StateSpaceDual.Result stateSpaceDual(StateSpaceDual dual) {
        return dual.naive();
    }

    /**
     * Computes one token of a state space dual for each row, in place on the state.
     *
     * @param step the checked inputs
     * @return the output
     */
    default NDArray stateSpaceDualStep(StateSpaceDualStep step) {
        return step.naive();
    }

    /**
     * Computes one step of a selective scan for each row of a batch, in place on its state.
     *
     * @param step the checked inputs
     * @return the output, of shape (B, D)
     */
    default NDArray selectiveScanStep(SelectiveScanStep step) {
        return step.naive();
    }

    /**
     * Computes a causal depthwise convolution.
     *
     * @param convolution the checked inputs
     * @return the output and the final state
     */
    default CausalConv1d.Result causalConv1d(CausalConv1d convolution) {
        return convolution.naive();
    }

    /**
     * Computes one step of a causal convolution for each row of a batch, in place on its state.
     *
     * @param step the checked inputs
     * @return the output, of shape (B, D)
     */
    default NDArray causalConv1dStep(CausalConv1dStep step) {
        return step.naive();
    }

    /**
     * Computes an RMS norm.
     *
     * @param norm the checked inputs
     * @return the output and the sum with the residual
     */
    default RmsNormalization.Result rmsNorm(RmsNormalization norm) {
        return norm.naive();
    }

    /**
     * Computes causal attention.
     *
     * @param attention the checked inputs
     * @return the weighted values, of shape (B, L, H, P)
     */
    default NDArray causalAttention(CausalAttention attention) {
        return attention.naive();
    }

    /**
     * Computes a rotary embedding.
     *
     * @param embedding the checked inputs
     * @return the turned array, of shape (B, L, H, P)
     */
    default NDArray rotaryEmbedding(RotaryEmbedding embedding) {
        return embedding.naive();
    }

    /**
     * Predicts by a whole Mamba block, or the layer around it, in one call.
     *
     * @param mamba the inputs, of one device and type, whose shapes fit each other
     * @return the output (B, L, M), the convolution's state and the scan's; null where this
     *     provider has no such call, and the ops are called
     */
    default NDList fusedMamba(FusedMamba mamba) {
        return null;
    }

    /**
     * Predicts by a whole Mamba-2 block, or the layer around it, in one call.
     *
     * @param mamba the inputs, of one device and type, whose shapes fit each other
     * @return the output (B, L, M), the convolution's state and the dual's; null where this
     *     provider has no such call, and the ops are called
     */
    default NDList fusedMamba2(FusedMamba2 mamba) {
        return null;
    }

    /**
     * Appends to a sequence.
     *
     * @param append the checked inputs
     * @return the longer sequence, of shape (B, T + L, ...)
     */
    default NDArray sequenceAppend(SequenceAppend append) {
        return append.naive();
    }

    /**
     * Computes a product with a SiLU gate.
     *
     * @param product the checked inputs
     * @return the product
     */
    default NDArray gatedProduct(GatedProduct product) {
        return product.naive();
    }

    /**
     * Updates parameters in place by their gradients, and clears the gradients.
     *
     * @param step the checked inputs
     * @return the global norm of the gradients before clipping
     */
    default double adamStep(AdamStep step) {
        return step.naive();
    }
}
