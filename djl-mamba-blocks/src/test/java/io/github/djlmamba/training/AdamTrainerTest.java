/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Block;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.EasyTrain;
import ai.djl.training.GradientCollector;
import ai.djl.training.dataset.ArrayDataset;
import ai.djl.training.listener.TrainingListener;
import ai.djl.training.tracker.Tracker;
import ai.djl.translate.TranslateException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Trains a small network whose every step can be repeated. */
class AdamTrainerTest {

    private static final int FEATURES = 5;

    @TempDir private Path folder;

    @Test
    void learnsUnderEasyTrain() throws IOException, TranslateException {
        try (Model model = newModel();
                AdamTrainer trainer = newTrainer(model, builder -> {})) {
            NDManager manager = trainer.getManager();
            NDArray x = manager.create(numbers(1, 64 * FEATURES)).reshape(64, FEATURES);
            NDArray y = x.sum(new int[] {1}, true);
            ArrayDataset dataset =
                    new ArrayDataset.Builder()
                            .setData(x)
                            .optLabels(y)
                            .setSampling(16, false)
                            .build();
            double before = loss(trainer, x, y);
            EasyTrain.fit(trainer, 100, dataset, null);
            assertEquals(400, trainer.getSteps());
            assertTrue(loss(trainer, x, y) < before / 20);
            assertTrue(trainer.getGradientNorm() > 0);
        }
    }

    @Test
    void microBatchesGiveTheStepOfOneLargeBatch() {
        float[] large;
        try (Model model = newModel();
                AdamTrainer trainer = newTrainer(model, b -> b.optMaxGradientNorm(0.1))) {
            train(trainer, numbers(3, 8 * FEATURES), 8);
            large = parameters(model);
        }
        try (Model model = newModel();
                AdamTrainer trainer =
                        newTrainer(model, b -> b.optMaxGradientNorm(0.1).optMicroBatches(2))) {
            float[] numbers = numbers(3, 8 * FEATURES);
            float[] initial = parameters(model);
            train(trainer, java.util.Arrays.copyOfRange(numbers, 0, 4 * FEATURES), 4);
            assertArrayEquals(initial, parameters(model));
            assertEquals(0, trainer.getSteps());
            assertThrows(
                    IllegalStateException.class,
                    () -> TrainingCheckpoint.save(trainer, folder.resolve("inside")));
            train(trainer, java.util.Arrays.copyOfRange(numbers, 4 * FEATURES, 8 * FEATURES), 4);
            assertEquals(1, trainer.getSteps());
            assertArrayEquals(large, parameters(model), 1e-6f);
        }
    }

    @Test
    void checkpointContinuesBitForBit() throws IOException, MalformedModelException {
        Path file = folder.resolve("run/checkpoint.safetensors");
        float[] whole;
        try (Model model = newModel();
                AdamTrainer trainer = newTrainer(model, b -> b.optWeightDecay(0.1, true))) {
            for (int step = 0; step < 20; step++) {
                if (step == 7) {
                    TrainingCheckpoint.save(trainer, file);
                }
                train(trainer, numbers(step, 4 * FEATURES), 4);
            }
            whole = parameters(model);
        }
        try (Model model = newModel();
                AdamTrainer trainer = newTrainer(model, b -> b.optWeightDecay(0.1, true))) {
            TrainingCheckpoint.restore(trainer, file);
            assertEquals(7, trainer.getSteps());
            for (int step = 7; step < 20; step++) {
                train(trainer, numbers(step, 4 * FEATURES), 4);
            }
            assertArrayEquals(whole, parameters(model));
        }
        try (var files = Files.list(file.getParent())) {
            assertEquals(1, files.count());
        }
    }

    @Test
    void optimizerStateCanBeReadAndWritten() {
        try (Model model = newModel();
                AdamTrainer trainer = newTrainer(model, b -> {});
                Model other = newModel();
                AdamTrainer otherTrainer = newTrainer(other, b -> {});
                NDManager scope = NDManager.newBaseManager()) {
            assertEquals(0, trainer.getOptimizerState(scope).steps());
            assertTrue(Double.isNaN(trainer.getOptimizerState(scope).gradientNorm()));
            for (int step = 0; step < 3; step++) {
                train(trainer, numbers(step, 4 * FEATURES), 4);
            }
            OptimizerState state = trainer.getOptimizerState(scope);
            assertEquals(3, state.steps());
            assertEquals(trainer.getGradientNorm(), state.gradientNorm());
            assertEquals(
                    model.getBlock().getParameters().keys(), List.copyOf(state.moments().keySet()));
            float[] before = flat(state);

            // Copies: neither a later step nor a change of theirs reaches the other.
            train(trainer, numbers(3, 4 * FEATURES), 4);
            assertArrayEquals(before, flat(state));
            float[] after = flat(trainer.getOptimizerState(scope));
            assertFalse(java.util.Arrays.equals(before, after));
            state.moments().values().iterator().next().first().addi(1);
            assertArrayEquals(after, flat(trainer.getOptimizerState(scope)));

            state = trainer.getOptimizerState(scope);
            otherTrainer.setOptimizerState(state);
            assertEquals(4, otherTrainer.getSteps());
            assertEquals(trainer.getGradientNorm(), otherTrainer.getGradientNorm());
            assertArrayEquals(after, flat(otherTrainer.getOptimizerState(scope)));
            for (int i = 0; i < model.getBlock().getParameters().size(); i++) {
                AdamTrainer.overwrite(
                        other.getBlock().getParameters().valueAt(i).getArray(),
                        model.getBlock().getParameters().valueAt(i).getArray());
            }
            train(trainer, numbers(4, 4 * FEATURES), 4);
            train(otherTrainer, numbers(4, 4 * FEATURES), 4);
            assertArrayEquals(parameters(model), parameters(other));
        }
    }

    @Test
    void optimizerStateThatDoesNotFitChangesNothing() {
        try (Model model = newModel();
                AdamTrainer trainer = newTrainer(model, b -> b.optMicroBatches(2));
                NDManager scope = NDManager.newBaseManager()) {
            train(trainer, numbers(1, 4 * FEATURES), 4);
            train(trainer, numbers(2, 4 * FEATURES), 4);
            OptimizerState state = trainer.getOptimizerState(scope);
            float[] before = flat(state);
            String path = model.getBlock().getParameters().keyAt(1);
            Map<String, OptimizerState.Moments> moments = new LinkedHashMap<>(state.moments());
            moments.remove(path);
            assertRefused(trainer, "no moments of the parameter " + path, moments);
            moments.put(path, new OptimizerState.Moments(scope.ones(new Shape(8)), null));
            assertRefused(trainer, "second moment of " + path + " is missing", moments);
            moments.put(
                    path,
                    new OptimizerState.Moments(scope.ones(new Shape(7)), scope.ones(new Shape(8))));
            assertRefused(trainer, "expected float32 of shape (8)", moments);
            moments.putAll(state.moments());
            moments.put("other", state.moments().get(path));
            assertRefused(trainer, "other, but the model has no such parameter", moments);
            assertThrows(
                    IllegalArgumentException.class,
                    () -> new OptimizerState(-1, 0, state.moments()));
            assertArrayEquals(before, flat(trainer.getOptimizerState(scope)));
            assertEquals(1, trainer.getSteps());
            train(trainer, numbers(3, 4 * FEATURES), 4);
            assertThrows(IllegalStateException.class, () -> trainer.setOptimizerState(state));
        }
    }

    private static void assertRefused(
            AdamTrainer trainer, String part, Map<String, OptimizerState.Moments> moments) {
        assertMessage(
                part, () -> trainer.setOptimizerState(new OptimizerState(5, Double.NaN, moments)));
    }

    @Test
    void checkpointsKeepNotes() throws IOException, MalformedModelException {
        Path file = folder.resolve("notes.safetensors");
        Map<String, String> notes = Map.of("a note", "\u00e4 \" 7", "another", "");
        try (Model model = newModel();
                AdamTrainer trainer = newTrainer(model, b -> {})) {
            TrainingCheckpoint.save(trainer, file, notes);
            assertEquals(notes, TrainingCheckpoint.notes(file));
            assertEquals(notes, TrainingCheckpoint.restore(trainer, file));
            Path again = folder.resolve("again.safetensors");
            TrainingCheckpoint.save(trainer, again, notes);
            assertArrayEquals(Files.readAllBytes(file), Files.readAllBytes(again));
        }
    }

    @Test
    void damagedOrForeignCheckpointsChangeNothing() throws IOException {
        Path file = folder.resolve("checkpoint.safetensors");
        try (Model model = newModel();
                AdamTrainer trainer = newTrainer(model, b -> {})) {
            train(trainer, numbers(1, 4 * FEATURES), 4);
            TrainingCheckpoint.save(trainer, file);
            byte[] bytes = Files.readAllBytes(file);
            float[] before = parameters(model);
            for (int length : new int[] {0, 5, 8, 100, bytes.length / 2, bytes.length - 1}) {
                Files.write(file, java.util.Arrays.copyOf(bytes, length));
                assertThrows(
                        Exception.class,
                        () -> TrainingCheckpoint.restore(trainer, file),
                        () -> "cut to " + length + " bytes");
                assertArrayEquals(before, parameters(model));
            }
            Files.write(file, bytes);
        }
        try (Model model =
                        newModel(new SequentialBlock().add(Linear.builder().setUnits(1).build()));
                AdamTrainer trainer = newTrainer(model, b -> {})) {
            float[] before = parameters(model);
            MalformedModelException e =
                    assertThrows(
                            MalformedModelException.class,
                            () -> TrainingCheckpoint.restore(trainer, file));
            assertTrue(e.getMessage().contains("expected float32 of shape (1, 5)"), e.getMessage());
            assertArrayEquals(before, parameters(model));
        }
    }

    @Test
    void gradientsThatAreNotFiniteStopTheRunWithParametersIntact() {
        try (Model model = newModel();
                AdamTrainer trainer = newTrainer(model, b -> {})) {
            float[] before = parameters(model);
            float[] numbers = numbers(1, 4 * FEATURES);
            numbers[3] = Float.NaN;
            IllegalStateException e =
                    assertThrows(IllegalStateException.class, () -> train(trainer, numbers, 4));
            assertTrue(e.getMessage().contains("norm of the gradients is NaN"), e.getMessage());
            assertArrayEquals(before, parameters(model));
            train(trainer, numbers(1, 4 * FEATURES), 4);
            for (float value : parameters(model)) {
                assertTrue(Float.isFinite(value));
            }
        }
    }

    @Test
    void frozenParametersStay() {
        try (Model model = newModel();
                AdamTrainer trainer = newTrainer(model, b -> {})) {
            Block first = model.getBlock().getChildren().get(0).getValue();
            first.freezeParameters(true);
            float[] before = parameters(model);
            train(trainer, numbers(1, 4 * FEATURES), 4);
            float[] after = parameters(model);
            int frozen = FEATURES * 8 + 8;
            for (int i = 0; i < after.length; i++) {
                assertEquals(i < frozen, before[i] == after[i], "parameter " + i);
            }
        }
    }

    @Test
    void wrongSettingsAreNamed() {
        try (Model model = newModel()) {
            assertMessage("learning rate", () -> AdamTrainer.builder().setModel(model).build());
            assertMessage("microBatches", () -> newTrainer(model, b -> b.optMicroBatches(0)));
            assertMessage("beta2", () -> newTrainer(model, b -> b.optBetas(0.9, 1)));
            assertMessage("epsilon", () -> newTrainer(model, b -> b.optEpsilon(0)));
        }
    }

    @Test
    void checkpointListenerSavesAtIntervalsAndAtTheEnd()
            throws IOException, TranslateException, MalformedModelException {
        Path file = folder.resolve("listener.safetensors");
        float[] trained;
        try (Model model = newModel();
                AdamTrainer trainer = newTrainer(model, b -> {}, new CheckpointListener(file, 3))) {
            for (int step = 0; step < 8; step++) {
                NDManager manager = trainer.getManager();
                NDArray x = manager.create(numbers(step, 4 * FEATURES)).reshape(4, FEATURES);
                ArrayDataset dataset =
                        new ArrayDataset.Builder()
                                .setData(x)
                                .optLabels(x.sum(new int[] {1}, true))
                                .setSampling(4, false)
                                .build();
                EasyTrain.fit(trainer, 1, dataset, null);
                assertEquals(step >= 3, Files.exists(file), "after step " + step);
            }
            trained = parameters(model);
        }
        try (Model model = newModel();
                AdamTrainer trainer = newTrainer(model, b -> {})) {
            TrainingCheckpoint.restore(trainer, file);
            assertEquals(8, trainer.getSteps());
            assertArrayEquals(trained, parameters(model));
        }
    }

    private static void assertMessage(String part, Runnable runnable) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, runnable::run);
        assertTrue(e.getMessage().contains(part), e.getMessage());
    }

    private static Model newModel() {
        return newModel(
                new SequentialBlock()
                        .add(Linear.builder().setUnits(8).build())
                        .add(Activation::tanh)
                        .add(Linear.builder().setUnits(1).build()));
    }

    private static Model newModel(Block block) {
        Engine.getInstance().setRandomSeed(7);
        Model model = Model.newInstance("test");
        model.setBlock(block);
        return model;
    }

    private static AdamTrainer newTrainer(
            Model model, Consumer<AdamTrainer.Builder> settings, TrainingListener... listeners) {
        AdamTrainer.Builder builder =
                AdamTrainer.builder()
                        .setModel(model)
                        .setTrainingConfig(
                                new DefaultTrainingConfig(new MeanSquaredError())
                                        .addTrainingListeners(listeners))
                        .setLearningRate(Tracker.fixed(0.01f));
        settings.accept(builder);
        AdamTrainer trainer = builder.build();
        trainer.initialize(new Shape(4, FEATURES));
        return trainer;
    }

    private static void train(AdamTrainer trainer, float[] numbers, int batch) {
        try (NDManager scope = trainer.getManager().newSubManager()) {
            NDArray x = scope.create(numbers).reshape(batch, FEATURES);
            NDArray y = x.sum(new int[] {1}, true);
            try (GradientCollector collector = trainer.newGradientCollector()) {
                NDList prediction = trainer.forward(new NDList(x));
                collector.backward(trainer.getLoss().evaluate(new NDList(y), prediction));
            }
            trainer.step();
        }
    }

    private static double loss(AdamTrainer trainer, NDArray x, NDArray y) {
        return trainer.evaluate(new NDList(x)).singletonOrThrow().sub(y).square().mean().getFloat();
    }

    private static float[] flat(OptimizerState state) {
        NDList flat = new NDList();
        state.moments()
                .values()
                .forEach(
                        moments -> {
                            flat.add(moments.first().flatten());
                            flat.add(moments.second().flatten());
                        });
        return ai.djl.ndarray.NDArrays.concat(flat).toFloatArray();
    }

    private static float[] parameters(Model model) {
        NDList flat = new NDList();
        model.getBlock()
                .getParameters()
                .forEach(pair -> flat.add(pair.getValue().getArray().flatten()));
        return ai.djl.ndarray.NDArrays.concat(flat).toFloatArray();
    }

    private static float[] numbers(long seed, int size) {
        Random random = new Random(seed);
        float[] numbers = new float[size];
        for (int i = 0; i < size; i++) {
            numbers[i] = (float) random.nextGaussian();
        }
        return numbers;
    }
}
