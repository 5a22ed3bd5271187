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
import ai.djl.nn.Parameter;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.util.Pair;
import io.github.djlmamba.nativeops.NativeOps;
import io.github.djlmamba.ops.AdamStep;
import io.github.djlmamba.ops.GradientMode;
import io.github.djlmamba.ops.OpsProviders;
import io.github.djlmamba.ops.ReferenceOps;
import io.github.djlmamba.zoo.icl.InContextLearner;
import io.github.djlmamba.zoo.icl.InContextSettings;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Times an AdamW step with clipping over all parameters of a model, the call from Java alone; the
 * gradients are filled before. It cannot be faster than a copy of the bytes it moves: it reads the
 * gradient for the norm, then parameter, gradient and both moments, and writes these four.
 *
 * @param model the model whose parameters are updated
 */
record AdamBenchmark(InContextSettings model) implements Benchmark {

    private static final String NAME = "adam_step";
    private static final int ARRAYS_MOVED = 9;
    private static final AdamStep.Options OPTIONS =
            new AdamStep.Options(1e-3, 0.9, 0.999, 1e-8, 0.01, true, 1, 1);

    @Override
    public String title() {
        return NAME + " of a " + model.architecture() + " of width " + model.modelSize();
    }

    @Override
    public void check(NDManager parent) {
        try (NDManager manager = parent.newSubManager()) {
            List<AdamStep.Slot> expected = newSlots(manager);
            List<AdamStep.Slot> actual = new ArrayList<>();
            for (AdamStep.Slot slot : expected) {
                actual.add(newSlot(slot.parameter().stopGradient().duplicate()));
            }
            for (int step = 1; step <= 2; step++) {
                fillGradients(expected);
                fillGradients(actual);
                OpsProviders.named(ReferenceOps.NAME).adamStep(step(expected, step));
                OpsProviders.named(NativeOps.NAME).adamStep(step(actual, step));
            }
            Agreement.check(title(), parameters(expected), parameters(actual), 1e-6);
        }
    }

    @Override
    public List<BenchmarkResult> run(NDManager parent, int threads, Benchmark.Efforts efforts) {
        try (NDManager manager = parent.newSubManager()) {
            List<AdamStep.Slot> slots = newSlots(manager);
            long bytes = Float.BYTES * elements(slots);
            MachineLoad copy = MachineLoad.copy(ARRAYS_MOVED * bytes / 2);
            Map<String, Times> fast =
                    new Rounds()
                            .add(copy.key(), copy.timing())
                            .add(NativeOps.NAME, new Step(slots, NativeOps.NAME)::time)
                            .run(efforts.fast());
            Map<String, Times> slow =
                    new Rounds()
                            .add(ReferenceOps.NAME, new Step(slots, ReferenceOps.NAME)::time)
                            .run(efforts.slow());
            List<BenchmarkResult> results = new ArrayList<>();
            Times copied = fast.get(copy.key());
            results.add(copy.result(threads, copied));
            double work = ARRAYS_MOVED * bytes / 1e9;
            double bound = copied.quantileMs(0.5);
            String shape = "P" + elements(slots) + " in " + slots.size();
            for (Map.Entry<String, Times> entry :
                    List.of(
                            Map.entry(NativeOps.NAME, fast.get(NativeOps.NAME)),
                            Map.entry(ReferenceOps.NAME, slow.get(ReferenceOps.NAME)))) {
                results.add(
                        BenchmarkResult.of(
                                NAME,
                                entry.getKey(),
                                shape,
                                threads,
                                entry.getValue(),
                                work,
                                bound));
            }
            return results;
        }
    }

    private List<AdamStep.Slot> newSlots(NDManager manager) {
        InContextLearner learner = new InContextLearner(model);
        learner.initialize(
                manager,
                DataType.FLOAT32,
                new Shape(1, model.points(), model.dims()),
                new Shape(1, model.points()));
        List<AdamStep.Slot> slots = new ArrayList<>();
        for (Pair<String, Parameter> pair : learner.getParameters()) {
            slots.add(newSlot(pair.getValue().getArray()));
        }
        return slots;
    }

    private static AdamStep.Slot newSlot(NDArray parameter) {
        parameter.setRequiresGradient(true);
        NDManager manager = parameter.getManager();
        Shape shape = parameter.getShape();
        return new AdamStep.Slot(
                parameter,
                manager.zeros(shape, DataType.FLOAT32),
                manager.zeros(shape, DataType.FLOAT32),
                true);
    }

    /** Adds a gradient that is different in each entry: its parameter and a constant. */
    private static void fillGradients(List<AdamStep.Slot> slots) {
        for (AdamStep.Slot slot : slots) {
            NDArray p = slot.parameter();
            try (NDManager scope = p.getManager().newSubManager()) {
                NDArray gradient = GradientMode.off(() -> p.add(1e-3));
                gradient.attach(scope);
                // The gradient of the sum of p gradient.
                NDArray leaf = GradientMode.on(() -> p.mul(1));
                leaf.attach(scope);
                JniUtils.backward((PtNDArray) leaf, (PtNDArray) gradient, false, false);
            }
        }
    }

    private static AdamStep step(List<AdamStep.Slot> slots, long step) {
        return AdamStep.of(slots, OPTIONS, step);
    }

    private static NDList parameters(List<AdamStep.Slot> slots) {
        return new NDList(slots.stream().map(AdamStep.Slot::parameter).toList());
    }

    private static long elements(List<AdamStep.Slot> slots) {
        return slots.stream().mapToLong(slot -> slot.parameter().size()).sum();
    }

    /** A step by one provider. */
    private static final class Step extends Stopwatch<AdamStep> {

        private final List<AdamStep.Slot> slots;
        private final String provider;
        private long steps;

        Step(List<AdamStep.Slot> slots, String provider) {
            this.slots = slots;
            this.provider = provider;
        }

        @Override
        AdamStep prepare() {
            fillGradients(slots);
            return AdamBenchmark.step(slots, ++steps);
        }

        @Override
        void call(AdamStep prepared) {
            prepared.check();
            OpsProviders.named(provider).adamStep(prepared);
        }
    }
}
