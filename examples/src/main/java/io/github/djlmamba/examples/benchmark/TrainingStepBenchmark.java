/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.benchmark;

import ai.djl.Model;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.GradientCollector;
import ai.djl.training.loss.Loss;
import ai.djl.training.tracker.Tracker;
import io.github.djlmamba.nativeops.NativeOps;
import io.github.djlmamba.ops.OpsProviders;
import io.github.djlmamba.ops.ReferenceOps;
import io.github.djlmamba.training.AdamTrainer;
import io.github.djlmamba.zoo.icl.InContextLearner;
import io.github.djlmamba.zoo.icl.InContextSettings;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Times a whole training step of a model of the in-context-learning study: forward, loss, backward,
 * clipping and Adam, on the native ops and on the reference ops. Drawing the prompts is not timed.
 *
 * @param settings the model
 * @param batch the prompts of a step
 */
record TrainingStepBenchmark(InContextSettings settings, int batch) implements Benchmark {

    private static final int CHECKED_STEPS = 3;

    @Override
    public String title() {
        return settings.architecture() + " training step " + shape();
    }

    private String shape() {
        return "B"
                + batch
                + " points "
                + settings.points()
                + " dims "
                + settings.dims()
                + " width "
                + settings.modelSize();
    }

    /** Compares the losses and the norms of the gradients of some steps. */
    @Override
    public void check(NDManager parent) {
        try (NDManager manager = parent.newSubManager()) {
            NDList prompts = newPrompts(manager);
            List<NDArray> numbers = new ArrayList<>();
            for (String provider : new String[] {ReferenceOps.NAME, NativeOps.NAME}) {
                try (Training training = new Training(provider, prompts)) {
                    double[] values = new double[2 * CHECKED_STEPS];
                    for (int step = 0; step < CHECKED_STEPS; step++) {
                        values[2 * step] = training.step();
                        values[2 * step + 1] = training.trainer.getGradientNorm();
                    }
                    numbers.add(manager.create(values));
                }
            }
            Agreement.check(title(), new NDList(numbers.get(0)), new NDList(numbers.get(1)), 1e-3);
        } finally {
            OpsProviders.force(null);
        }
    }

    @Override
    public List<BenchmarkResult> run(NDManager parent, int threads, Benchmark.Efforts efforts) {
        try (NDManager manager = parent.newSubManager()) {
            NDList prompts = newPrompts(manager);
            List<BenchmarkResult> results = new ArrayList<>();
            try (Training onNative = new Training(NativeOps.NAME, prompts);
                    Training onReference = new Training(ReferenceOps.NAME, prompts)) {
                Map<String, Times> times =
                        new Rounds()
                                .add(NativeOps.NAME, onNative::time)
                                .add(ReferenceOps.NAME, onReference::time)
                                .run(efforts.slow());
                times.forEach(
                        (provider, measured) ->
                                results.add(
                                        BenchmarkResult.of(
                                                settings.architecture() + " training step",
                                                provider,
                                                shape(),
                                                threads,
                                                measured,
                                                1,
                                                null)));
            }
            return results;
        } finally {
            OpsProviders.force(null);
        }
    }

    /** Returns the xs and ys of prompts of linear regression. */
    private NDList newPrompts(NDManager manager) {
        NDArray xs =
                manager.randomNormal(
                        0,
                        1,
                        new Shape(batch, settings.points(), settings.dims()),
                        DataType.FLOAT32);
        NDArray weights =
                manager.randomNormal(0, 1, new Shape(batch, 1, settings.dims()), DataType.FLOAT32);
        return new NDList(xs, xs.mul(weights).sum(new int[] {2}));
    }

    /** A model in training on one provider, with the same parameters for each. */
    private final class Training extends Stopwatch<Object> implements AutoCloseable {

        private final String provider;
        private final NDList prompts;
        private final Model model;
        private final AdamTrainer trainer;

        Training(String provider, NDList prompts) {
            this.provider = provider;
            this.prompts = prompts;
            Engine.getEngine("PyTorch").setRandomSeed(0);
            model = Model.newInstance("benchmark", "PyTorch");
            model.setBlock(new InContextLearner(settings));
            trainer =
                    AdamTrainer.builder()
                            .setModel(model)
                            .setTrainingConfig(new DefaultTrainingConfig(Loss.l2Loss()))
                            .setLearningRate(Tracker.fixed(1e-4f))
                            .optMaxGradientNorm(1)
                            .build();
            trainer.initialize(prompts.get(0).getShape(), prompts.get(1).getShape());
        }

        @Override
        Object prepare() {
            OpsProviders.force(provider);
            return provider;
        }

        @Override
        void call(Object prepared) {
            makeStep();
        }

        double step() {
            OpsProviders.force(provider);
            return makeStep();
        }

        private double makeStep() {
            double loss;
            try (NDManager scope = prompts.get(0).getManager().newSubManager()) {
                NDArray xs = prompts.get(0).duplicate();
                NDArray ys = prompts.get(1).duplicate();
                xs.attach(scope);
                ys.attach(scope);
                try (GradientCollector collector = trainer.newGradientCollector()) {
                    NDArray predictions = trainer.forward(new NDList(xs, ys)).singletonOrThrow();
                    NDArray squared = predictions.sub(ys).square().mean();
                    collector.backward(squared);
                    loss = squared.getFloat();
                }
                trainer.step();
            }
            return loss;
        }

        @Override
        public void close() {
            trainer.close();
            model.close();
        }
    }
}
