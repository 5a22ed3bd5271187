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
import io.github.djlmamba.examples.benchmark.BenchmarkTable;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** What the commands that time something have in common. */
abstract class BenchmarkCommand implements Callable<Integer> {

    @Option(names = "--json", description = "Print the results as JSON instead of the table.")
    private boolean json;

    @Spec private CommandSpec spec;

    /** Runs the benchmarks. */
    protected abstract List<BenchmarkResult> run(Progress progress);

    /** {@inheritDoc} */
    @Override
    public Integer call() {
        List<BenchmarkResult> results;
        try (TerminalProgress progress = new TerminalProgress()) {
            results = run(progress);
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
}
