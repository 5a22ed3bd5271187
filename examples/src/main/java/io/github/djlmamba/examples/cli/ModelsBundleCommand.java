/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import ai.djl.util.JsonUtils;
import io.github.djlmamba.zoo.HybridModelZoo;
import io.github.djlmamba.zoo.huggingface.LanguageModelBlockFactory;
import io.github.djlmamba.zoo.huggingface.ModelConfig;
import io.github.djlmamba.zoo.icl.InContextBlockFactory;
import io.github.djlmamba.zoo.icl.InContextModels;
import io.github.djlmamba.zoo.icl.InContextTranslatorFactory;
import io.github.djlmamba.zoo.icl.TrainingRecord;
import io.github.djlmamba.zoo.safetensors.SafetensorsFolder;
import io.github.djlmamba.zoo.text.TextGeneration;
import io.github.djlmamba.zoo.text.TextGenerationTranslatorFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Puts a trained model among those that the zoo's jar carries; for the maintainers of the zoo. */
@Command(
        name = "bundle",
        description = "Put the model of a training run into the sources of the zoo's jar.",
        mixinStandardHelpOptions = true)
final class ModelsBundleCommand implements Callable<Integer> {

    private static final String VERSION = "0.0.1";

    @Parameters(index = "0", description = "The folder of the run, whose name the model gets.")
    private Path run;

    @Option(names = "--description", required = true, description = "One line for people.")
    private String description;

    @Option(
            names = "--output",
            defaultValue = "djl-hybrid-zoo/src/main/resources/io/github/djlmamba/zoo/bundled",
            description = "The folder of the bundled models. Default: ${DEFAULT-VALUE}.")
    private Path output;

    /** {@inheritDoc} */
    @Override
    public Integer call() throws Exception {
        String name = run.toAbsolutePath().normalize().getFileName().toString();
        Path folder = Files.createDirectories(output.resolve(name));
        Map<String, Object> files = new LinkedHashMap<>();
        Map<String, Object> arguments = new LinkedHashMap<>();
        Map<String, Object> options = new LinkedHashMap<>();
        Map<String, Object> properties = new LinkedHashMap<>();
        String application;
        if (Files.exists(run.resolve(ModelConfig.FILE))) {
            application = "nlp/text_generation";
            for (String file : List.of(ModelConfig.FILE, SafetensorsFolder.SINGLE_FILE)) {
                files.put(file, copy(run.resolve(file), folder, file));
            }
            arguments.put("engine", "PyTorch");
            arguments.put("blockFactory", LanguageModelBlockFactory.class.getName());
            arguments.put("translatorFactory", TextGenerationTranslatorFactory.class.getName());
            arguments.put(TextGeneration.TOKENIZER, "bytes");
            // The parameters come with the block.
            options.put("hasParameter", "false");
            properties.put("tokenizer", "bytes");
        } else {
            application = "undefined";
            TrainingRecord record =
                    TrainingRecord.fromJson(Files.readString(run.resolve(TrainingRecord.FILE)));
            files.put(
                    "parameters",
                    copy(run.resolve(InContextModels.PARAMETERS), folder, name + "-0000.params"));
            arguments.put("blockFactory", InContextBlockFactory.class.getName());
            arguments.put("translatorFactory", InContextTranslatorFactory.class.getName());
            arguments.putAll(record.settings().model().toArguments());
            properties.put("task", record.settings().task());
        }
        files.put("record", copy(run.resolve(TrainingRecord.FILE), folder, TrainingRecord.FILE));

        Map<String, Object> artifact = new LinkedHashMap<>();
        artifact.put("version", VERSION);
        artifact.put("snapshot", false);
        artifact.put("name", name);
        artifact.put("properties", properties);
        artifact.put("arguments", arguments);
        if (!options.isEmpty()) {
            artifact.put("options", options);
        }
        artifact.put("files", files);

        Map<String, Object> metadata = new LinkedHashMap<>();
        metadata.put("metadataVersion", "0.2");
        metadata.put("resourceType", "model");
        metadata.put("application", application);
        metadata.put("groupId", HybridModelZoo.GROUP_ID);
        metadata.put("artifactId", name);
        metadata.put("name", name);
        metadata.put("description", description);
        metadata.put("artifacts", List.of(artifact));
        Files.writeString(
                folder.resolve("metadata.json"), JsonUtils.GSON_PRETTY.toJson(metadata) + "\n");

        Path index = output.resolve("index.txt");
        TreeSet<String> names = new TreeSet<>(List.of(name));
        if (Files.exists(index)) {
            names.addAll(Files.readAllLines(index));
        }
        Files.write(index, names);
        return 0;
    }

    private static Map<String, Object> copy(Path source, Path folder, String name)
            throws Exception {
        Path target = folder.resolve(name);
        Files.copy(source, target, StandardCopyOption.REPLACE_EXISTING);
        Map<String, Object> item = new LinkedHashMap<>();
        item.put("uri", name);
        item.put("name", name);
        // The hash that DJL checks when it extracts the file.
        item.put("sha1Hash", sha1(target));
        item.put("size", Files.size(target));
        return item;
    }

    private static String sha1(Path file) throws Exception {
        byte[] digest = MessageDigest.getInstance("SHA-1").digest(Files.readAllBytes(file));
        return HexFormat.of().formatHex(digest);
    }
}
