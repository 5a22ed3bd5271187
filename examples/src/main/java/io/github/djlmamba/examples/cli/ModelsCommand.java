/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import ai.djl.repository.Artifact;
import ai.djl.repository.zoo.ModelLoader;
import ai.djl.repository.zoo.ModelZoo;
import io.github.djlmamba.zoo.HybridModelZoo;
import java.io.PrintWriter;
import java.util.Comparator;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Lists what the zoo holds. */
@Command(
        name = "models",
        description = "List the models of the zoo.",
        subcommands = ModelsBundleCommand.class,
        mixinStandardHelpOptions = true)
final class ModelsCommand implements Callable<Integer> {

    @Spec private CommandSpec spec;

    /** {@inheritDoc} */
    @Override
    public Integer call() throws Exception {
        PrintWriter out = spec.commandLine().getOut();
        var loaders =
                ModelZoo.getModelZoo(HybridModelZoo.GROUP_ID).getModelLoaders().stream()
                        .sorted(Comparator.comparing(ModelLoader::getArtifactId))
                        .toList();
        for (ModelLoader loader : loaders) {
            out.println(loader.getArtifactId());
            for (Artifact artifact : loader.getMrl().listArtifacts()) {
                out.println("  version " + artifact.getVersion());
                out.println("  " + artifact.getMetadata().getDescription());
                artifact.getProperties()
                        .forEach((key, value) -> out.println("  " + key + ": " + value));
            }
        }
        out.flush();
        return 0;
    }
}
