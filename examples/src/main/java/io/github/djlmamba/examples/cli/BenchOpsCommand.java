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
import io.github.djlmamba.examples.benchmark.OpsBenchmarks;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Times the ops beside what bounds them on this machine. */
@Command(
        name = "ops",
        description = {
            "Time the ops beside the rates of this machine that bound them.",
            "Takes some minutes; what else computes meanwhile makes the times worse."
        },
        mixinStandardHelpOptions = true)
final class BenchOpsCommand extends BenchmarkCommand {

    @Option(names = "--threads", description = "The threads to compute on. Default: one, then two.")
    private Integer threads;

    @Override
    protected List<BenchmarkResult> run(Progress progress) {
        return OpsBenchmarks.standard().run(threadCounts(), progress);
    }

    private List<Integer> threadCounts() {
        if (threads != null) {
            return List.of(threads);
        }
        return Runtime.getRuntime().availableProcessors() == 1 ? List.of(1) : List.of(1, 2);
    }
}
