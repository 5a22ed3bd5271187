/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.training.dataset.Batch;
import ai.djl.training.dataset.Dataset;
import ai.djl.translate.Batchifier;
import ai.djl.util.Progress;
import io.github.djlmamba.icl.task.IclPrompts;
import io.github.djlmamba.icl.task.IclTask;
import io.github.djlmamba.icl.task.PromptRandom;
import java.util.ConcurrentModificationException;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.atomic.AtomicLong;
import org.apiguardian.api.API;

/**
 * Endless prompts of a task as whole batches, fresh at every step.
 *
 * <p>The batch of step t holds the prompts t * B to t * B + B - 1 of the stream {@link
 * #trainingSeed(long)}, in the size that the curriculum gives for t. It depends on nothing else, so
 * a run that resumes at step t by {@link Builder#optStartStep} sees what an uninterrupted one would
 * have seen. Each {@link #getData} gives one epoch, which goes on from the step after the last
 * batch that was taken.
 *
 * <p>A batch's data are xs (B, N, d) and ys (B, N); its labels are ys and, for tasks that have one,
 * the mask of scored positions (B, N). Closing the batch frees its arrays. While one batch is in
 * use the next is drawn on a background thread, in Java memory only.
 *
 * <p>Thread safety: one iteration at a time; {@link #step()} may be read from any thread.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class IclDataset implements Dataset {

    private final IclTask task;
    private final Curriculum curriculum;
    private final long seed;
    private final int batchSize;
    private final int batchesPerEpoch;
    private final long startStep;
    private final boolean repeat;
    private final AtomicLong nextStep;

    private IclDataset(Builder builder) {
        task = builder.task;
        curriculum = builder.curriculum == null ? Curriculum.none(task) : builder.curriculum;
        seed = trainingSeed(builder.seed);
        batchSize = builder.batchSize;
        batchesPerEpoch = builder.batchesPerEpoch;
        startStep = builder.startStep;
        repeat = builder.repeat;
        nextStep = new AtomicLong(startStep);
    }

    /**
     * Creates a builder.
     *
     * @return a new builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Returns the seed of the prompts that training under a seed sees. It differs from the seed
     * itself so that an evaluation under the same number, which uses the seed as it is, shares no
     * prompt with the training.
     *
     * @param seed the seed given to {@link Builder#optSeed}
     * @return the seed to give to {@link IclTask#sample(long, long, int)} for the same prompts
     */
    public static long trainingSeed(long seed) {
        return PromptRandom.deriveSeed(seed, "training");
    }

    /**
     * Returns the step of the next batch.
     *
     * @return the start step plus the number of batches taken
     */
    public long step() {
        return nextStep.get();
    }

    /**
     * Returns the curriculum.
     *
     * @return the one set, or the task's full size at all steps
     */
    public Curriculum curriculum() {
        return curriculum;
    }

    /**
     * Returns the number of batches of an epoch.
     *
     * @return the number set
     */
    public int batchesPerEpoch() {
        return batchesPerEpoch;
    }

    /** Does nothing: prompts are drawn when they are needed. */
    @Override
    public void prepare(Progress progress) {}

    @Override
    public Iterable<Batch> getData(NDManager manager) {
        return getData(manager, null);
    }

    /**
     * Returns one epoch of batches.
     *
     * @param manager the parent of the batches' managers
     * @param executorService draws the next batch in advance; null for the JVM's common pool
     * @return the batches
     */
    @Override
    public Iterable<Batch> getData(NDManager manager, ExecutorService executorService) {
        Objects.requireNonNull(manager, "manager");
        Executor executor = executorService == null ? ForkJoinPool.commonPool() : executorService;
        return () -> new Epoch(manager, executor);
    }

    private IclPrompts sample(long step) {
        return task.sample(
                seed,
                Math.multiplyExact(step, batchSize),
                batchSize,
                curriculum.dimsAt(step),
                curriculum.pointsAt(step));
    }

    private final class Epoch implements Iterator<Batch> {

        private final NDManager manager;
        private final Executor executor;
        private long step;
        private int taken;
        private CompletableFuture<IclPrompts> pending;

        Epoch(NDManager manager, Executor executor) {
            this.manager = manager;
            this.executor = executor;
            if (repeat) {
                nextStep.set(startStep);
            }
            step = nextStep.get();
        }

        @Override
        public boolean hasNext() {
            return taken < batchesPerEpoch;
        }

        @Override
        public Batch next() {
            if (!hasNext()) {
                throw new NoSuchElementException(
                        "The epoch has only " + batchesPerEpoch + " batches.");
            }
            if (nextStep.get() != step) {
                throw new ConcurrentModificationException(
                        "Another iteration over this dataset has taken batches meanwhile; use one dataset for each.");
            }
            IclPrompts prompts = pending == null ? sample(step) : join(pending);
            pending = null;
            Batch batch = toBatch(prompts);
            taken++;
            step++;
            nextStep.set(step);
            if (hasNext()) {
                long following = step;
                pending = CompletableFuture.supplyAsync(() -> sample(following), executor);
            }
            return batch;
        }

        private Batch toBatch(IclPrompts prompts) {
            NDManager batchManager = manager.newSubManager();
            try {
                NDList all = prompts.toNDList(batchManager);
                NDList labels = new NDList(all.get(1));
                if (prompts.mask().isPresent()) {
                    labels.add(all.get(IclPrompts.MASK));
                }
                return new Batch(
                        batchManager,
                        new NDList(all.get(0), all.get(1)),
                        labels,
                        batchSize,
                        Batchifier.STACK,
                        Batchifier.STACK,
                        taken,
                        batchesPerEpoch);
            } catch (RuntimeException | Error e) {
                batchManager.close();
                throw e;
            }
        }

        private static IclPrompts join(CompletableFuture<IclPrompts> future) {
            try {
                return future.join();
            } catch (CompletionException e) {
                if (e.getCause() instanceof RuntimeException cause) {
                    throw cause;
                }
                if (e.getCause() instanceof Error cause) {
                    throw cause;
                }
                throw e;
            }
        }
    }

    /** Builds an {@link IclDataset}. */
    public static final class Builder {

        private IclTask task;
        private Curriculum curriculum;
        private long seed;
        private int batchSize = 64;
        private int batchesPerEpoch;
        private long startStep;
        private boolean repeat;

        private Builder() {}

        /**
         * Sets the task.
         *
         * @param task what the prompts are drawn from
         * @return this builder
         */
        public Builder setTask(IclTask task) {
            this.task = task;
            return this;
        }

        /**
         * Sets the length of an epoch.
         *
         * @param batchesPerEpoch how many batches each {@link IclDataset#getData} gives
         * @return this builder
         */
        public Builder setBatchesPerEpoch(int batchesPerEpoch) {
            this.batchesPerEpoch = batchesPerEpoch;
            return this;
        }

        /**
         * Sets the prompts of a batch. The default is 64.
         *
         * @param batchSize B
         * @return this builder
         */
        public Builder optBatchSize(int batchSize) {
            this.batchSize = batchSize;
            return this;
        }

        /**
         * Sets the seed. The default is 0.
         *
         * @param seed any number
         * @return this builder
         */
        public Builder optSeed(long seed) {
            this.seed = seed;
            return this;
        }

        /**
         * Sets the curriculum. The default is the task's full size at all steps.
         *
         * @param curriculum the size of the prompts at each step
         * @return this builder
         */
        public Builder optCurriculum(Curriculum curriculum) {
            this.curriculum = curriculum;
            return this;
        }

        /**
         * Sets the step of the first batch. The default is 0.
         *
         * @param startStep the number of steps that the run has done before
         * @return this builder
         */
        public Builder optStartStep(long startStep) {
            this.startStep = startStep;
            return this;
        }

        /**
         * Sets whether each epoch starts at the start step again, as a fixed set for validation
         * does. The default is false.
         *
         * @param repeat true for the same batches in each epoch
         * @return this builder
         */
        public Builder optRepeat(boolean repeat) {
            this.repeat = repeat;
            return this;
        }

        /**
         * Builds the dataset.
         *
         * @return a new dataset
         * @throws IllegalArgumentException if a required value is missing, a value is out of range,
         *     or the curriculum goes beyond the task's size
         */
        public IclDataset build() {
            if (task == null) {
                throw new IllegalArgumentException("A dataset needs a task: call setTask.");
            }
            if (batchesPerEpoch < 1) {
                throw new IllegalArgumentException(
                        "An epoch needs at least 1 batch, but has "
                                + batchesPerEpoch
                                + ": call setBatchesPerEpoch.");
            }
            if (batchSize < 1) {
                throw new IllegalArgumentException(
                        "A batch needs at least 1 prompt, but has " + batchSize + ".");
            }
            if (startStep < 0) {
                throw new IllegalArgumentException(
                        "The start step must not be negative, but is " + startStep + ".");
            }
            if (curriculum != null
                    && (curriculum.dims().end() > task.dims()
                            || curriculum.points().end() > task.points())) {
                throw new IllegalArgumentException(
                        "The curriculum ends at dims "
                                + curriculum.dims().end()
                                + " and points "
                                + curriculum.points().end()
                                + ", beyond the task's dims "
                                + task.dims()
                                + " and points "
                                + task.points()
                                + ".");
            }
            return new IclDataset(this);
        }
    }
}
