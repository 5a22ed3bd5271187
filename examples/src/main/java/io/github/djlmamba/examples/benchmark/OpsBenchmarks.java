/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.benchmark;

import ai.djl.util.Progress;
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.zoo.icl.InContextSettings;
import java.util.List;
import org.apiguardian.api.API;

/**
 * The benchmarks of the ops: selective scan, causal convolution and linear projection with their
 * gradients at the sizes of a language model and of the in-context-learning study, and an Adam
 * step. Each is checked before it is timed.
 *
 * <p>The rates that bound an op are measured between its calls, in the same turns. Immutable; but a
 * run sets the engine's number of threads and forces ops providers, both of which it restores, so
 * nothing else should compute at the same time.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class OpsBenchmarks {

    private final List<Benchmark> benchmarks;
    private final Benchmark.Efforts efforts;

    private OpsBenchmarks(List<Benchmark> benchmarks, Benchmark.Efforts efforts) {
        this.benchmarks = benchmarks;
        this.efforts = efforts;
    }

    /**
     * Returns the benchmarks at their published sizes.
     *
     * @return the benchmarks
     */
    public static OpsBenchmarks standard() {
        return new OpsBenchmarks(
                List.of(
                        op(new ScanOp(1, 2048, 1536, 16), false),
                        reduced(new ScanOp(1, 2048, 1536, 16)),
                        op(new ScanOp(64, 82, 256, 16), true),
                        op(new StateSpaceDualOp(1, 2048, 24, 64, 128, 1), false),
                        reduced(new StateSpaceDualOp(1, 2048, 24, 64, 128, 1)),
                        op(new ConvolutionOp(1, 2048, 1536, 4), false),
                        reduced(new ConvolutionOp(1, 2048, 1536, 4)),
                        op(new ConvolutionOp(64, 82, 256, 4), true),
                        op(new RmsNormOp(2048, 1536, 1), false),
                        reduced(new RmsNormOp(2048, 1536, 1)),
                        op(new GatedProductOp(2048, 1536), false),
                        reduced(new GatedProductOp(2048, 1536)),
                        op(new AttentionOp(1, 2048, 12, 4, 64), false),
                        DecodeSteps.selectiveScan(128, 1536, 16),
                        DecodeSteps.stateSpaceDual(16, 24, 64, 128, 1),
                        DecodeSteps.causalConv1d(512, 1536, 4),
                        op(new LinearOp(2048, 768, 3072), false),
                        reduced(new LinearOp(2048, 768, 3072)),
                        op(new LinearOp(2048, 1536, 768), false),
                        op(new LinearOp(5248, 128, 512), true),
                        op(new LinearOp(5248, 256, 128), true),
                        new AdamBenchmark(model(4, 41, 20, 256))),
                new Benchmark.Efforts(
                        new Rounds.Effort(2, 60, 3, 2), new Rounds.Effort(2, 6, 1, 2)));
    }

    /**
     * Returns the benchmarks at sizes that take no time, and whose times mean nothing: the calls
     * themselves take many times as long as the bound.
     */
    static OpsBenchmarks tiny() {
        return new OpsBenchmarks(
                List.of(
                        op(new ScanOp(2, 4, 8, 16), true),
                        reduced(new ScanOp(2, 4, 8, 16)),
                        op(new StateSpaceDualOp(1, 64, 2, 4, 8, 1), true),
                        reduced(new StateSpaceDualOp(1, 64, 2, 4, 8, 1)),
                        op(new ConvolutionOp(2, 4, 8, 4), true),
                        reduced(new ConvolutionOp(2, 4, 8, 4)),
                        op(new RmsNormOp(4, 8, 2), true),
                        reduced(new RmsNormOp(4, 8, 2)),
                        op(new GatedProductOp(4, 8), true),
                        op(new AttentionOp(1, 6, 4, 2, 8), true),
                        DecodeSteps.selectiveScan(2, 8, 16),
                        DecodeSteps.stateSpaceDual(2, 2, 4, 8, 1),
                        DecodeSteps.causalConv1d(2, 8, 4),
                        op(new LinearOp(8, 16, 24), true),
                        reduced(new LinearOp(8, 16, 24)),
                        new AdamBenchmark(model(2, 3, 2, 8))),
                new Benchmark.Efforts(
                        new Rounds.Effort(3, 3, 3, 0), new Rounds.Effort(2, 2, 1, 0)));
    }

    private static Benchmark op(BenchmarkedOp op, boolean reference) {
        return new OpBenchmark(op, Precision.FLOAT32, reference);
    }

    private static Benchmark reduced(BenchmarkedOp op) {
        return new OpBenchmark(op, Precision.BFLOAT16, false);
    }

    private static InContextSettings model(int layers, int points, int dims, int modelSize) {
        return new InContextSettings(
                InContextSettings.MAMBAFORMER, layers, dims, points, modelSize, 8, 16);
    }

    /**
     * Runs the benchmarks.
     *
     * @param threads the numbers of threads to time them on, each from 1 to 1024
     * @param progress where to report progress
     * @return the results
     * @throws IllegalArgumentException if a number of threads is not from 1 to 1024
     * @throws IllegalStateException if the native ops do not work here, or a result is wrong
     */
    public List<BenchmarkResult> run(List<Integer> threads, Progress progress) {
        return BenchmarkRun.of(benchmarks, efforts, threads, progress);
    }
}
