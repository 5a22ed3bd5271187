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
import ai.djl.training.ParameterStore;
import io.github.djlmamba.hybrid.HybridStack;
import io.github.djlmamba.hybrid.HybridStackOptions;
import io.github.djlmamba.nativeops.NativeOps;
import io.github.djlmamba.ops.OpsProviders;
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.ops.ReferenceOps;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Times a stack of a language model's size with random weights: the forward pass over a sequence
 * without recording, as a prefill is, with the share of each op in it; and a training step. Neither
 * can be faster than its products of matrices at the best rate of such a product in the same run; a
 * training step has those of the forward pass three times.
 *
 * @param name what the layers are
 * @param options the stack
 * @param length L, of a batch of one
 * @param precision that of the activations
 */
record StackBenchmark(String name, HybridStackOptions options, long length, Precision precision)
        implements Benchmark {

    private static final long CHECKED_LENGTH = 24;
    private static final int DIVIDED_PASSES = 5;
    private static final String PREFILL = "prefill";
    private static final String STEP = "training step";

    @Override
    public String title() {
        return name + ' ' + PREFILL + " and " + STEP + ' ' + shape();
    }

    private String shape() {
        return options.pattern().size()
                + " layers M"
                + options.modelSize()
                + " B1 L"
                + length
                + (precision == Precision.FLOAT32 ? "" : OpBenchmark.BFLOAT16);
    }

    /** Compares the forward pass over a short sequence with that of the reference ops. */
    @Override
    public void check(NDManager parent) {
        try (NDManager manager = parent.newSubManager()) {
            NDArray x = newInput(manager, Math.min(length, CHECKED_LENGTH));
            HybridStack stack = newStack(manager, x);
            OpsProviders.force(ReferenceOps.NAME);
            NDList expected = Precision.FLOAT32.within(() -> forward(stack, x));
            OpsProviders.force(NativeOps.NAME);
            NDList actual = precision.within(() -> forward(stack, x));
            Agreement.check(
                    title(), expected, actual, precision == Precision.FLOAT32 ? 1e-3 : 5e-2);
        } finally {
            OpsProviders.force(null);
        }
    }

    private NDArray newInput(NDManager manager, long tokens) {
        return manager.randomNormal(
                0, 1, new Shape(1, tokens, options.modelSize()), DataType.FLOAT32);
    }

    private HybridStack newStack(NDManager manager, NDArray x) {
        HybridStack stack = new HybridStack(options);
        stack.initialize(manager, DataType.FLOAT32, x.getShape());
        return stack;
    }

    private static NDList forward(HybridStack stack, NDArray x) {
        return stack.forward(new ParameterStore(x.getManager(), false), new NDList(x), false);
    }

    @Override
    public List<BenchmarkResult> run(NDManager parent, int threads, Benchmark.Efforts efforts) {
        List<BenchmarkResult> results = new ArrayList<>();
        try (NDManager manager = parent.newSubManager()) {
            NDArray x = newInput(manager, length);
            HybridStack stack = newStack(manager, x);
            Prefill prefill = new Prefill(stack, x, precision);
            List<MachineLoad> loads = MachineLoad.products(manager);
            Rounds rounds = new Rounds();
            loads.forEach(load -> rounds.add(load.key(), load.timing()));
            Map<String, Times> times = rounds.add(PREFILL, prefill::time).run(efforts.slow());
            Map<MachineLoad, Times> rates = new LinkedHashMap<>();
            for (MachineLoad load : loads) {
                Times measured = times.get(load.key());
                if (!measured.isEmpty()) {
                    rates.put(load, measured);
                    results.add(BenchmarkResult.ofLoad(load, threads, measured));
                }
            }
            double perMs = MachineLoad.bestPerMs(threads, rates);
            double bound = divide(prefill, perMs, threads, times.get(PREFILL), results);
            results.add(timeSteps(x, threads, 3 * bound, efforts));
            return results;
        } finally {
            OpsProviders.force(null);
        }
    }

    /** Adds the whole pass and the share of each op; returns the bound of the pass. */
    private double divide(
            Prefill prefill,
            double perMs,
            int threads,
            Times whole,
            List<BenchmarkResult> results) {
        prefill.provider = TimedOps.NAME;
        prefill.time(0);
        TimedOps.take();
        Times divided = new Times();
        Map<String, Times> parts = new LinkedHashMap<>();
        Map<String, Double> bounds = new LinkedHashMap<>();
        Times rest = new Times();
        for (int pass = 0; pass < DIVIDED_PASSES; pass++) {
            prefill.prepare();
            long begin = System.nanoTime();
            prefill.call(prefill);
            long elapsed = System.nanoTime() - begin;
            divided.add(new long[] {elapsed});
            long inOps = 0;
            for (Map.Entry<String, TimedOps.Tally> entry : TimedOps.take().entrySet()) {
                long nanoseconds = entry.getValue().nanoseconds();
                inOps += nanoseconds;
                parts.computeIfAbsent(entry.getKey(), key -> new Times())
                        .add(new long[] {nanoseconds});
                bounds.put(entry.getKey(), entry.getValue().operations() / 1e9 / perMs);
            }
            rest.add(new long[] {elapsed - inOps});
        }
        parts.put("the rest", rest);
        double bound = bounds.values().stream().mapToDouble(Double::doubleValue).sum();
        results.add(result(PREFILL, threads, whole, length, bound));
        double all = divided.quantileMs(0.5);
        parts.forEach(
                (op, times) -> {
                    double median = times.quantileMs(0.5);
                    double ofOp = bounds.getOrDefault(op, 0.0);
                    // The rate of a share is its part of the pass, in per cent.
                    results.add(
                            result(
                                    PREFILL + ": " + op,
                                    threads,
                                    times,
                                    100 * median / all * (median / 1e3),
                                    ofOp == 0 ? null : ofOp));
                });
        return bound;
    }

    private BenchmarkResult timeSteps(
            NDArray x, int threads, double bound, Benchmark.Efforts efforts) {
        try (NDManager manager = x.getManager().newSubManager();
                TrainingStep training =
                        new TrainingStep(
                                NativeOps.NAME,
                                precision,
                                new HybridStack(options),
                                new NDList(x),
                                newInput(manager, length))) {
            Times times = new Rounds().add(STEP, training::time).run(efforts.slow()).get(STEP);
            return result(STEP, threads, times, length, bound);
        }
    }

    private BenchmarkResult result(
            String what, int threads, Times times, double work, Double bound) {
        return BenchmarkResult.of(
                name + ' ' + what, NativeOps.NAME, shape(), threads, times, work, bound);
    }

    /** The forward pass without recording, and the release of what it gives. */
    private static final class Prefill extends Stopwatch<Object> {

        private final HybridStack stack;
        private final NDArray x;
        private final Precision precision;
        private String provider = NativeOps.NAME;

        Prefill(HybridStack stack, NDArray x, Precision precision) {
            this.stack = stack;
            this.x = x;
            this.precision = precision;
        }

        @Override
        Object prepare() {
            OpsProviders.force(provider);
            return this;
        }

        @Override
        void call(Object prepared) {
            precision.within(() -> forward(stack, x)).close();
        }
    }
}
