/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import ai.djl.inference.Predictor;
import ai.djl.repository.zoo.ZooModel;
import io.github.djlmamba.examples.plot.IclPlot;
import io.github.djlmamba.icl.evaluation.IclEvaluation;
import io.github.djlmamba.icl.evaluation.IclReport;
import io.github.djlmamba.icl.evaluation.IclTable;
import io.github.djlmamba.icl.task.IclTasks;
import io.github.djlmamba.zoo.icl.InContextModels;
import io.github.djlmamba.zoo.icl.InContextPrompt;
import io.github.djlmamba.zoo.icl.InContextSettings;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Evaluates a model beside the baselines: a table, a JSON file and a plot. */
@Command(
        name = "eval",
        description = "Show a model's error per number of examples beside the baselines.",
        mixinStandardHelpOptions = true)
final class IclEvalCommand implements Callable<Integer> {

    @Mixin private ModelOption model;

    @Option(
            names = "--task",
            defaultValue = "linear-regression",
            description = "The task. Default: ${DEFAULT-VALUE}.")
    private String task;

    @Option(
            names = "--prompts",
            defaultValue = "1280",
            description = "How many prompts to average over. Default: ${DEFAULT-VALUE}.")
    private int prompts;

    @Option(
            names = "--seed",
            defaultValue = "0",
            description = "The seed of the prompts. Default: ${DEFAULT-VALUE}.")
    private long seed;

    @Option(
            names = "--out",
            defaultValue = "out/icl-eval",
            description = "The folder for report.json and curve.png. Default: ${DEFAULT-VALUE}.")
    private Path out;

    @Option(names = "--json", description = "Print the report as JSON instead of the table.")
    private boolean json;

    @Spec private CommandSpec spec;

    /** {@inheritDoc} */
    @Override
    public Integer call() throws Exception {
        IclReport report;
        try (ZooModel<InContextPrompt, float[]> zooModel = model.load();
                Predictor<InContextPrompt, float[]> predictor = zooModel.newPredictor();
                TerminalProgress progress = new TerminalProgress()) {
            InContextSettings settings = ModelOption.settings(zooModel);
            report =
                    IclEvaluation.builder()
                            .setTask(IclTasks.of(task, settings.dims(), settings.points()))
                            .optPrompts(prompts)
                            .optSeed(seed)
                            .optProgress(progress)
                            .build()
                            .evaluate(model.name(), InContextModels.predictor(predictor));
        }
        Files.createDirectories(out);
        Path plot = out.resolve("curve.png");
        Files.writeString(out.resolve("report.json"), report.toJson() + "\n");
        IclPlot.write(report, plot);
        if (json) {
            spec.commandLine().getOut().println(report.toJson());
        } else {
            spec.commandLine().getOut().print(IclTable.render(report));
            spec.commandLine().getOut().println("Plot: " + plot);
        }
        spec.commandLine().getOut().flush();
        return 0;
    }
}
