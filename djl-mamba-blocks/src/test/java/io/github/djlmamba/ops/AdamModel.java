/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * Parameters under an optimizer, twice: as arrays that a provider steps, and as plain arrays that
 * {@link #expect} steps by the formula in double.
 */
final class AdamModel {

    /** What a parameter is to the step. */
    enum Kind {
        /** It has a gradient and weight decay. */
        DECAYED,
        /** It has a gradient and no weight decay. */
        PLAIN,
        /** It needs a gradient, but the backward pass does not reach it. */
        UNREACHED,
        /** It needs no gradient. */
        FROZEN
    }

    private final DataType type;
    private final List<Kind> kinds = new ArrayList<>();
    private final List<AdamStep.Slot> slots = new ArrayList<>();
    private final List<double[]> parameters = new ArrayList<>();
    private final List<double[]> firstMoments = new ArrayList<>();
    private final List<double[]> secondMoments = new ArrayList<>();
    private final Random random;

    AdamModel(DataType type, long seed) {
        this.type = type;
        random = new Random(seed);
    }

    /** Adds a parameter that starts with moments of earlier steps. */
    AdamModel add(NDManager manager, Kind kind, Layout layout, long... sizes) {
        Shape shape = new Shape(sizes);
        Sample parameter = Sample.draw(shape, layout, random::nextGaussian);
        Sample first = Sample.draw(shape, layout, () -> 0.1 * random.nextGaussian());
        Sample second = Sample.draw(shape, layout, () -> 0.1 * random.nextDouble());
        NDArray array = parameter.array(manager, type);
        array.setRequiresGradient(kind != Kind.FROZEN);
        kinds.add(kind);
        slots.add(
                new AdamStep.Slot(
                        array,
                        first.array(manager, type),
                        second.array(manager, type),
                        kind != Kind.PLAIN));
        parameters.add(parameter.values().clone());
        firstMoments.add(first.values().clone());
        secondMoments.add(second.values().clone());
        return this;
    }

    List<AdamStep.Slot> slots() {
        return slots;
    }

    /** Draws a gradient for each parameter that the backward pass reaches. */
    List<double[]> drawGradients(double scale) {
        List<double[]> gradients = new ArrayList<>();
        for (int i = 0; i < slots.size(); i++) {
            boolean reached = kinds.get(i) == Kind.DECAYED || kinds.get(i) == Kind.PLAIN;
            Shape shape = slots.get(i).parameter().getShape();
            gradients.add(
                    reached
                            ? Sample.draw(
                                            shape,
                                            Layout.CONTIGUOUS,
                                            () -> scale * random.nextGaussian())
                                    .values()
                            : null);
        }
        return gradients;
    }

    /** Adds to the gradients by a backward pass. */
    void backward(List<double[]> gradients) {
        NDManager owner = slots.get(0).parameter().getManager();
        try (NDManager scope = owner.newSubManager();
                GradientCollector collector = Engine.getInstance().newGradientCollector()) {
            NDArray loss = scope.zeros(new Shape(), type);
            loss.setRequiresGradient(true);
            for (int i = 0; i < slots.size(); i++) {
                if (gradients.get(i) != null && gradients.get(i).length > 0) {
                    NDArray parameter = slots.get(i).parameter();
                    NDArray weights =
                            Sample.create(scope, type, gradients.get(i), parameter.getShape());
                    loss = loss.add(weights.mul(parameter).sum());
                }
            }
            collector.backward(loss);
        }
    }

    /** Steps the plain arrays by the formula, and returns the norm. */
    double expect(List<double[]> gradients, AdamStep.Options options, long step) {
        double squares = 0;
        for (double[] gradient : gradients) {
            for (int k = 0; gradient != null && k < gradient.length; k++) {
                squares += gradient[k] * gradient[k];
            }
        }
        double norm = Math.sqrt(squares) * options.gradientScale();
        double scale = options.gradientScale();
        if (options.maxGradientNorm() > 0) {
            scale *= Math.min(1, options.maxGradientNorm() / (norm + 1e-6));
        }
        for (int i = 0; i < slots.size() && Double.isFinite(norm); i++) {
            if (kinds.get(i) != Kind.FROZEN) {
                for (int k = 0; k < parameters.get(i).length; k++) {
                    double gradient = gradients.get(i) == null ? 0 : gradients.get(i)[k];
                    update(i, k, gradient * scale, options, step);
                }
            }
        }
        return norm;
    }

    private void update(int i, int k, double gradient, AdamStep.Options options, long step) {
        double p = parameters.get(i)[k];
        double g = gradient;
        double decay = slots.get(i).decay() ? options.weightDecay() : 0;
        if (options.decoupled()) {
            p -= options.learningRate() * decay * p;
        } else {
            g += decay * p;
        }
        double m = options.beta1() * firstMoments.get(i)[k] + (1 - options.beta1()) * g;
        double v = options.beta2() * secondMoments.get(i)[k] + (1 - options.beta2()) * g * g;
        double first = m / (1 - Math.pow(options.beta1(), step));
        double second = v / (1 - Math.pow(options.beta2(), step));
        parameters.get(i)[k] =
                p - options.learningRate() * first / (Math.sqrt(second) + options.epsilon());
        firstMoments.get(i)[k] = m;
        secondMoments.get(i)[k] = v;
    }

    /** Fails unless the arrays hold what the plain arrays hold. */
    void check(String what, Tolerance tolerance) {
        for (int i = 0; i < slots.size(); i++) {
            AdamStep.Slot slot = slots.get(i);
            String of = what + ", slot " + i + " (" + kinds.get(i) + "): ";
            tolerance.check(of + "parameter", parameters.get(i), Sample.read(slot.parameter()));
            tolerance.check(
                    of + "first moment", firstMoments.get(i), Sample.read(slot.firstMoment()));
            tolerance.check(
                    of + "second moment", secondMoments.get(i), Sample.read(slot.secondMoment()));
        }
    }

    /** Reads the parameters and the moments. */
    List<double[]> state() {
        List<double[]> state = new ArrayList<>();
        for (AdamStep.Slot slot : slots) {
            state.add(Sample.read(slot.parameter()));
            state.add(Sample.read(slot.firstMoment()));
            state.add(Sample.read(slot.secondMoment()));
        }
        return state;
    }

    /** Reads the gradients of all parameters that need one. */
    List<double[]> gradients() {
        List<double[]> gradients = new ArrayList<>();
        for (int i = 0; i < slots.size(); i++) {
            if (kinds.get(i) != Kind.FROZEN) {
                try (NDArray gradient = slots.get(i).parameter().getGradient()) {
                    gradients.add(Sample.read(gradient));
                }
            }
        }
        return gradients;
    }
}
