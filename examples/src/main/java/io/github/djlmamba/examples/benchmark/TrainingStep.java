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
import ai.djl.nn.Block;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.GradientCollector;
import ai.djl.training.tracker.Tracker;
import io.github.djlmamba.ops.OpsProviders;
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.training.AdamTrainer;
import io.github.djlmamba.training.MeanSquaredError;

/**
 * A model in training on one provider: forward, loss, backward, clipping and Adam. Its initial
 * parameters are the same for each. Not thread safe.
 */
final class TrainingStep extends Stopwatch<Object> implements AutoCloseable {

    private final String provider;
    private final NDList inputs;
    private final NDArray targets;
    private final Model model;
    private final AdamTrainer trainer;

    TrainingStep(
            String provider, Precision precision, Block block, NDList inputs, NDArray targets) {
        this.provider = provider;
        this.inputs = inputs;
        this.targets = targets;
        Engine.getEngine("PyTorch").setRandomSeed(0);
        model = Model.newInstance("benchmark", "PyTorch");
        model.setBlock(block);
        trainer =
                AdamTrainer.builder()
                        .setModel(model)
                        .setTrainingConfig(new DefaultTrainingConfig(new MeanSquaredError()))
                        .setLearningRate(Tracker.fixed(1e-4f))
                        .optMaxGradientNorm(1)
                        .optPrecision(precision)
                        .build();
        trainer.initialize(inputs.getShapes());
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

    /** Makes a step and returns its loss. */
    double step() {
        prepare();
        return makeStep();
    }

    /** The norm of the gradients in the last step. */
    double gradientNorm() {
        return trainer.getGradientNorm();
    }

    private double makeStep() {
        double loss;
        try (NDManager scope = targets.getManager().newSubManager()) {
            NDList copies = new NDList();
            for (NDArray input : inputs) {
                NDArray copy = input.duplicate();
                copy.attach(scope);
                copies.add(copy);
            }
            try (GradientCollector collector = trainer.newGradientCollector()) {
                NDList predictions = trainer.forward(copies);
                NDArray value = trainer.getLoss().evaluate(new NDList(targets), predictions);
                value.attach(scope);
                collector.backward(value);
                loss = value.getFloat();
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
