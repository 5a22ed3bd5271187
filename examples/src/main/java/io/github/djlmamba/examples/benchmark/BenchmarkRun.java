/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.benchmark;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.util.Progress;
import io.github.djlmamba.nativeops.NativeOps;
import io.github.djlmamba.ops.OpsProviders;
import java.util.ArrayList;
import java.util.List;

/** Checks benchmarks and runs them on several numbers of threads, one after the other. */
final class BenchmarkRun {

    /** More would end the process where the system does not grant them. */
    private static final int MAXIMUM_THREADS = 1024;

    private BenchmarkRun() {}

    /**
     * Runs benchmarks, and restores the engine's number of threads.
     *
     * @param benchmarks what to check and to time
     * @param efforts how much time to spend
     * @param threads the numbers of threads to time them on, each from 1 to 1024
     * @param progress where to report progress
     * @return the results
     * @throws IllegalArgumentException if a number of threads is not from 1 to 1024
     * @throws IllegalStateException if the native ops do not work here, or a result is wrong
     */
    static List<BenchmarkResult> of(
            List<Benchmark> benchmarks,
            Benchmark.Efforts efforts,
            List<Integer> threads,
            Progress progress) {
        for (int count : threads) {
            if (count < 1 || count > MAXIMUM_THREADS) {
                throw new IllegalArgumentException(
                        "the number of threads is " + count + "; expected 1 to " + MAXIMUM_THREADS);
            }
        }
        Engine engine = Engine.getEngine("PyTorch");
        OpsProviders.named(NativeOps.NAME);
        int before = JniUtils.getNumThreads();
        engine.setRandomSeed(1);
        progress.reset("Benchmarks", (long) benchmarks.size() * (threads.size() + 1));
        try (NDManager manager = engine.newBaseManager()) {
            JniUtils.setNumThreads(threads.stream().max(Integer::compare).orElse(before));
            for (Benchmark benchmark : benchmarks) {
                benchmark.check(manager);
                progress.increment(1);
            }
            List<BenchmarkResult> results = new ArrayList<>();
            for (int count : threads) {
                JniUtils.setNumThreads(count);
                for (Benchmark benchmark : benchmarks) {
                    results.addAll(benchmark.run(manager, count, efforts));
                    progress.increment(1);
                }
            }
            return results;
        } finally {
            JniUtils.setNumThreads(before);
            progress.end();
        }
    }
}
