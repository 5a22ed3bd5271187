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
import java.util.List;
import org.apiguardian.api.API;

/**
 * The benchmarks of text generation: loading, prefill and decode of models in the shape of
 * mamba-130m and mamba2-130m. Not thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class GenerateBenchmarks {

    private static final int VOCABULARY = 50280;

    private final List<Benchmark> benchmarks;
    private final Benchmark.Efforts efforts;

    private GenerateBenchmarks(
            List<RandomCheckpoint> checkpoints,
            long promptLength,
            int newTokens,
            Benchmark.Efforts efforts) {
        benchmarks =
                checkpoints.stream()
                        .<Benchmark>mapMulti(
                                (checkpoint, into) -> {
                                    into.accept(new LoadBenchmark(checkpoint));
                                    into.accept(
                                            new GenerateBenchmark(
                                                    checkpoint, promptLength, newTokens));
                                })
                        .toList();
        this.efforts = efforts;
    }

    /**
     * Returns the benchmarks.
     *
     * @return the benchmarks
     */
    public static GenerateBenchmarks standard() {
        return new GenerateBenchmarks(
                List.of(
                        RandomCheckpoint.mamba(768, 24, VOCABULARY),
                        RandomCheckpoint.mamba2(768, 24, VOCABULARY)),
                512,
                32,
                new Benchmark.Efforts(
                        new Rounds.Effort(2, 60, 3, 2), new Rounds.Effort(4, 8, 1, 6)));
    }

    /** Returns the benchmarks at sizes that take no time, and whose times mean nothing. */
    static GenerateBenchmarks tiny() {
        return new GenerateBenchmarks(
                List.of(RandomCheckpoint.mamba(64, 2, 50), RandomCheckpoint.mamba2(64, 2, 50)),
                30,
                3,
                new Benchmark.Efforts(
                        new Rounds.Effort(3, 3, 3, 0), new Rounds.Effort(2, 2, 1, 0)));
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
