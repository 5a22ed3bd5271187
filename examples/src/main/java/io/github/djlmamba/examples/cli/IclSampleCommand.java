/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import ai.djl.ndarray.NDManager;
import io.github.djlmamba.icl.task.IclTask;
import io.github.djlmamba.icl.task.IclTasks;
import io.github.djlmamba.zoo.safetensors.SafetensorsWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Writes prompts of a task to a file. */
@Command(
        name = "sample",
        description =
                "Write prompts of a task as safetensors: xs (B, N, d), ys (B, N) and what the task adds.",
        mixinStandardHelpOptions = true)
final class IclSampleCommand implements Callable<Integer> {

    @Option(names = "--task", required = true, description = "The task.")
    private String task;

    @Option(names = "--seed", required = true, description = "The seed of the prompts.")
    private long seed;

    @Option(
            names = "--prompts",
            defaultValue = "64",
            description = "How many prompts, B. Default: ${DEFAULT-VALUE}.")
    private int prompts;

    @Option(
            names = "--dims",
            description = "The size of an x, d. Default: the study's for the task.")
    private Integer dims;

    @Option(
            names = "--points",
            description = "The examples of a prompt, N. Default: the study's for the task.")
    private Integer points;

    @Option(names = "--output", required = true, description = "The file to write.")
    private Path output;

    /** {@inheritDoc} */
    @Override
    public Integer call() throws Exception {
        IclTask standard = IclTasks.of(task);
        IclTask sized =
                IclTasks.of(
                        task,
                        dims == null ? standard.dims() : dims,
                        points == null ? standard.points() : points);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            SafetensorsWriter.builder()
                    .addTensors(sized.sample(seed, 0, prompts).toNDList(manager))
                    .build()
                    .write(output);
        }
        return 0;
    }
}
