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
import io.github.djlmamba.hybrid.HybridStackOptions;
import io.github.djlmamba.hybrid.LayerPattern;
import io.github.djlmamba.norm.NormOptions;
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.zoo.icl.InContextSettings;
import java.util.List;
import org.apiguardian.api.API;

/**
 * The benchmarks of whole models: training steps of the in-context-learning study's models on the
 * native and the reference ops, and prefill and training of stacks of a language model's size,
 * beside the time that their products of matrices need.
 *
 * <p>A run sets the engine's number of threads and forces ops providers, both of which it restores,
 * so nothing else should compute at the same time. Immutable.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class TrainBenchmarks {

    private final List<Benchmark> benchmarks;
    private final Benchmark.Efforts efforts;

    private TrainBenchmarks(List<Benchmark> benchmarks, Benchmark.Efforts efforts) {
        this.benchmarks = benchmarks;
        this.efforts = efforts;
    }

    /**
     * Returns the benchmarks at their published sizes.
     *
     * @return the benchmarks
     */
    public static TrainBenchmarks standard() {
        return new TrainBenchmarks(
                List.of(
                        new TrainingStepBenchmark(model(InContextSettings.MAMBA, 128), 64),
                        new TrainingStepBenchmark(model(InContextSettings.MAMBA2, 128), 64),
                        new TrainingStepBenchmark(model(InContextSettings.MAMBAFORMER, 128), 64),
                        stack("mamba", mamba(768, 24), 512, Precision.FLOAT32),
                        stack("mamba", mamba(768, 24), 512, Precision.BFLOAT16),
                        stack("mamba2", mamba2(768, 24), 512, Precision.FLOAT32),
                        stack("mamba2", mamba2(768, 24), 512, Precision.BFLOAT16)),
                new Benchmark.Efforts(
                        new Rounds.Effort(2, 60, 3, 2), new Rounds.Effort(3, 8, 1, 3)));
    }

    /** Returns the benchmarks at sizes that take no time, and whose times mean nothing. */
    static TrainBenchmarks tiny() {
        return new TrainBenchmarks(
                List.of(
                        new TrainingStepBenchmark(tinyModel(InContextSettings.MAMBA2), 4),
                        new TrainingStepBenchmark(tinyModel(InContextSettings.MAMBAFORMER), 4),
                        stack("mamba", mamba(64, 2), 24, Precision.FLOAT32),
                        stack("mamba2", mamba2(64, 2), 24, Precision.BFLOAT16)),
                new Benchmark.Efforts(
                        new Rounds.Effort(3, 3, 3, 0), new Rounds.Effort(2, 2, 1, 0)));
    }

    private static Benchmark stack(
            String name, HybridStackOptions options, long length, Precision precision) {
        return new StackBenchmark(name, options, length, precision);
    }

    private static HybridStackOptions mamba(long modelSize, int layers) {
        return HybridStackOptions.mamba(modelSize, layers).withNorm(NormOptions.RMS_NORM);
    }

    private static HybridStackOptions mamba2(long modelSize, int layers) {
        return HybridStackOptions.mamba2Hybrid(modelSize, LayerPattern.mamba(layers));
    }

    private static InContextSettings model(String architecture, int modelSize) {
        return new InContextSettings(architecture, 4, 20, 41, modelSize, 8, 16);
    }

    private static InContextSettings tinyModel(String architecture) {
        return new InContextSettings(architecture, 2, 2, 3, 16, 4, 8);
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
