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
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import java.util.List;
import org.apiguardian.api.API;

/**
 * One step of Adam (Kingma and Ba, 2015) or AdamW (Loshchilov and Hutter, 2019) over all parameters
 * of a model, with the global norm of their gradients clipped before:
 *
 * <pre>
 *   g      = gradientScale gradient
 *   norm   = sqrt(sum over all parameters of g . g)
 *   g      = g min(1, maxGradientNorm / (norm + 1e-6))
 *   Adam:    g = g + decay p            AdamW:    p = p (1 - learningRate decay)
 *   m      = beta1 m + (1 - beta1) g
 *   v      = beta2 v + (1 - beta2) g g
 *   p      = p - learningRate / (1 - beta1^step)  m / (sqrt(v / (1 - beta2^step)) + epsilon)
 * </pre>
 *
 * <p>Parameters and moments are updated in place, without a gradient being recorded; the gradients
 * are set to zero. A frozen parameter is left as it is; one that the backward pass has not reached
 * has a gradient of zero. When the norm is not finite nothing but the gradients changes, so that
 * the caller can report it with its parameters intact.
 *
 * <p>Immutable; two steps over the same parameters must not run at once.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class AdamStep {

    private final List<Slot> slots;
    private final Options options;
    private final long step;

    private AdamStep(List<Slot> slots, Options options, long step) {
        this.slots = List.copyOf(slots);
        this.options = options;
        this.step = step;
    }

    /**
     * Names the inputs.
     *
     * @param slots the parameters with their moments, in a fixed order
     * @param options the settings
     * @param step the number of this step, the first being 1
     * @return the op
     */
    public static AdamStep of(List<Slot> slots, Options options, long step) {
        return new AdamStep(slots, options, step);
    }

    /**
     * Returns the parameters with their moments.
     *
     * @return the slots, in order
     */
    public List<Slot> slots() {
        return slots;
    }

    /**
     * Returns the settings.
     *
     * @return the settings
     */
    public Options options() {
        return options;
    }

    /**
     * Returns the number of this step.
     *
     * @return the number, from 1
     */
    public long step() {
        return step;
    }

    /**
     * Checks the inputs and runs the op on the provider for them.
     *
     * @return the global norm of the gradients before clipping; not finite if nothing was updated
     * @throws IllegalArgumentException if a shape, type, device or the step's number does not fit
     * @throws IllegalStateException if an array is closed
     */
    public double run() {
        check();
        if (slots.isEmpty()) {
            return 0;
        }
        NDArray first = slots.get(0).parameter();
        return OpsProviders.forArrays(first.getDevice(), first.getDataType()).adamStep(this);
    }

    /**
     * Checks the inputs without running anything.
     *
     * @throws IllegalArgumentException if a shape, type, device or the step's number does not fit
     * @throws IllegalStateException if an array is closed
     */
    public void check() {
        ArgumentCheck check = new ArgumentCheck("Adam step");
        if (step < 1) {
            throw check.failure("step", "is " + step + "; steps count from 1");
        }
        for (int i = 0; i < slots.size(); i++) {
            Slot slot = slots.get(i);
            String name = "slot " + i + "'s ";
            check.array(name + "parameter", slot.parameter());
            long[] shape = slot.parameter().getShape().getShape();
            check.array(name + "firstMoment", slot.firstMoment(), "the parameter's", shape);
            check.array(name + "secondMoment", slot.secondMoment(), "the parameter's", shape);
        }
    }

    /**
     * Computes the op parameter by parameter by NDArray operations.
     *
     * @return the global norm of the gradients before clipping
     */
    public double naive() {
        return GradientMode.off(this::clipAndUpdate);
    }

    private double clipAndUpdate() {
        double sumOfSquares = 0;
        for (Slot slot : slots) {
            if (slot.parameter().hasGradient()) {
                sumOfSquares += sumOfSquares(slot.parameter());
            }
        }
        double norm = Math.sqrt(sumOfSquares) * options.gradientScale();
        double clip =
                options.maxGradientNorm() > 0
                        ? Math.min(1, options.maxGradientNorm() / (norm + 1e-6))
                        : 1;
        for (Slot slot : slots) {
            if (slot.parameter().hasGradient()) {
                update(slot, options.gradientScale() * clip, Double.isFinite(norm));
            }
        }
        return norm;
    }

    private static double sumOfSquares(NDArray parameter) {
        try (NDManager scope = parameter.getManager().newSubManager();
                NDArray gradient = parameter.getGradient()) {
            gradient.attach(scope);
            return gradient.toType(DataType.FLOAT64, false).square().sum().getDouble();
        }
    }

    private void update(Slot slot, double scale, boolean finite) {
        NDArray p = slot.parameter();
        NDArray m = slot.firstMoment();
        NDArray v = slot.secondMoment();
        try (NDManager scope = p.getManager().newSubManager();
                NDArray gradient = p.getGradient()) {
            gradient.attach(scope);
            if (finite) {
                NDArray g = gradient.mul(scale);
                double decay = slot.decay() ? options.weightDecay() : 0;
                if (decay != 0 && !options.decoupled()) {
                    NDArray decayed = p.mul(decay);
                    decayed.attach(scope);
                    g = g.add(decayed);
                } else if (decay != 0) {
                    p.muli(1 - options.learningRate() * decay);
                }
                m.muli(options.beta1()).addi(g.mul(1 - options.beta1()));
                v.muli(options.beta2()).addi(g.square().mul(1 - options.beta2()));
                double correction1 = 1 - Math.pow(options.beta1(), step);
                double correction2 = 1 - Math.pow(options.beta2(), step);
                NDArray unbiased = v.div(correction2);
                unbiased.attach(scope);
                NDArray denominator = unbiased.sqrt().add(options.epsilon());
                NDArray change = m.mul(options.learningRate() / correction1);
                change.attach(scope);
                p.subi(change.div(denominator));
            }
            gradient.set(new NDIndex("..."), 0);
        }
    }

    /**
     * A parameter with its moments.
     *
     * @param parameter the parameter, of any shape
     * @param firstMoment m, the running mean of the gradient, of the parameter's shape
     * @param secondMoment v, the running mean of the squared gradient, of the parameter's shape
     * @param decay whether weight decay applies to it
     */
    public record Slot(
            NDArray parameter, NDArray firstMoment, NDArray secondMoment, boolean decay) {}

    /**
     * The settings of a step.
     *
     * @param learningRate the learning rate, not negative
     * @param beta1 the decay of the first moment, in [0, 1)
     * @param beta2 the decay of the second moment, in [0, 1)
     * @param epsilon what is added to the root of the second moment, outside of the root as in
     *     PyTorch; positive
     * @param weightDecay the weight decay of the slots that decay, not negative
     * @param decoupled true for AdamW's decay, false for Adam's
     * @param maxGradientNorm the global norm that gradients are clipped to; 0 for no clipping
     * @param gradientScale what gradients are multiplied by first, such as 1 / the number of
     *     micro-batches; positive
     */
    public record Options(
            double learningRate,
            double beta1,
            double beta2,
            double epsilon,
            double weightDecay,
            boolean decoupled,
            double maxGradientNorm,
            double gradientScale) {

        /** Checks the settings. */
        public Options {
            require(learningRate >= 0, "learningRate", learningRate, "at least 0");
            require(beta1 >= 0 && beta1 < 1, "beta1", beta1, "in [0, 1)");
            require(beta2 >= 0 && beta2 < 1, "beta2", beta2, "in [0, 1)");
            require(epsilon > 0, "epsilon", epsilon, "positive");
            require(weightDecay >= 0, "weightDecay", weightDecay, "at least 0");
            require(maxGradientNorm >= 0, "maxGradientNorm", maxGradientNorm, "at least 0");
            require(gradientScale > 0, "gradientScale", gradientScale, "positive");
        }

        private static void require(boolean holds, String name, double value, String expected) {
            if (!holds || Double.isInfinite(value)) {
                throw new IllegalArgumentException(
                        "Adam step: " + name + " is " + value + "; expected " + expected);
            }
        }
    }
}
