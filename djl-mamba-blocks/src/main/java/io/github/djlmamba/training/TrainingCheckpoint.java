/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.training;

import ai.djl.Device;
import ai.djl.MalformedModelException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.util.JsonUtils;
import com.google.gson.JsonParseException;
import io.github.djlmamba.ops.AdamStep;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apiguardian.api.API;

/**
 * A file from which a run of an {@link AdamTrainer} continues exactly: its parameters and its
 * {@link OptimizerState}, as safetensors.
 *
 * <p>A checkpoint is written beside its place, forced to the disk, then renamed over the old one: a
 * crash at any moment leaves one that is whole, and at most a partial file that the next save
 * removes. Data are not part of it: let them be a function of the step.
 *
 * <p>It also records what the results depend on in their last digits: the ops with their choices by
 * timing, the threads, and the precision. Restoring makes those choices again in the process that
 * goes on, unless another one is forced there, and logs a warning about each of the others that
 * differs. So on one machine, with as many threads, a run that is broken off and resumed equals one
 * that is not to the last bit.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class TrainingCheckpoint {

    private static final String STEPS = "steps";
    private static final String GRADIENT_NORM = "gradient_norm";
    private static final String RECORD = "record";
    private static final String PARAMETER = "parameter.";
    private static final String FIRST_MOMENT = "first_moment.";
    private static final String SECOND_MOMENT = "second_moment.";

    private TrainingCheckpoint() {}

    /**
     * Writes a checkpoint.
     *
     * @param trainer the trainer, between steps
     * @param file the file to write or replace; its folder is created
     * @throws IOException if it cannot be written; an older file is then left as it was
     * @throws IllegalStateException if the trainer is inside of a step
     */
    public static void save(AdamTrainer trainer, Path file) throws IOException {
        save(trainer, file, Map.of());
    }

    /**
     * Writes a checkpoint with notes of the caller, which {@link #restore} returns.
     *
     * @param trainer the trainer, between steps
     * @param file the file to write or replace; its folder is created
     * @param notes what the caller needs to go on beside the trainer
     * @throws IOException if it cannot be written; an older file is then left as it was
     * @throws IllegalStateException if the trainer is inside of a step
     */
    public static void save(AdamTrainer trainer, Path file, Map<String, String> notes)
            throws IOException {
        if (!trainer.isBetweenSteps()) {
            throw new IllegalStateException(
                    "a checkpoint inside of a step would lose its micro-batches; save between steps");
        }
        try (NDManager scope = trainer.getManager().newSubManager()) {
            OptimizerState state = trainer.getOptimizerState(scope);
            Record written = new Record(RunConditions.of(trainer), new TreeMap<>(notes));
            NDList arrays = new NDList();
            arrays.add(named(scope.create(new long[] {state.steps()}), STEPS));
            arrays.add(named(scope.create(new double[] {state.gradientNorm()}), GRADIENT_NORM));
            arrays.add(named(bytes(JsonUtils.GSON.toJson(written), scope), RECORD));
            for (Map.Entry<String, AdamStep.Slot> entry : trainer.slots().entrySet()) {
                String path = entry.getKey();
                NDArray parameter = entry.getValue().parameter().duplicate();
                parameter.attach(scope);
                OptimizerState.Moments moments = state.moments().get(path);
                arrays.add(named(parameter, PARAMETER + path));
                arrays.add(named(moments.first(), FIRST_MOMENT + path));
                arrays.add(named(moments.second(), SECOND_MOMENT + path));
            }
            AtomicFile.write(file, out -> arrays.encode(out, NDList.Encoding.SAFETENSORS));
        }
    }

    /**
     * Restores a checkpoint into a trainer of the same model. Nothing is changed unless all of it
     * fits.
     *
     * @param trainer the trainer, initialised
     * @param file the checkpoint
     * @return the notes that it was saved with
     * @throws IOException if the file cannot be read
     * @throws MalformedModelException if it is no checkpoint, or one of another model
     */
    public static Map<String, String> restore(AdamTrainer trainer, Path file)
            throws IOException, MalformedModelException {
        try (NDManager scope = trainer.getManager().newSubManager()) {
            Map<String, NDArray> arrays = read(file, scope);
            Map<String, NDArray> parameters = new LinkedHashMap<>();
            Map<String, OptimizerState.Moments> moments = new LinkedHashMap<>();
            trainer.slots()
                    .keySet()
                    .forEach(
                            path -> {
                                parameters.put(path, arrays.remove(PARAMETER + path));
                                moments.put(
                                        path,
                                        new OptimizerState.Moments(
                                                arrays.remove(FIRST_MOMENT + path),
                                                arrays.remove(SECOND_MOMENT + path)));
                            });
            Record written = record(require(arrays, RECORD, DataType.UINT8, file), file);
            OptimizerState state =
                    new OptimizerState(
                            require(arrays, STEPS, DataType.INT64, file).getLong(),
                            require(arrays, GRADIENT_NORM, DataType.FLOAT64, file).getDouble(),
                            moments);
            check(trainer, parameters, state, file);
            if (!arrays.isEmpty()) {
                throw foreign(file, "the model has no " + new TreeSet<>(arrays.keySet()).first());
            }
            written.conditions.repeat(trainer);
            trainer.setOptimizerState(state);
            trainer.slots()
                    .forEach(
                            (path, slot) ->
                                    AdamTrainer.overwrite(slot.parameter(), parameters.get(path)));
            return Map.copyOf(written.notes);
        }
    }

    /**
     * Reads the notes that a checkpoint was saved with, and changes nothing.
     *
     * @param file the checkpoint
     * @return the notes
     * @throws IOException if the file cannot be read
     * @throws MalformedModelException if it is no checkpoint
     */
    public static Map<String, String> notes(Path file) throws IOException, MalformedModelException {
        try (NDManager scope = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
            NDArray bytes = require(read(file, scope), RECORD, DataType.UINT8, file);
            return Map.copyOf(record(bytes, file).notes);
        }
    }

    private static void check(
            AdamTrainer trainer, Map<String, NDArray> parameters, OptimizerState state, Path file)
            throws MalformedModelException {
        for (Map.Entry<String, AdamStep.Slot> entry : trainer.slots().entrySet()) {
            NDArray target = entry.getValue().parameter();
            NDArray array = parameters.get(entry.getKey());
            if (array == null
                    || !array.getShape().equals(target.getShape())
                    || array.getDataType() != target.getDataType()) {
                throw foreign(
                        file,
                        PARAMETER
                                + entry.getKey()
                                + " is "
                                + (array == null
                                        ? "missing"
                                        : array.getDataType() + " of shape " + array.getShape())
                                + "; expected "
                                + target.getDataType()
                                + " of shape "
                                + target.getShape());
            }
        }
        try {
            trainer.checkOptimizerState(state);
        } catch (IllegalArgumentException e) {
            throw foreign(file, e.getMessage());
        }
    }

    private static Map<String, NDArray> read(Path file, NDManager scope)
            throws IOException, MalformedModelException {
        try (InputStream in = new BufferedInputStream(Files.newInputStream(file))) {
            Map<String, NDArray> arrays = new LinkedHashMap<>();
            for (NDArray array : NDList.decode(scope, in)) {
                arrays.put(array.getName(), array);
            }
            return arrays;
        } catch (RuntimeException e) {
            throw damaged(file, e);
        }
    }

    /**
     * Takes an array that every checkpoint has out of those read; all but the record are numbers.
     */
    private static NDArray require(
            Map<String, NDArray> arrays, String name, DataType type, Path file)
            throws MalformedModelException {
        NDArray array = arrays.remove(name);
        if (array == null
                || array.getDataType() != type
                || (type != DataType.UINT8 && array.size() != 1)) {
            throw foreign(file, "it has no " + name);
        }
        return array.reshape(type == DataType.UINT8 ? new Shape(array.size()) : new Shape());
    }

    private static Record record(NDArray bytes, Path file) throws MalformedModelException {
        try {
            Record record =
                    JsonUtils.GSON.fromJson(
                            new String(bytes.toByteArray(), StandardCharsets.UTF_8), Record.class);
            if (record == null || record.conditions == null || record.notes == null) {
                throw foreign(file, "its record is empty");
            }
            return record;
        } catch (JsonParseException e) {
            throw damaged(file, e);
        }
    }

    private static NDArray bytes(String text, NDManager scope) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return scope.create(ByteBuffer.wrap(bytes), new Shape(bytes.length), DataType.UINT8);
    }

    private static MalformedModelException foreign(Path file, String why) {
        return new MalformedModelException(file + " is no checkpoint of this model: " + why);
    }

    private static MalformedModelException damaged(Path file, RuntimeException cause) {
        return new MalformedModelException(
                file + " is no checkpoint, or is damaged: " + cause.getMessage(), cause);
    }

    private static NDArray named(NDArray array, String name) {
        array.setName(name);
        return array;
    }

    /**
     * What a checkpoint holds beside numbers.
     *
     * @param conditions what the results depend on in their last digits
     * @param notes what the caller has added
     */
    private record Record(RunConditions conditions, Map<String, String> notes) {}
}
