/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.training;

import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.training.Trainer;
import ai.djl.training.TrainingConfig;
import ai.djl.training.initializer.Initializer;
import ai.djl.training.tracker.Tracker;
import ai.djl.util.Pair;
import io.github.djlmamba.ops.AdamStep;
import io.github.djlmamba.ops.GradientMode;
import io.github.djlmamba.ops.Precision;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.apiguardian.api.API;

/**
 * A {@link Trainer} whose step clips the global norm of the gradients and runs Adam or AdamW over
 * all parameters in one {@link AdamStep}, in the order of their paths.
 *
 * <p>It works wherever a {@code Trainer} does, under {@link ai.djl.training.EasyTrain} too. The
 * configuration's optimizer is not used. With micro-batches, {@link #step()} is called once per
 * micro-batch as usual; every so-manieth call clips and updates, on the mean of the gradients.
 * Freeze parameters after the trainer is built, which unfreezes all of a loaded model's.
 *
 * <p>Train on one device. Not thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class AdamTrainer extends Trainer {

    private final Builder settings;
    private final NDManager moments;
    private final Map<String, AdamStep.Slot> slots = new LinkedHashMap<>();
    private long steps;
    private int microBatches;
    private double gradientNorm = Double.NaN;

    private AdamTrainer(Builder settings) {
        super(settings.model, settings.config);
        this.settings = settings;
        moments = getManager().newSubManager();
    }

    /**
     * Creates a builder.
     *
     * @return the builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /** {@inheritDoc} */
    @Override
    public NDList forward(NDList input) {
        return inPrecision(() -> super.forward(input));
    }

    /** {@inheritDoc} */
    @Override
    public NDList forward(NDList data, NDList labels) {
        return inPrecision(() -> super.forward(data, labels));
    }

    /** {@inheritDoc} */
    @Override
    public NDList evaluate(NDList input) {
        return inPrecision(() -> super.evaluate(input));
    }

    /** The loss is computed in float32 whatever the precision of the model. */
    private NDList inPrecision(Supplier<NDList> forward) {
        NDList outputs = settings.precision.within(forward);
        if (settings.precision == Precision.FLOAT32) {
            return outputs;
        }
        NDList single = new NDList();
        for (NDArray output : outputs) {
            single.add(Precision.isBfloat16(output) ? Precision.FLOAT32.cast(output) : output);
        }
        return single;
    }

    /**
     * Takes the gradients of the micro-batch that has just run, and updates the parameters if it
     * completes a step.
     *
     * @throws IllegalStateException if the norm of the gradients is not finite; parameters and
     *     moments are left as they were
     */
    @Override
    public void step() {
        if (++microBatches < settings.microBatches) {
            return;
        }
        microBatches = 0;
        long begin = System.nanoTime();
        double learningRate = learningRate();
        double norm =
                AdamStep.of(
                                List.copyOf(slots().values()),
                                settings.options(learningRate),
                                steps + 1)
                        .run();
        if (!Double.isFinite(norm)) {
            throw new IllegalStateException(
                    "the norm of the gradients is "
                            + norm
                            + " after "
                            + steps
                            + " steps, at a learning rate of "
                            + learningRate
                            + "; nothing was updated. Lower the learning rate, clip the norm, or"
                            + " look for values in the data that are not finite");
        }
        gradientNorm = norm;
        steps++;
        addMetric("step", begin);
    }

    /**
     * Returns how many times the parameters have been updated.
     *
     * @return the number of completed steps, those before a restored checkpoint included
     */
    public long getSteps() {
        return steps;
    }

    /**
     * Returns whether every micro-batch so far has been used in a completed step, so that a
     * checkpoint would miss nothing.
     *
     * @return true between steps
     */
    public boolean isBetweenSteps() {
        return microBatches == 0;
    }

    /**
     * Returns the learning rate of the next step.
     *
     * @return what the schedule gives
     */
    public double learningRate() {
        return settings.learningRate.getNewValue(Math.toIntExact(steps));
    }

    /**
     * Returns the global norm of the gradients in the last step, before clipping.
     *
     * @return the norm, or NaN before the first step
     */
    public double getGradientNorm() {
        return gradientNorm;
    }

    /**
     * Returns the precision of the forward pass.
     *
     * @return the precision
     */
    public Precision getPrecision() {
        return settings.precision;
    }

    /**
     * Returns the parameters with their moments by their paths, made on first use. A parameter that
     * several blocks share stands under the first of its paths.
     *
     * @return the optimizer state of every parameter, in order
     * @throws IllegalStateException if the model has no parameters, or one is not initialised
     */
    Map<String, AdamStep.Slot> slots() {
        if (slots.isEmpty()) {
            Set<String> seen = new HashSet<>();
            for (Pair<String, Parameter> pair : getModel().getBlock().getParameters()) {
                if (seen.add(pair.getValue().getId())) {
                    slots.put(pair.getKey(), newSlot(pair.getKey(), pair.getValue()));
                }
            }
            if (slots.isEmpty()) {
                throw new IllegalStateException("the model has no parameters to train");
            }
        }
        return slots;
    }

    private AdamStep.Slot newSlot(String path, Parameter parameter) {
        if (!parameter.isInitialized()) {
            throw new IllegalStateException(
                    "the parameter " + path + " is not initialised; call initialize first");
        }
        NDArray array = parameter.getArray();
        return new AdamStep.Slot(
                array,
                moments.zeros(array.getShape(), array.getDataType()),
                moments.zeros(array.getShape(), array.getDataType()),
                settings.weightDecayed.test(parameter));
    }

    /**
     * Copies what the trainer carries from step to step.
     *
     * @param manager the manager of the copies
     * @return the number of steps and the moments of every parameter
     * @throws IllegalStateException if the model has no parameters, or one is not initialised
     */
    public OptimizerState getOptimizerState(NDManager manager) {
        Map<String, OptimizerState.Moments> copies = new LinkedHashMap<>();
        slots().forEach(
                        (path, slot) ->
                                copies.put(
                                        path,
                                        new OptimizerState.Moments(
                                                copy(slot.firstMoment(), manager),
                                                copy(slot.secondMoment(), manager))));
        return new OptimizerState(steps, gradientNorm, copies);
    }

    private static NDArray copy(NDArray array, NDManager manager) {
        NDArray copy = array.duplicate();
        copy.attach(manager);
        return copy;
    }

    /**
     * Replaces what the trainer carries from step to step: the next step goes on from the given
     * one. The arrays are copied.
     *
     * @param state the number of steps and the moments of every parameter
     * @throws IllegalArgumentException if a parameter's moments are missing or have another shape
     *     or type, or there are moments of no parameter; nothing is changed then
     * @throws IllegalStateException if the trainer is inside of a step, the model has no
     *     parameters, or one is not initialised
     */
    public void setOptimizerState(OptimizerState state) {
        checkOptimizerState(state);
        slots().forEach(
                        (path, slot) -> {
                            OptimizerState.Moments moments = state.moments().get(path);
                            overwrite(slot.firstMoment(), moments.first());
                            overwrite(slot.secondMoment(), moments.second());
                        });
        steps = state.steps();
        gradientNorm = state.gradientNorm();
    }

    /** Makes the checks of {@link #setOptimizerState} alone. */
    void checkOptimizerState(OptimizerState state) {
        if (!isBetweenSteps()) {
            throw new IllegalStateException(
                    "the trainer is inside of a step, whose micro-batches would be lost; set the"
                            + " state between steps");
        }
        state.checkFits(slots());
    }

    /** Writes an array's values over those of another, in place. */
    static void overwrite(NDArray target, NDArray source) {
        // Not copyTo, which would hand the target memory of the JVM.
        GradientMode.off(
                () -> {
                    target.set(new NDIndex("..."), source);
                    return target;
                });
    }

    /** Builds an {@link AdamTrainer}. */
    public static final class Builder {

        private Model model;
        private TrainingConfig config;
        private Tracker learningRate;
        private double beta1 = 0.9;
        private double beta2 = 0.999;
        private double epsilon = 1e-8;
        private double weightDecay;
        private boolean decoupled = true;
        private double maxGradientNorm;
        private int microBatches = 1;
        private Precision precision = Precision.FLOAT32;
        private Predicate<Parameter> weightDecayed =
                parameter -> parameter.getType() == Parameter.Type.WEIGHT;

        private Builder() {}

        /**
         * Sets the model to train.
         *
         * @param newModel the model
         * @return this builder
         */
        public Builder setModel(Model newModel) {
            model = newModel;
            return this;
        }

        /**
         * Sets the loss, the listeners and the rest of the configuration; its optimizer is not
         * used.
         *
         * @param newConfig the configuration
         * @return this builder
         */
        public Builder setTrainingConfig(TrainingConfig newConfig) {
            config = newConfig;
            return this;
        }

        /**
         * Sets the learning rate, by the number of completed steps.
         *
         * @param newLearningRate the schedule
         * @return this builder
         */
        public Builder setLearningRate(Tracker newLearningRate) {
            learningRate = newLearningRate;
            return this;
        }

        /**
         * Sets the decay of the moments.
         *
         * @param newBeta1 the first moment's, 0.9 by default
         * @param newBeta2 the second moment's, 0.999 by default
         * @return this builder
         */
        public Builder optBetas(double newBeta1, double newBeta2) {
            beta1 = newBeta1;
            beta2 = newBeta2;
            return this;
        }

        /**
         * Sets what is added to the root of the second moment.
         *
         * @param newEpsilon the addend, 1e-8 by default
         * @return this builder
         */
        public Builder optEpsilon(double newEpsilon) {
            epsilon = newEpsilon;
            return this;
        }

        /**
         * Sets the weight decay.
         *
         * @param newWeightDecay the decay, 0 by default
         * @param newDecoupled true for AdamW's, the default; false for Adam's
         * @return this builder
         */
        public Builder optWeightDecay(double newWeightDecay, boolean newDecoupled) {
            weightDecay = newWeightDecay;
            decoupled = newDecoupled;
            return this;
        }

        /**
         * Sets which parameters weight decay applies to: by default those of type WEIGHT, so
         * neither biases, norms, A nor D.
         *
         * @param newWeightDecayed the choice
         * @return this builder
         */
        public Builder optWeightDecayed(Predicate<Parameter> newWeightDecayed) {
            weightDecayed = newWeightDecayed;
            return this;
        }

        /**
         * Sets the global norm that the gradients are clipped to.
         *
         * @param newMaxGradientNorm the norm; 0, the default, for no clipping
         * @return this builder
         */
        public Builder optMaxGradientNorm(double newMaxGradientNorm) {
            maxGradientNorm = newMaxGradientNorm;
            return this;
        }

        /**
         * Sets how many micro-batches make a step.
         *
         * @param newMicroBatches the number, 1 by default
         * @return this builder
         */
        public Builder optMicroBatches(int newMicroBatches) {
            microBatches = newMicroBatches;
            return this;
        }

        /**
         * Sets the precision of the forward pass, and so of its activations' gradients. Parameters,
         * their gradients, the moments and the loss stay float32: what the model returns in
         * bfloat16 is converted before the loss sees it.
         *
         * @param newPrecision the precision, float32 by default
         * @return this builder
         */
        public Builder optPrecision(Precision newPrecision) {
            precision = Objects.requireNonNull(newPrecision, "precision");
            return this;
        }

        /**
         * Builds the trainer, and makes every parameter of the model trainable but running
         * statistics, as {@link Model#newTrainer} does.
         *
         * @return the trainer
         * @throws IllegalArgumentException if a setting is missing or out of its range
         */
        public AdamTrainer build() {
            if (model == null || config == null || learningRate == null) {
                throw new IllegalArgumentException(
                        "a trainer needs a model, a training configuration and a learning rate");
            }
            if (microBatches < 1) {
                throw new IllegalArgumentException(
                        "microBatches is " + microBatches + "; expected at least 1");
            }
            if (config.getDevices().length != 1) {
                throw new IllegalArgumentException(
                        "the trainer works on one device; the configuration names "
                                + config.getDevices().length);
            }
            options(0);
            Block block = model.getBlock();
            block.freezeParameters(
                    false,
                    parameter ->
                            parameter.getType() != Parameter.Type.RUNNING_MEAN
                                    && parameter.getType() != Parameter.Type.RUNNING_VAR);
            for (Pair<Initializer, Predicate<Parameter>> pair : config.getInitializers()) {
                if (pair.getKey() != null && pair.getValue() != null) {
                    block.setInitializer(pair.getKey(), pair.getValue());
                }
            }
            return new AdamTrainer(this);
        }

        private AdamStep.Options options(double rate) {
            return new AdamStep.Options(
                    rate,
                    beta1,
                    beta2,
                    epsilon,
                    weightDecay,
                    decoupled,
                    maxGradientNorm,
                    1.0 / microBatches);
        }
    }
}
