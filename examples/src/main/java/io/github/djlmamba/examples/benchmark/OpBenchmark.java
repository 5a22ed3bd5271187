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
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.ops.ReferenceOps;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Times a differentiable op beside what bounds it.
 *
 * <p>Forward is the call from Java, its checks and the release of its results included, with
 * nothing recorded. Backward is autograd's call alone, to fresh leaves in place of all inputs; the
 * recorded forward pass before it is not timed. Both again in C++, for what the way through Java
 * costs. Thread safe; but it forces ops providers, which concerns the whole process.
 *
 * @param op the op at its sizes
 * @param precision that of the activations
 * @param reference whether to time the reference ops too
 */
record OpBenchmark(BenchmarkedOp op, Precision precision, boolean reference) implements Benchmark {

    /** What the shape ends in where activations are bfloat16. */
    static final String BFLOAT16 = " BF16";

    private static final String FORWARD = " forward";
    private static final String BACKWARD = " backward";
    private static final String IN_CPP = " (C++)";

    /** As how large a part of the largest value the activations may be off. */
    private double tolerance() {
        return precision == Precision.FLOAT32 ? 1e-4 : 2e-2;
    }

    private String shape() {
        return precision == Precision.FLOAT32 ? op.shape() : op.shape() + BFLOAT16;
    }

    @Override
    public String title() {
        return op.name() + ' ' + shape();
    }

    /**
     * Compares outputs and gradients with the reference ops in double at reduced sizes, then the
     * output at the timed sizes, and the products that bound the op.
     */
    @Override
    public void check(NDManager parent) {
        try (NDManager manager = parent.newSubManager()) {
            BenchmarkedOp reduced = op.reduced();
            NDList timed = timed(reduced.newInputs(manager, DataType.FLOAT32));
            NDArray gradient =
                    precision.cast(
                            manager.randomUniform(-1, 1, reduced.outputShape(), DataType.FLOAT32));
            // The same numbers, those that bfloat16 has rounded included.
            NDList exact = new NDList(timed.stream().map(OpBenchmark::inDouble).toList());
            NDArray exactGradient = inDouble(gradient);
            NDList expected =
                    outputAndGradients(
                            reduced, Precision.FLOAT32, exact, exactGradient, ReferenceOps.NAME);
            Agreement.check(
                    title() + " in double",
                    expected,
                    outputAndGradients(
                            reduced, Precision.FLOAT32, exact, exactGradient, NativeOps.NAME),
                    1e-9);
            Agreement.check(
                    title() + " at reduced sizes",
                    expected,
                    outputAndGradients(reduced, precision, timed, gradient, NativeOps.NAME),
                    tolerance());
        }
        try (NDManager manager = parent.newSubManager()) {
            NDList inputs = op.newInputs(manager, DataType.FLOAT32);
            Agreement.check(
                    title(),
                    forward(inputs, ReferenceOps.NAME),
                    forward(timed(inputs), NativeOps.NAME),
                    tolerance());
            op.loads(inputs, newOutputGradient(op, inputs)).forEach(load -> load.check().run());
        }
    }

    private static NDArray inDouble(NDArray array) {
        return plain(array).toType(DataType.FLOAT64, true);
    }

    private static NDArray newOutputGradient(BenchmarkedOp op, NDList inputs) {
        return inputs.get(0)
                .getManager()
                .randomUniform(-1, 1, op.outputShape(), inputs.get(0).getDataType());
    }

    /** Returns the inputs with the activations in the precision that is timed. */
    private NDList timed(NDList inputs) {
        NDList timed = new NDList();
        for (int i = 0; i < inputs.size(); i++) {
            timed.add(op.isActivation(i) ? precision.cast(inputs.get(i)) : inputs.get(i));
        }
        return timed;
    }

    private NDList forward(NDList inputs, String provider) {
        OpsProviders.force(provider);
        try {
            NDList results = GradientMode.off(() -> precision.within(() -> op.run(inputs)));
            return new NDList(results.stream().map(OpBenchmark::plain).toList());
        } finally {
            OpsProviders.force(null);
        }
    }

    private static NDArray plain(NDArray array) {
        return Precision.isBfloat16(array) ? Precision.FLOAT32.cast(array) : array;
    }

    private static NDList outputAndGradients(
            BenchmarkedOp op,
            Precision precision,
            NDList inputs,
            NDArray outputGradient,
            String provider) {
        OpsProviders.force(provider);
        try (RecordedCall call = new RecordedCall(op, precision, inputs)) {
            call.backward(outputGradient);
            NDList results = new NDList(call.output()).addAll(call.gradients());
            NDList copies = new NDList();
            for (NDArray result : results) {
                NDArray copy = plain(result.stopGradient()).duplicate();
                copy.attach(inputs.get(0).getManager());
                copies.add(copy);
            }
            return copies;
        } finally {
            OpsProviders.force(null);
        }
    }

    @Override
    public List<BenchmarkResult> run(NDManager parent, int threads, Benchmark.Efforts efforts) {
        try (NDManager manager = parent.newSubManager()) {
            NDList singles = op.newInputs(manager, DataType.FLOAT32);
            NDArray singleGradient = newOutputGradient(op, singles);
            NDList inputs = timed(singles);
            NDArray gradient = precision.cast(singleGradient);
            OpsProviders.force(NativeOps.NAME);
            Rounds rounds = new Rounds();
            List<MachineLoad> loads = op.loads(singles, singleGradient);
            loads.forEach(load -> rounds.add(load.key(), load.timing()));
            rounds.add(FORWARD, new Forward(this, inputs, NativeOps.NAME)::time);
            rounds.add(
                    FORWARD + IN_CPP,
                    count -> precision.within(() -> op.timeNative(inputs, null, count)));
            rounds.add(BACKWARD, new Backward(this, inputs, gradient, NativeOps.NAME)::time);
            rounds.add(
                    BACKWARD + IN_CPP,
                    count -> precision.within(() -> op.timeNative(inputs, gradient, count)));
            Map<String, Times> times = rounds.run(efforts.fast());
            if (reference) {
                Rounds slow = new Rounds();
                slow.add(
                        FORWARD + ReferenceOps.NAME,
                        new Forward(this, inputs, ReferenceOps.NAME)::time);
                slow.add(
                        BACKWARD + ReferenceOps.NAME,
                        new Backward(this, inputs, gradient, ReferenceOps.NAME)::time);
                times.putAll(slow.run(efforts.slow()));
            }
            return results(threads, loads, times);
        } finally {
            OpsProviders.force(null);
        }
    }

    private List<BenchmarkResult> results(
            int threads, List<MachineLoad> loads, Map<String, Times> times) {
        List<BenchmarkResult> results = new ArrayList<>();
        Map<MachineLoad, Times> rates = new LinkedHashMap<>();
        for (MachineLoad load : loads) {
            Times measured = times.get(load.key());
            if (!measured.isEmpty()) {
                rates.put(load, measured);
                results.add(BenchmarkResult.ofLoad(load, threads, measured));
            }
        }
        for (String pass : new String[] {FORWARD, BACKWARD}) {
            boolean backward = pass.equals(BACKWARD);
            double bound = op.boundMs(backward, threads, rates);
            for (String variant : new String[] {"", IN_CPP, ReferenceOps.NAME}) {
                Times measured = times.get(pass + variant);
                if (measured != null && !measured.isEmpty()) {
                    boolean inReference = variant.equals(ReferenceOps.NAME);
                    results.add(
                            BenchmarkResult.of(
                                    op.name() + pass + (inReference ? "" : variant),
                                    inReference ? ReferenceOps.NAME : NativeOps.NAME,
                                    shape(),
                                    threads,
                                    measured,
                                    op.work(backward),
                                    bound));
                }
            }
        }
        return results;
    }

    /** The forward pass without recording, and the release of what it gives. */
    private static final class Forward extends Stopwatch<NDList> {

        private final OpBenchmark benchmark;
        private final NDList inputs;
        private final String provider;

        Forward(OpBenchmark benchmark, NDList inputs, String provider) {
            this.benchmark = benchmark;
            this.inputs = inputs;
            this.provider = provider;
        }

        @Override
        NDList prepare() {
            OpsProviders.force(provider);
            // The choice of the provider is kept, so it is made before.
            OpsProviders.forArrays(inputs.get(0).getDevice(), inputs.get(0).getDataType());
            return inputs;
        }

        @Override
        void call(NDList prepared) {
            GradientMode.off(() -> benchmark.precision.within(() -> benchmark.op.run(prepared)))
                    .close();
        }
    }

    /** The backward pass alone. */
    private static final class Backward extends Stopwatch<RecordedCall> {

        private final OpBenchmark benchmark;
        private final NDList inputs;
        private final NDArray outputGradient;
        private final String provider;

        Backward(OpBenchmark benchmark, NDList inputs, NDArray outputGradient, String provider) {
            this.benchmark = benchmark;
            this.inputs = inputs;
            this.outputGradient = outputGradient;
            this.provider = provider;
        }

        @Override
        RecordedCall prepare() {
            OpsProviders.force(provider);
            return new RecordedCall(benchmark.op, benchmark.precision, inputs);
        }

        @Override
        void call(RecordedCall prepared) {
            prepared.backward(outputGradient);
        }

        @Override
        void release(RecordedCall prepared) {
            prepared.close();
        }
    }
}
