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
import io.github.djlmamba.nativeops.NativeOps;
import io.github.djlmamba.ops.GradientMode;
import io.github.djlmamba.ops.OpsProviders;
import io.github.djlmamba.ops.ReferenceOps;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * Times a decode step, one token for each row of a batch in place on a state, beside what bounds
 * it: reading and writing the state, as a copy of it does.
 *
 * @param name the op's name, that of its schema
 * @param shape the sizes, each after its letter
 * @param inputs makes the inputs in float32; the state comes last
 * @param run runs the op and gives the output; it changes the state
 */
record StepBenchmark(
        String name,
        String shape,
        Function<NDManager, NDList> inputs,
        Function<NDList, NDArray> run)
        implements Benchmark {

    @Override
    public String title() {
        return name + ' ' + shape;
    }

    /** Compares the outputs of two steps, and the state after them, with the reference ops. */
    @Override
    public void check(NDManager parent) {
        try (NDManager manager = parent.newSubManager()) {
            NDList start = inputs.apply(manager);
            Agreement.check(
                    title(),
                    twoSteps(start, ReferenceOps.NAME),
                    twoSteps(start, NativeOps.NAME),
                    1e-4);
        }
    }

    private NDList twoSteps(NDList start, String provider) {
        OpsProviders.force(provider);
        try {
            return GradientMode.off(
                    () -> {
                        NDList copies = new NDList(start.stream().map(NDArray::duplicate).toList());
                        NDArray first = run.apply(copies);
                        NDArray second = run.apply(copies);
                        return new NDList(first, second, state(copies));
                    });
        } finally {
            OpsProviders.force(null);
        }
    }

    private static NDArray state(NDList inputs) {
        return inputs.get(inputs.size() - 1);
    }

    @Override
    public List<BenchmarkResult> run(NDManager parent, int threads, Efforts efforts) {
        try (NDManager manager = parent.newSubManager()) {
            NDList prepared = inputs.apply(manager);
            long bytes = state(prepared).size() * DataType.FLOAT32.getNumOfBytes();
            MachineLoad copy = MachineLoad.copy(bytes);
            OpsProviders.force(NativeOps.NAME);
            Map<String, Times> times =
                    new Rounds()
                            .add(copy.key(), copy.timing())
                            .add(name, new Step(run, prepared)::time)
                            .run(efforts.fast());
            List<BenchmarkResult> results = new ArrayList<>();
            Times rate = times.get(copy.key());
            results.add(BenchmarkResult.ofLoad(copy, threads, rate));
            results.add(
                    BenchmarkResult.of(
                            name,
                            NativeOps.NAME,
                            shape,
                            threads,
                            times.get(name),
                            2 * bytes / 1e9,
                            rate.undisturbedMs()));
            return results;
        } finally {
            OpsProviders.force(null);
        }
    }

    private static final class Step extends Stopwatch<NDList> {

        private final Function<NDList, NDArray> run;
        private final NDList inputs;

        Step(Function<NDList, NDArray> run, NDList inputs) {
            this.run = run;
            this.inputs = inputs;
        }

        @Override
        NDList prepare() {
            return inputs;
        }

        @Override
        void call(NDList prepared) {
            GradientMode.off(() -> run.apply(prepared)).close();
        }
    }
}
