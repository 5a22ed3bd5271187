/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import io.github.djlmamba.examples.benchmark.BenchmarkResult;
import io.github.djlmamba.examples.benchmark.BenchmarkTable;
import io.github.djlmamba.examples.benchmark.OpsBenchmarks;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Times the ops beside what bounds them on this machine. */
@Command(
        name = "ops",
        description = {
            "Time the ops, and a training step, beside the rates of this machine that bound them.",
            "Takes some minutes; what else computes meanwhile makes the times worse."
        },
        mixinStandardHelpOptions = true)
final class BenchOpsCommand implements Callable<Integer> {

    @Option(names = "--threads", description = "The threads to compute on. Default: one, then two.")
    private Integer threads;

    @Option(names = "--json", description = "Print the results as JSON instead of the table.")
    private boolean json;

    @Spec private CommandSpec spec;

    /** {@inheritDoc} */
    @Override
    public Integer call() {
        List<BenchmarkResult> results;
        try (TerminalProgress progress = new TerminalProgress()) {
            results = OpsBenchmarks.standard().run(threadCounts(), progress);
        }
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            out.println(BenchmarkResult.toJson(results));
        } else {
            out.print(BenchmarkTable.render(results));
        }
        out.flush();
        return 0;
    }

    private List<Integer> threadCounts() {
        if (threads != null) {
            return List.of(threads);
        }
        return Runtime.getRuntime().availableProcessors() == 1 ? List.of(1) : List.of(1, 2);
    }
}
