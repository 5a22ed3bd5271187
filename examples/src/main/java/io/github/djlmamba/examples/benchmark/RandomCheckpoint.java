/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.benchmark;

import ai.djl.MalformedModelException;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.zoo.huggingface.HuggingFaceCheckpoint;
import io.github.djlmamba.zoo.huggingface.ModelConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * A checkpoint with random weights.
 *
 * @param name the name of its shape
 * @param config the text of its config.json
 */
record RandomCheckpoint(String name, String config) {

    /** The shape of state-spaces/mamba-130m, smaller where other numbers are given. */
    static RandomCheckpoint mamba(int size, int layers, int vocabulary) {
        return new RandomCheckpoint(
                "mamba",
                String.format(
                        """
                        {"model_type": "mamba", "hidden_size": %d, "num_hidden_layers": %d,
                         "vocab_size": %d, "state_size": 16, "expand": 2, "conv_kernel": 4,
                         "time_step_rank": "auto", "tie_word_embeddings": true}
                        """,
                        size, layers, vocabulary));
    }

    /** The shape of state-spaces/mamba2-130m, smaller where other numbers are given. */
    static RandomCheckpoint mamba2(int size, int layers, int vocabulary) {
        return new RandomCheckpoint(
                "mamba2",
                String.format(
                        """
                        {"model_type": "mamba2", "hidden_size": %d, "num_hidden_layers": %d,
                         "vocab_size": %d, "state_size": 128, "head_dim": 64, "num_heads": %d,
                         "n_groups": 1, "conv_kernel": 4, "tie_word_embeddings": true}
                        """,
                        size, layers, vocabulary, size / 32));
    }

    /** Makes the model. */
    HuggingFaceCheckpoint make(NDManager manager) {
        try {
            ModelConfig parsed = ModelConfig.parse(name, config);
            LanguageModel model = HuggingFaceCheckpoint.newModel(parsed);
            model.initialize(manager, DataType.FLOAT32, new Shape(1, 1));
            return HuggingFaceCheckpoint.of(parsed, model);
        } catch (MalformedModelException e) {
            throw new IllegalStateException("the configuration of the benchmark is wrong", e);
        }
    }

    /** Writes one to a new folder. */
    static Path write(HuggingFaceCheckpoint checkpoint) throws IOException {
        Path folder = Files.createTempDirectory("djl-mamba-bench");
        checkpoint.save(folder);
        return folder;
    }

    /** Loads what was written. */
    static LanguageModel load(Path folder, NDManager manager) throws IOException {
        try {
            return HuggingFaceCheckpoint.load(folder, manager).model();
        } catch (MalformedModelException e) {
            throw new IllegalStateException("the model that was written cannot be read", e);
        }
    }

    /** Deletes what was written. */
    static void delete(Path folder) throws IOException {
        List<Path> files;
        try (Stream<Path> stream = Files.list(folder)) {
            files = stream.toList();
        }
        for (Path file : files) {
            Files.delete(file);
        }
        Files.delete(folder);
    }
}
