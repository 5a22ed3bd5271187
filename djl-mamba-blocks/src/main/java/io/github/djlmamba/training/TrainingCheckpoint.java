/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.training;

import ai.djl.MalformedModelException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import io.github.djlmamba.ops.AdamStep;
import io.github.djlmamba.ops.GradientMode;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.apiguardian.api.API;

/**
 * A file from which a run of an {@link AdamTrainer} continues exactly: its parameters, both moments
 * of each, and the number of completed steps, as safetensors.
 *
 * <p>A checkpoint is written beside its place, forced to the disk, then renamed over the old one: a
 * crash at any moment leaves one that is whole. Data are not part of it: let them be a function of
 * the step.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class TrainingCheckpoint {

    private static final String STEPS = "steps";
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
        if (!trainer.isBetweenSteps()) {
            throw new IllegalStateException(
                    "a checkpoint inside of a step would lose its micro-batches; save between steps");
        }
        Path folder = file.toAbsolutePath().getParent();
        Files.createDirectories(folder);
        Path temporary = Files.createTempFile(folder, file.getFileName().toString(), ".part");
        try (NDManager scope = trainer.getManager().newSubManager()) {
            NDList arrays = new NDList();
            arrays.add(named(scope.create(new long[] {trainer.getSteps()}), STEPS));
            for (Map.Entry<String, AdamStep.Slot> entry : trainer.slots().entrySet()) {
                AdamStep.Slot slot = entry.getValue();
                arrays.add(copy(slot.parameter(), PARAMETER + entry.getKey(), scope));
                arrays.add(copy(slot.firstMoment(), FIRST_MOMENT + entry.getKey(), scope));
                arrays.add(copy(slot.secondMoment(), SECOND_MOMENT + entry.getKey(), scope));
            }
            try (OutputStream out = Files.newOutputStream(temporary)) {
                arrays.encode(out, NDList.Encoding.SAFETENSORS);
            }
            try (FileChannel channel = FileChannel.open(temporary, StandardOpenOption.WRITE)) {
                channel.force(true);
            }
            Files.move(
                    temporary,
                    file,
                    StandardCopyOption.ATOMIC_MOVE,
                    StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(temporary);
        }
    }

    /**
     * Restores a checkpoint into a trainer of the same model. Nothing is changed unless all of it
     * fits.
     *
     * @param trainer the trainer, initialised
     * @param file the checkpoint
     * @throws IOException if the file cannot be read
     * @throws MalformedModelException if it is no checkpoint, or one of another model
     */
    public static void restore(AdamTrainer trainer, Path file)
            throws IOException, MalformedModelException {
        try (NDManager scope = trainer.getManager().newSubManager()) {
            NDList arrays = read(file, scope);
            List<NDArray> targets = new ArrayList<>();
            List<NDArray> sources = new ArrayList<>();
            TreeSet<String> unused = new TreeSet<>();
            arrays.forEach(array -> unused.add(array.getName()));
            for (Map.Entry<String, AdamStep.Slot> entry : trainer.slots().entrySet()) {
                AdamStep.Slot slot = entry.getValue();
                String path = entry.getKey();
                targets.addAll(List.of(slot.parameter(), slot.firstMoment(), slot.secondMoment()));
                for (String kind : List.of(PARAMETER, FIRST_MOMENT, SECOND_MOMENT)) {
                    unused.remove(kind + path);
                    sources.add(matching(arrays, kind + path, slot.parameter(), file));
                }
            }
            NDArray steps = arrays.get(STEPS);
            unused.remove(STEPS);
            if (steps == null || steps.size() != 1 || !unused.isEmpty()) {
                throw new MalformedModelException(
                        file
                                + " is no checkpoint of this model: "
                                + (unused.isEmpty()
                                        ? "it names no step"
                                        : "the model has no " + unused.first()));
            }
            long completed = steps.toLongArray()[0];
            GradientMode.off(
                    () -> {
                        for (int i = 0; i < targets.size(); i++) {
                            // Not copyTo, which would hand the parameter memory of the JVM.
                            targets.get(i).set(new NDIndex("..."), sources.get(i));
                        }
                        return targets;
                    });
            trainer.restoreSteps(completed);
        }
    }

    private static NDList read(Path file, NDManager scope)
            throws IOException, MalformedModelException {
        try (InputStream in = new BufferedInputStream(Files.newInputStream(file))) {
            return NDList.decode(scope, in);
        } catch (RuntimeException e) {
            throw new MalformedModelException(
                    file + " is no checkpoint, or is damaged: " + e.getMessage(), e);
        }
    }

    private static NDArray matching(NDList arrays, String name, NDArray target, Path file)
            throws MalformedModelException {
        NDArray array = arrays.get(name);
        if (array == null
                || !array.getShape().equals(target.getShape())
                || array.getDataType() != target.getDataType()) {
            throw new MalformedModelException(
                    file
                            + " is no checkpoint of this model: "
                            + name
                            + " is "
                            + (array == null
                                    ? "missing"
                                    : array.getDataType() + " of shape " + array.getShape())
                            + "; expected "
                            + target.getDataType()
                            + " of shape "
                            + target.getShape());
        }
        return array;
    }

    private static NDArray copy(NDArray array, String name, NDManager scope) {
        NDArray copy = array.duplicate();
        copy.attach(scope);
        return named(copy, name);
    }

    private static NDArray named(NDArray array, String name) {
        array.setName(name);
        return array;
    }
}
