/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface;

import ai.djl.MalformedModelException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.NDScope;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import io.github.djlmamba.language.Bfloat16Weights;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.language.LanguageModelOptions;
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.training.AtomicFile;
import io.github.djlmamba.zoo.safetensors.SafetensorsFolder;
import io.github.djlmamba.zoo.safetensors.SafetensorsWriter;
import io.github.djlmamba.zoo.safetensors.TensorType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.apiguardian.api.API;

/**
 * A language model and how a checkpoint of it is laid out: its configuration, and the names, types
 * and shapes of its tensors. Thread safe as long as no parameter changes.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class HuggingFaceCheckpoint {

    private final ModelConfig config;
    private final LanguageModel model;
    private final List<StoredTensor> tensors;

    private HuggingFaceCheckpoint(
            ModelConfig config, LanguageModel model, List<StoredTensor> tensors) {
        this.config = config;
        this.model = model;
        this.tensors = List.copyOf(tensors);
    }

    /**
     * Loads a model: config.json, and model.safetensors or shards with an index. Numbers of half
     * precision become float32. Each tensor is read straight into the memory of its parameter; the
     * parameters are frozen.
     *
     * @param folder the folder
     * @param manager the manager of the parameters
     * @return the model with its layout
     * @throws IOException if a file is missing or cannot be read
     * @throws MalformedModelException if a file is not valid, if the configuration is of no known
     *     family or asks for what that has not, or if tensors are missing, not expected or of
     *     another shape; nothing of the model remains then
     */
    public static HuggingFaceCheckpoint load(Path folder, NDManager manager)
            throws IOException, MalformedModelException {
        return load(folder, manager, Precision.FLOAT32);
    }

    /**
     * Loads a model as {@link #load(Path, NDManager)} does, with its matrices in a precision of
     * choice. Those that become bfloat16 do so one by one, so that the model is at no time in
     * memory in float32.
     *
     * @param folder the folder
     * @param manager the manager of the parameters
     * @param weights the precision of the weights that {@link Bfloat16Weights} names
     * @return the model with its layout
     * @throws IOException if a file is missing or cannot be read
     * @throws MalformedModelException as the other method does
     * @throws IllegalStateException if bfloat16 is wanted and no provider of ops offers it
     */
    public static HuggingFaceCheckpoint load(Path folder, NDManager manager, Precision weights)
            throws IOException, MalformedModelException {
        ModelConfig config = ModelConfig.read(folder);
        LanguageModel model = newModel(config);
        List<TensorTable.Row> rows = rows(config, model);
        try (SafetensorsFolder source = SafetensorsFolder.open(folder)) {
            List<StoredTensor> tensors = CheckpointLayout.stored(rows, source);
            Set<Parameter> narrow =
                    weights == Precision.FLOAT32 ? Set.of() : Bfloat16Weights.of(model);
            new ParameterReader(source, manager, narrow).read(tensors);
            // Each parameter has its array: this only tells the blocks their input's shape.
            model.initialize(manager, DataType.FLOAT32, new Shape(1, 1));
            model.freezeParameters(true);
            return new HuggingFaceCheckpoint(config, model, tensors);
        }
    }

    /**
     * Makes a model of a configuration, with parameters that are not initialised.
     *
     * @param config the configuration
     * @return the model
     * @throws MalformedModelException if the configuration is of no known family or asks for what
     *     that has not
     */
    public static LanguageModel newModel(ModelConfig config) throws MalformedModelException {
        CheckpointFamily family = CheckpointFamilies.of(config);
        try {
            return new LanguageModel(family.options(config));
        } catch (IllegalArgumentException | ArithmeticException e) {
            throw new MalformedModelException(
                    config.source() + " is of no possible model: " + e.getMessage(), e);
        }
    }

    /**
     * Describes the checkpoint of a model that was made by {@link #newModel}, for example to save
     * it after training.
     *
     * @param config the configuration that it was made of
     * @param model the model
     * @return the model with the usual layout of its family, in float32
     * @throws MalformedModelException if the configuration is of no known family
     * @throws IllegalArgumentException if the model is not of this configuration
     */
    public static HuggingFaceCheckpoint of(ModelConfig config, LanguageModel model)
            throws MalformedModelException {
        LanguageModelOptions options = newModel(config).options();
        if (!options.equals(model.options())) {
            throw new IllegalArgumentException(
                    "the model has the settings "
                            + model.options()
                            + " but "
                            + config.source()
                            + " stands for "
                            + options);
        }
        return new HuggingFaceCheckpoint(
                config, model, CheckpointLayout.usual(rows(config, model)));
    }

    private static List<TensorTable.Row> rows(ModelConfig config, LanguageModel model)
            throws MalformedModelException {
        TensorTable table = TensorTable.of(model);
        try {
            CheckpointFamilies.of(config).map(config, model.options(), table);
        } catch (IllegalArgumentException | ArithmeticException e) {
            throw new MalformedModelException(
                    config.source() + " is of no possible model: " + e.getMessage(), e);
        }
        return table.rows();
    }

    /**
     * Saves the model as a folder that {@link #load} and the public library read: the tensors by
     * their stored names, shapes and types, then the configuration. Each file is written beside its
     * place and renamed.
     *
     * @param folder the folder, which is created
     * @throws IOException if it cannot be written
     */
    public void save(Path folder) throws IOException {
        SafetensorsWriter.Builder writer = SafetensorsWriter.builder();
        for (StoredTensor tensor : tensors) {
            writer.addTensor(
                    tensor.name(),
                    tensor.type(),
                    tensor.shape(),
                    manager -> stored(tensor, manager));
        }
        writer.build().writeFolder(folder);
        AtomicFile.write(
                folder.resolve(ModelConfig.FILE),
                out -> out.write(config.json().getBytes(StandardCharsets.UTF_8)));
    }

    private static NDArray stored(StoredTensor tensor, NDManager manager) {
        try (NDScope scope = new NDScope()) {
            scope.suppressNotUsedWarning();
            NDArray part = tensor.part(Precision.FLOAT32.cast(tensor.parameter().getArray()));
            NDScope.unregister(part);
            part.attach(manager);
            return part;
        }
    }

    /**
     * Returns this checkpoint with its matrices stored in another type: the tensors of two or more
     * dimensions. The others, which are few numbers, keep theirs.
     *
     * @param type a floating type, such as BF16
     * @return a checkpoint of the same model
     * @throws IllegalArgumentException if the type is not a floating one
     */
    public HuggingFaceCheckpoint withMatricesIn(TensorType type) {
        if (!type.isFloating()) {
            throw new IllegalArgumentException(
                    "matrices were to be stored as " + type + "; expected a floating type");
        }
        return new HuggingFaceCheckpoint(
                config,
                model,
                tensors.stream()
                        .map(tensor -> tensor.shape().dimension() < 2 ? tensor : tensor.as(type))
                        .toList());
    }

    /**
     * Returns the configuration.
     *
     * @return the configuration
     */
    public ModelConfig config() {
        return config;
    }

    /**
     * Returns the model.
     *
     * @return the model
     */
    public LanguageModel model() {
        return model;
    }

    /**
     * Returns the tensors of the checkpoint, and where the model holds them.
     *
     * @return the tensors
     */
    public List<StoredTensor> tensors() {
        return tensors;
    }
}
