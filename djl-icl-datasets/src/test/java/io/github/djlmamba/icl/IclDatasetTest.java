/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Model;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.LambdaBlock;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.EasyTrain;
import ai.djl.training.Trainer;
import ai.djl.training.dataset.Batch;
import ai.djl.training.listener.TrainingListener;
import ai.djl.training.loss.Loss;
import io.github.djlmamba.icl.task.AbstractIclTask;
import io.github.djlmamba.icl.task.IclMetric;
import io.github.djlmamba.icl.task.IclPrompts;
import io.github.djlmamba.icl.task.IclTask;
import io.github.djlmamba.icl.task.LinearRegression;
import io.github.djlmamba.icl.task.PromptWriter;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.ConcurrentModificationException;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

class IclDatasetTest {

    private static final IclTask TASK = new LinearRegression(4, 9);

    private static final Curriculum CURRICULUM =
            new Curriculum(new Curriculum.Ramp(2, 4, 1, 2), new Curriculum.Ramp(5, 9, 2, 3));

    private static IclDataset.Builder builder() {
        return IclDataset.builder()
                .setTask(TASK)
                .setBatchesPerEpoch(4)
                .optBatchSize(3)
                .optSeed(5)
                .optCurriculum(CURRICULUM);
    }

    /** The xs and ys of one epoch. */
    private static List<IclPrompts> epoch(
            IclDataset dataset, NDManager manager, ExecutorService executor) {
        List<IclPrompts> prompts = new ArrayList<>();
        for (Batch batch : dataset.getData(manager, executor)) {
            prompts.add(IclPrompts.of(batch.getData().get(0), batch.getData().get(1)));
            assertSame(batch.getData().get(1), batch.getLabels().singletonOrThrow());
            batch.close();
        }
        return prompts;
    }

    @Test
    void givesTheTasksPromptsInTheCurriculumsSize() {
        try (NDManager manager = NDManager.newBaseManager()) {
            IclDataset dataset = builder().build();
            List<IclPrompts> batches = epoch(dataset, manager, null);
            batches.addAll(epoch(dataset, manager, null));
            assertEquals(8, dataset.step());
            assertEquals(8, batches.size());
            int[] dims = {2, 2, 3, 3, 4, 4, 4, 4};
            int[] points = {5, 5, 5, 7, 7, 7, 9, 9};
            for (int step = 0; step < 8; step++) {
                IclPrompts expected =
                        TASK.sample(
                                IclDataset.trainingSeed(5), step * 3L, 3, dims[step], points[step]);
                assertEquals(expected.xs(), batches.get(step).xs());
                assertEquals(expected.ys(), batches.get(step).ys());
            }
        }
    }

    @Test
    void aResumedRunSeesWhatAnUninterruptedOneSees() {
        ExecutorService executor = Executors.newFixedThreadPool(3);
        try (NDManager manager = NDManager.newBaseManager()) {
            IclDataset whole = builder().build();
            List<IclPrompts> expected = epoch(whole, manager, null);
            expected.addAll(epoch(whole, manager, executor));
            for (int start = 0; start <= 4; start++) {
                IclDataset resumed = builder().optStartStep(start).build();
                assertEquals(expected.subList(start, start + 4), epoch(resumed, manager, executor));
            }
        } finally {
            executor.shutdown();
        }
    }

    @Test
    void anAbandonedEpochGoesOnAfterTheLastBatchTaken() {
        try (NDManager manager = NDManager.newBaseManager()) {
            IclDataset dataset = builder().build();
            try (Batch batch = dataset.getData(manager).iterator().next()) {
                assertEquals(3, batch.getSize());
            }
            assertEquals(1, dataset.step());
            assertEquals(
                    epoch(builder().optStartStep(1).build(), manager, null),
                    epoch(dataset, manager, null));
        }
    }

    @Test
    void repeatsWhereAsked() {
        try (NDManager manager = NDManager.newBaseManager()) {
            IclDataset dataset = builder().optStartStep(2).optRepeat(true).build();
            List<IclPrompts> first = epoch(dataset, manager, null);
            assertEquals(first, epoch(dataset, manager, null));
            assertEquals(epoch(builder().optStartStep(2).build(), manager, null), first);
        }
    }

    @Test
    void sharesNoPromptWithAnEvaluationUnderTheSameSeed() {
        assertNotEquals(5, IclDataset.trainingSeed(5));
        assertNotEquals(TASK.sample(5, 0, 1), TASK.sample(IclDataset.trainingSeed(5), 0, 1));
    }

    @Test
    void closingABatchFreesItsArrays() {
        try (NDManager manager = NDManager.newBaseManager()) {
            IclDataset dataset = builder().setBatchesPerEpoch(50).build();
            int before = manager.getManagedArrays().size();
            long progress = 0;
            for (Batch batch : dataset.getData(manager)) {
                NDManager owner = batch.getManager();
                NDList data = batch.getData();
                assertEquals(progress++, batch.getProgress());
                assertEquals(50, batch.getProgressTotal());
                batch.close();
                assertFalse(owner.isOpen());
                assertThrows(IllegalStateException.class, () -> data.head().toFloatArray());
            }
            assertEquals(50, progress);
            assertEquals(before, manager.getManagedArrays().size());
        }
    }

    @Test
    void endsAnEpochAndRefusesTwoIterationsAtOnce() {
        try (NDManager manager = NDManager.newBaseManager()) {
            IclDataset dataset = builder().setBatchesPerEpoch(2).build();
            Iterator<Batch> one = dataset.getData(manager).iterator();
            Iterator<Batch> other = dataset.getData(manager).iterator();
            one.next().close();
            assertThrows(ConcurrentModificationException.class, other::next);
            one.next().close();
            assertFalse(one.hasNext());
            assertThrows(NoSuchElementException.class, one::next);
        }
    }

    @Test
    void aClosedManagerIsAnErrorThatLosesNoBatch() {
        IclDataset dataset = builder().build();
        NDManager closed = NDManager.newBaseManager();
        closed.close();
        assertThrows(IllegalStateException.class, () -> dataset.getData(closed).iterator().next());
        assertEquals(0, dataset.step());
    }

    @Test
    void aBatchThatCannotBeMadeLeavesNoManagerBehind() {
        AtomicBoolean closed = new AtomicBoolean();
        NDManager full =
                manager(
                        (proxy, method, arguments) -> {
                            if (method.getName().equals("close")) {
                                closed.set(true);
                                return null;
                            }
                            throw new IllegalStateException("no memory");
                        });
        NDManager parent = manager((proxy, method, arguments) -> full);
        IclDataset dataset = builder().build();
        assertEquals(
                "no memory",
                assertThrows(
                                IllegalStateException.class,
                                () -> dataset.getData(parent).iterator().next())
                        .getMessage());
        assertTrue(closed.get());
        assertEquals(0, dataset.step());
    }

    private static NDManager manager(InvocationHandler handler) {
        return (NDManager)
                Proxy.newProxyInstance(
                        NDManager.class.getClassLoader(),
                        new Class<?>[] {NDManager.class},
                        handler);
    }

    /** All positions count but the first. */
    private static final class MaskedTask extends AbstractIclTask {

        MaskedTask() {
            super(2, 3);
        }

        @Override
        public String name() {
            return "masked";
        }

        @Override
        public IclMetric metric() {
            return IclMetric.squaredErrorPerDimension(1);
        }

        @Override
        public List<String> baselines() {
            return List.of();
        }

        @Override
        protected Map<String, Shape> otherShapes(int currentPoints) {
            return Map.of(IclPrompts.MASK, new Shape(currentPoints));
        }

        @Override
        protected void samplePrompt(Random random, int currentDims, PromptWriter prompt) {
            prompt.setOther(IclPrompts.MASK, 1, 1);
            prompt.setOther(IclPrompts.MASK, 2, 1);
        }
    }

    @Test
    void theMaskIsASecondLabel() {
        try (NDManager manager = NDManager.newBaseManager()) {
            IclDataset dataset =
                    IclDataset.builder()
                            .setTask(new MaskedTask())
                            .setBatchesPerEpoch(1)
                            .optBatchSize(2)
                            .build();
            try (Batch batch = dataset.getData(manager).iterator().next()) {
                assertEquals(2, batch.getLabels().size());
                assertArrayEquals(
                        new float[] {0, 1, 1, 0, 1, 1}, batch.getLabels().get(1).toFloatArray());
            }
        }
    }

    @Test
    void anErrorInTheBackgroundReachesTheCaller() {
        // Prompts of steps from Long.MAX_VALUE / 3 on have no index: the second batch, drawn in
        // the background, fails.
        IclDataset dataset = builder().optStartStep(Long.MAX_VALUE / 3 - 1).build();
        try (NDManager manager = NDManager.newBaseManager()) {
            Iterator<Batch> iterator = dataset.getData(manager).iterator();
            iterator.next().close();
            assertThrows(IllegalArgumentException.class, iterator::next);
            assertEquals(0, manager.getManagedArrays().size());
        }
    }

    @Test
    void trainsUnderEasyTrain() throws Exception {
        SequentialBlock block =
                new SequentialBlock()
                        .add(new LambdaBlock(list -> new NDList(list.head()), "inputs"))
                        .add(Linear.builder().setUnits(1).build())
                        .add(
                                new LambdaBlock(
                                        list -> new NDList(list.head().squeeze(-1)), "answers"));
        try (Model model = Model.newInstance("linear", "PyTorch")) {
            model.setBlock(block);
            DefaultTrainingConfig config =
                    new DefaultTrainingConfig(Loss.l2Loss())
                            .addTrainingListeners(TrainingListener.Defaults.basic());
            try (Trainer trainer = model.newTrainer(config)) {
                trainer.initialize(new Shape(3, 9, 4), new Shape(3, 9));
                IclDataset dataset = builder().build();
                EasyTrain.fit(trainer, 2, dataset, builder().optRepeat(true).build());
                assertEquals(8, dataset.step());
                assertTrue(Float.isFinite(trainer.getTrainingResult().getTrainLoss()));
            }
        }
    }

    @Test
    void namesTheWrongSetting() {
        assertRefused("setTask", b -> b.setTask(null));
        assertRefused("setBatchesPerEpoch", b -> b.setBatchesPerEpoch(0));
        assertRefused("at least 1 prompt", b -> b.optBatchSize(0));
        assertRefused("start step", b -> b.optStartStep(-1));
        assertRefused(
                "beyond the task's dims 4", b -> b.optCurriculum(Curriculum.linearRegression()));
        assertEquals(Curriculum.none(4, 9), builder().optCurriculum(null).build().curriculum());
    }

    private static void assertRefused(String message, Consumer<IclDataset.Builder> change) {
        IclDataset.Builder builder = builder();
        change.accept(builder);
        IllegalArgumentException error =
                assertThrows(IllegalArgumentException.class, builder::build);
        assertTrue(error.getMessage().contains(message), error.getMessage());
    }
}
