/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.state.MixerState;
import io.github.djlmamba.state.SequencePositions;
import io.github.djlmamba.zoo.safetensors.SafetensorsFile;
import io.github.djlmamba.zoo.safetensors.SafetensorsWriter;
import io.github.djlmamba.zoo.safetensors.TensorType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.Map;
import java.util.Set;
import java.util.WeakHashMap;
import org.apiguardian.api.API;

/**
 * What a model is in after a prefix, so that requests which begin with it need not read it again.
 *
 * <p>A predictor of this output type makes it from a prefix; {@link GenerationRequest#withPrefix}
 * uses it. It may be saved and loaded. It belongs to one model, or to another with the same
 * parameters, and is never changed: any number of requests and predictors may use it at once. It
 * holds memory of its own until it is closed, and must stay open as long as a request uses it.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class PromptState implements AutoCloseable {

    private static final String FORMAT = "djl-mamba prompt state 1";
    private static final String FORMAT_KEY = "content";
    private static final String MODEL_KEY = "model";
    private static final String IDS = "ids";
    private static final String LOGITS = "logits";
    private static final String ARRAY = "state.";

    private final NDManager manager;
    private final long[] ids;
    private final MixerState state;
    private final float[] logits;
    private final String fingerprint;

    /** The models that it has been found to belong to. */
    private final Set<LanguageModel> models =
            Collections.synchronizedSet(Collections.newSetFromMap(new WeakHashMap<>()));

    private PromptState(
            NDManager manager, long[] ids, MixerState state, float[] logits, String fingerprint) {
        this.manager = manager;
        this.ids = ids;
        this.state = state;
        this.logits = logits;
        this.fingerprint = fingerprint;
    }

    /** Reads a prefix. */
    static PromptState of(
            LanguageModel model,
            ParameterStore parameterStore,
            NDManager scratch,
            long[] newIds,
            long[] allIds,
            PromptState prefix) {
        NDManager manager = NDManager.newBaseManager(scratch.getDevice(), "PyTorch");
        try (NDManager step = scratch.newSubManager()) {
            Prefill prefill = Prefill.run(model, parameterStore, step, newIds, prefix);
            // A copy, since the arrays of a state may lie in larger ones.
            MixerState copy = prefill.state().select(0);
            copy.attach(manager);
            PromptState result =
                    new PromptState(
                            manager, allIds, copy, prefill.logits(), ModelFingerprint.of(model));
            result.models.add(model);
            return result;
        } catch (RuntimeException e) {
            manager.close();
            throw e;
        }
    }

    /**
     * Returns the tokens of the prefix.
     *
     * @return their ids
     */
    public long[] ids() {
        return ids.clone();
    }

    MixerState state() {
        if (!manager.isOpen()) {
            throw new IllegalStateException(
                    "generation: the saved prefix is closed; keep it open as long as requests use"
                            + " it");
        }
        return state;
    }

    float[] logits() {
        return logits;
    }

    /**
     * Checks that this state is of a model.
     *
     * @throws IllegalArgumentException if it is of another
     */
    void check(LanguageModel model) {
        state();
        if (!models.contains(model)) {
            if (!ModelFingerprint.of(model).equals(fingerprint)) {
                throw new IllegalArgumentException(
                        "generation: the saved prefix is of another model, or of this one with other"
                                + " parameters; read the prefix again with this model");
            }
            models.add(model);
        }
    }

    /**
     * Saves this state as a safetensors file.
     *
     * @param file the file, which is replaced as a whole
     * @throws IOException if it cannot be written
     */
    public void save(Path file) throws IOException {
        try (NDManager scratch = NDManager.newBaseManager(manager.getDevice(), "PyTorch")) {
            SafetensorsWriter.Builder builder =
                    SafetensorsWriter.builder()
                            .addTensor(IDS, scratch.create(ids))
                            .addTensor(LOGITS, scratch.create(logits))
                            .optMetadata(Map.of(FORMAT_KEY, FORMAT, MODEL_KEY, fingerprint));
            NDList arrays = state().arrays();
            for (int i = 0; i < arrays.size(); i++) {
                builder.addTensor(ARRAY + i, arrays.get(i));
            }
            builder.build().write(file);
        }
    }

    /**
     * Loads a state.
     *
     * @param file the file that {@link #save} wrote
     * @param model the model that it is of, around a {@link LanguageModel}
     * @return the state
     * @throws IOException if the file cannot be read
     * @throws MalformedModelException if it is not a state, or one of another model
     */
    public static PromptState load(Path file, Model model)
            throws IOException, MalformedModelException {
        LanguageModel block = TextGeneration.languageModel(model);
        NDManager manager = NDManager.newBaseManager(model.getNDManager().getDevice(), "PyTorch");
        try (SafetensorsFile source = SafetensorsFile.open(file)) {
            String fingerprint = ModelFingerprint.of(block);
            Map<String, String> notes = source.metadata();
            if (!FORMAT.equals(notes.get(FORMAT_KEY))) {
                throw new MalformedModelException(
                        file + ": is not the saved state of a prefix; give one that was saved");
            }
            if (!fingerprint.equals(notes.get(MODEL_KEY))) {
                throw new MalformedModelException(
                        file
                                + ": is of another model, or of this one with other parameters; read"
                                + " the prefix again with this model");
            }
            PromptState state = read(source, manager, block, fingerprint);
            state.models.add(block);
            return state;
        } catch (IOException | MalformedModelException e) {
            manager.close();
            throw e;
        } catch (RuntimeException e) {
            manager.close();
            throw new MalformedModelException(
                    file + ": does not hold what the model's state consists of: " + e.getMessage(),
                    e);
        }
    }

    private static PromptState read(
            SafetensorsFile source, NDManager manager, LanguageModel model, String fingerprint)
            throws IOException {
        try (NDManager scratch = manager.newSubManager()) {
            ParameterStore parameterStore = new ParameterStore(scratch, false);
            long[] ids = source.read(IDS, scratch, DataType.INT64).toLongArray();
            float[] logits = source.read(LOGITS, scratch).toFloatArray();
            if (ids.length == 0 || logits.length != model.options().vocabularySize()) {
                throw new IllegalArgumentException(
                        ids.length + " ids and " + logits.length + " scores");
            }
            NDArray token = scratch.create(new long[] {ids[0]}, new Shape(1, 1));
            LanguageModel.Positions last = LanguageModel.Positions.LAST;
            MixerState pattern = model.run(parameterStore, token, null, last, true, false).state();
            NDList arrays = new NDList();
            for (NDArray like : pattern.arrays()) {
                String name = ARRAY + arrays.size();
                TensorType type = source.entry(name).type();
                if (type.dataType() != like.getDataType()) {
                    throw new IllegalArgumentException(
                            name + " has type " + type + "; expected " + like.getDataType());
                }
                arrays.add(source.read(name, manager));
            }
            MixerState state = pattern.with(arrays, SequencePositions.of(ids.length));
            // Mixers check the states that they continue from.
            model.run(parameterStore, token, state, last, false, false);
            return new PromptState(manager, ids, state, logits, fingerprint);
        }
    }

    /** Frees the memory. Closing twice has no effect. */
    @Override
    public void close() {
        manager.close();
    }
}
