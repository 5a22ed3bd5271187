/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import ai.djl.repository.zoo.ZooModel;
import io.github.djlmamba.examples.plot.ProbePlot;
import io.github.djlmamba.icl.probe.Probe;
import io.github.djlmamba.icl.probe.ProbeEvaluation;
import io.github.djlmamba.icl.probe.ProbeReport;
import io.github.djlmamba.icl.probe.ProbeTable;
import io.github.djlmamba.zoo.text.GenerationRequest;
import io.github.djlmamba.zoo.text.GenerationResult;
import io.github.djlmamba.zoo.text.ProbedModel;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.function.ToIntFunction;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** What the commands that run a probe have in common: a table, a JSON file and a plot. */
abstract class ProbeRunCommand implements Callable<Integer> {

    @Mixin private LanguageModelOption model;

    @Option(
            names = "--seed",
            defaultValue = "0",
            description = "The seed of the samples. Default: ${DEFAULT-VALUE}.")
    private long seed;

    @Option(
            names = "--batch",
            defaultValue = "8",
            description =
                    "How many prompts the model decodes together; changes no score. Default:"
                            + " ${DEFAULT-VALUE}.")
    private int batchSize;

    @Option(
            names = "--out",
            description =
                    "The folder for report.json and plot.png. Default: out/ and the probe's name.")
    private Path out;

    @Mixin private ThreadsOption threads;

    @Option(names = "--json", description = "Print the report as JSON instead of the table.")
    private boolean json;

    @Spec private CommandSpec spec;

    /** Returns the probe, for a model whose tokens the function counts. */
    protected abstract Probe probe(ToIntFunction<String> tokenCounter) throws IOException;

    /** Returns the lengths to probe. */
    protected abstract int[] lengths();

    /** Returns the depths to probe; none where each sample draws its own. */
    protected abstract double[] depths();

    /** Returns how many samples each score is over. */
    protected abstract int samples();

    /** {@inheritDoc} */
    @Override
    public Integer call() throws Exception {
        threads.apply();
        ProbeReport report;
        try (ZooModel<GenerationRequest, GenerationResult> zooModel = model.load();
                ProbedModel probed = ProbedModel.of(zooModel);
                TerminalProgress progress = new TerminalProgress()) {
            report =
                    ProbeEvaluation.builder()
                            .setProbe(probe(probed::tokens))
                            .setLengths(lengths())
                            .optDepths(depths())
                            .optSamples(samples())
                            .optSeed(seed)
                            .optBatchSize(batchSize)
                            .optTokenCounter(probed::tokens)
                            .optProgress(progress)
                            .build()
                            .evaluate(model.name(), probed);
        }
        Path folder = out == null ? Path.of("out", "probe-" + report.probe()) : out;
        Files.createDirectories(folder);
        Path plot = folder.resolve("plot.png");
        Files.writeString(folder.resolve("report.json"), report.toJson() + "\n");
        ProbePlot.write(report, plot);
        PrintWriter printer = spec.commandLine().getOut();
        if (json) {
            printer.println(report.toJson());
        } else {
            printer.print(ProbeTable.render(report));
            printer.println("Plot: " + plot);
        }
        printer.flush();
        return 0;
    }
}
