/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.benchmark;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.github.djlmamba.nativeops.NativeOps;
import io.github.djlmamba.ops.OpsProviders;
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.ops.ReferenceOps;
import io.github.djlmamba.zoo.icl.InContextLearner;
import io.github.djlmamba.zoo.icl.InContextSettings;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Times a whole training step of a model of the in-context-learning study on the native ops, in
 * float32 and bfloat16, and on the reference ops. Drawing the prompts is not timed.
 *
 * @param settings the model
 * @param batch the prompts of a step
 */
record TrainingStepBenchmark(InContextSettings settings, int batch) implements Benchmark {

    private static final int CHECKED_STEPS = 3;
    private static final String REDUCED = NativeOps.NAME + OpBenchmark.BFLOAT16;

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

    private TrainingStep training(String provider, Precision precision, NDList prompts) {
        return new TrainingStep(
                provider, precision, new InContextLearner(settings), prompts, prompts.get(1));
    }

    /** Compares the losses and the norms of the gradients of some steps. */
    @Override
    public void check(NDManager parent) {
        try (NDManager manager = parent.newSubManager()) {
            NDList prompts = newPrompts(manager);
            NDList expected = checked(ReferenceOps.NAME, Precision.FLOAT32, prompts);
            Agreement.check(
                    title(), expected, checked(NativeOps.NAME, Precision.FLOAT32, prompts), 1e-3);
            Agreement.check(
                    title() + OpBenchmark.BFLOAT16,
                    expected,
                    checked(NativeOps.NAME, Precision.BFLOAT16, prompts),
                    5e-2);
        } finally {
            OpsProviders.force(null);
        }
    }

    private NDList checked(String provider, Precision precision, NDList prompts) {
        double[] values = new double[2 * CHECKED_STEPS];
        try (TrainingStep training = training(provider, precision, prompts)) {
            for (int step = 0; step < CHECKED_STEPS; step++) {
                values[2 * step] = training.step();
                values[2 * step + 1] = training.gradientNorm();
            }
        }
        return new NDList(prompts.get(0).getManager().create(values));
    }

    @Override
    public List<BenchmarkResult> run(NDManager parent, int threads, Benchmark.Efforts efforts) {
        try (NDManager manager = parent.newSubManager()) {
            NDList prompts = newPrompts(manager);
            List<BenchmarkResult> results = new ArrayList<>();
            try (TrainingStep onNative = training(NativeOps.NAME, Precision.FLOAT32, prompts);
                    TrainingStep reduced = training(NativeOps.NAME, Precision.BFLOAT16, prompts);
                    TrainingStep onReference =
                            training(ReferenceOps.NAME, Precision.FLOAT32, prompts)) {
                Map<String, Times> times =
                        new Rounds()
                                .add(NativeOps.NAME, onNative::time)
                                .add(REDUCED, reduced::time)
                                .add(ReferenceOps.NAME, onReference::time)
                                .run(efforts.slow());
                double tokens = 2.0 * batch * settings.points();
                times.forEach(
                        (key, measured) ->
                                results.add(
                                        BenchmarkResult.of(
                                                settings.architecture() + " training step",
                                                key.equals(REDUCED) ? NativeOps.NAME : key,
                                                key.equals(REDUCED)
                                                        ? shape() + OpBenchmark.BFLOAT16
                                                        : shape(),
                                                threads,
                                                measured,
                                                tokens,
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
}
