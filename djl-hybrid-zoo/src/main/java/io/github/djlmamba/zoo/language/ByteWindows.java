/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.language;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.dataset.Batch;
import ai.djl.training.dataset.Dataset;
import ai.djl.translate.Batchifier;
import ai.djl.util.Progress;
import io.github.djlmamba.icl.task.PromptRandom;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Objects;
import org.apiguardian.api.API;

/**
 * Windows at random places of a text's training part as whole batches, for a language model over
 * bytes.
 *
 * <p>The batch of step t holds B windows of L + 1 bytes whose places depend on seed, t and L alone,
 * so a run that resumes at step t by {@link Builder#optStartStep} sees what an uninterrupted one
 * would have seen. Its data are the first L bytes as ids (B, L), its labels the bytes that follow
 * each of them, both INT64. Each {@link #getData} gives the same epoch. Closing the batch frees its
 * arrays. Thread safe; each iterator belongs to one thread.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class ByteWindows implements Dataset {

    private final byte[] bytes;
    private final int trainingBytes;
    private final int batchSize;
    private final int length;
    private final int batches;
    private final long seed;
    private final long startStep;

    private ByteWindows(Builder builder) {
        bytes = builder.text.shared();
        trainingBytes = Math.toIntExact(builder.text.parts().validationFrom());
        batchSize = builder.batchSize;
        length = builder.length;
        batches = builder.batches;
        seed = PromptRandom.deriveSeed(builder.seed, "windows");
        startStep = builder.startStep;
    }

    /**
     * Creates a builder.
     *
     * @return a new builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /** Does nothing: the text is in memory. */
    @Override
    public void prepare(Progress progress) {}

    /** {@inheritDoc} */
    @Override
    public Iterable<Batch> getData(NDManager manager) {
        Objects.requireNonNull(manager, "manager");
        return () -> new Epoch(manager);
    }

    /**
     * Returns where a window begins.
     *
     * @param window the number of the window, counted over all steps
     * @return the offset in the text of its first byte
     */
    int offset(long window) {
        return PromptRandom.of(seed, window).nextInt(trainingBytes - length);
    }

    private Batch batch(NDManager parent, int index) {
        long[] ids = new long[Math.multiplyExact(batchSize, length)];
        long[] next = new long[ids.length];
        for (int row = 0; row < batchSize; row++) {
            int offset = offset((startStep + index) * batchSize + row);
            for (int i = 0; i < length; i++) {
                ids[row * length + i] = Byte.toUnsignedLong(bytes[offset + i]);
                next[row * length + i] = Byte.toUnsignedLong(bytes[offset + i + 1]);
            }
        }
        NDManager manager = parent.newSubManager();
        try {
            Shape shape = new Shape(batchSize, length);
            return new Batch(
                    manager,
                    new NDList(manager.create(ids, shape)),
                    new NDList(manager.create(next, shape)),
                    batchSize,
                    Batchifier.STACK,
                    Batchifier.STACK,
                    index + 1L,
                    batches);
        } catch (RuntimeException | Error e) {
            manager.close();
            throw e;
        }
    }

    private final class Epoch implements Iterator<Batch> {

        private final NDManager manager;
        private int taken;

        Epoch(NDManager manager) {
            this.manager = manager;
        }

        @Override
        public boolean hasNext() {
            return taken < batches;
        }

        @Override
        public Batch next() {
            if (!hasNext()) {
                throw new NoSuchElementException("the epoch has only " + batches + " batches");
            }
            return batch(manager, taken++);
        }
    }

    /** Builds {@link ByteWindows}. */
    public static final class Builder {

        private ByteText text;
        private int batchSize = 16;
        private int length = 512;
        private int batches;
        private long seed;
        private long startStep;

        private Builder() {}

        /**
         * Sets the text.
         *
         * @param newText the text whose training part the windows come from
         * @return this builder
         */
        public Builder setText(ByteText newText) {
            text = newText;
            return this;
        }

        /**
         * Sets the number of batches.
         *
         * @param newBatches the batches of an epoch
         * @return this builder
         */
        public Builder setBatches(int newBatches) {
            batches = newBatches;
            return this;
        }

        /**
         * Sets the windows of a batch.
         *
         * @param newBatchSize B, 16 by default
         * @return this builder
         */
        public Builder optBatchSize(int newBatchSize) {
            batchSize = newBatchSize;
            return this;
        }

        /**
         * Sets the bytes of a window that are predicted from.
         *
         * @param newLength L, 512 by default
         * @return this builder
         */
        public Builder optLength(int newLength) {
            length = newLength;
            return this;
        }

        /**
         * Sets the seed of the places.
         *
         * @param newSeed any number, 0 by default
         * @return this builder
         */
        public Builder optSeed(long newSeed) {
            seed = newSeed;
            return this;
        }

        /**
         * Sets the step of the first batch.
         *
         * @param newStartStep the number of steps that the run has done before, 0 by default
         * @return this builder
         */
        public Builder optStartStep(long newStartStep) {
            startStep = newStartStep;
            return this;
        }

        /**
         * Builds the dataset.
         *
         * @return a new dataset
         * @throws IllegalArgumentException if the text is missing or too short for a window, or a
         *     number is out of its range
         */
        public ByteWindows build() {
            if (text == null) {
                throw new IllegalArgumentException("windows need a text: call setText");
            }
            if (batches < 1 || batchSize < 1 || length < 1 || startStep < 0) {
                throw new IllegalArgumentException(
                        batches
                                + " batches of "
                                + batchSize
                                + " windows of "
                                + length
                                + " bytes from step "
                                + startStep
                                + "; expected 1 or more of each, and a step of 0 or more");
            }
            if (text.parts().validationFrom() <= length) {
                throw new IllegalArgumentException(
                        "the training part of the text has "
                                + text.parts().validationFrom()
                                + " bytes; windows of "
                                + length
                                + " bytes and the one after need more: take a longer text or"
                                + " shorter windows");
            }
            return new ByteWindows(this);
        }
    }
}
