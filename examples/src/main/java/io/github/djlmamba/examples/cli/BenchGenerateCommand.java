/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import ai.djl.util.Progress;
import io.github.djlmamba.examples.benchmark.BenchmarkResult;
import io.github.djlmamba.examples.benchmark.GenerateBenchmarks;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Times text generation. */
@Command(
        name = "generate",
        description = {
            "Time the loading, prefill and decoding of models in the shape of mamba-130m and mamba2-130m.",
            "Takes some minutes; what else computes meanwhile makes the times worse."
        },
        mixinStandardHelpOptions = true)
final class BenchGenerateCommand extends BenchmarkCommand {

    @Option(
            names = "--threads",
            description = "The threads to compute on. Default: two, or one on a single processor.")
    private Integer threads;

    @Override
    protected List<BenchmarkResult> run(Progress progress) {
        int usual = Math.min(2, Runtime.getRuntime().availableProcessors());
        return GenerateBenchmarks.standard()
                .run(List.of(threads == null ? usual : threads), progress);
    }
}
