/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.language;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.djl.util.Progress;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.ops.GradientMode;
import io.github.djlmamba.zoo.training.SettingsCheck;
import org.apiguardian.api.API;

/**
 * How well a language model over bytes predicts a stretch of a text: the mean of the negative
 * binary logarithm of the probability that it gave to each byte, which is the size in bits per byte
 * to which an arithmetic coder would compress the stretch.
 *
 * <p>Each byte is scored once, from at least {@code context} bytes before it, or all where there
 * are fewer, and at most {@code context + stride - 1}: a window of that many bytes is run for each
 * {@code stride} bytes. The first byte of a text, before which there is nothing, counts as 8 bits.
 *
 * @param context the least number of bytes that a byte is predicted from
 * @param stride the bytes that a window scores
 * @param batch the windows that run at once
 */
@API(status = API.Status.EXPERIMENTAL)
public record BitsPerByte(int context, int stride, int batch) {

    private static final double FIRST_BYTE_BITS = 8;

    /**
     * Checks the settings.
     *
     * @throws IllegalArgumentException if one is out of its range
     */
    public BitsPerByte {
        SettingsCheck.require(context >= 1, "the context", context, "at least 1");
        SettingsCheck.require(stride >= 1, "the stride", stride, "at least 1");
        SettingsCheck.require(batch >= 1, "the batch", batch, "at least 1");
    }

    /**
     * Returns the settings that suit a model: windows as long as those that it was trained on, half
     * of which is context.
     *
     * @param length the bytes of a window in training
     * @return the settings
     */
    public static BitsPerByte forLength(int length) {
        int context = Math.max(1, length / 2);
        return new BitsPerByte(context, Math.max(1, length - context), 16);
    }

    /**
     * Measures a model.
     *
     * @param model the model, whose vocabulary are the 256 values of a byte
     * @param parent where the arrays on the way belong; all are closed
     * @param text the text
     * @param from the offset of the first byte that is scored
     * @param to the offset after the last one
     * @param progress is told the bytes that are done; null for none
     * @return the mean over the scored bytes
     * @throws IllegalArgumentException if the stretch is empty or not inside of the text, or the
     *     model is not one over bytes
     */
    public double measure(
            LanguageModel model,
            NDManager parent,
            byte[] text,
            int from,
            int to,
            Progress progress) {
        if (from < 0 || to > text.length || from >= to) {
            throw new IllegalArgumentException(
                    "bytes "
                            + from
                            + " to "
                            + to
                            + " are to be scored, but the text has "
                            + text.length
                            + "; expected a stretch of one byte or more inside of it");
        }
        if (model.options().vocabularySize() != ByteModelSettings.VOCABULARY_SIZE) {
            throw new IllegalArgumentException(
                    "the model has a vocabulary of "
                            + model.options().vocabularySize()
                            + " tokens; expected the 256 values of a byte");
        }
        if (progress != null) {
            progress.reset("Scoring", to - (long) from);
        }
        double bits = from == 0 ? FIRST_BYTE_BITS : 0;
        int next = Math.max(from, 1);
        // Windows near the start of the text have less context than the others: one at a time.
        while (next < to) {
            int size = Math.min(stride, to - next);
            int before = Math.min(context, next);
            int rows = 1;
            if (before == context && size == stride) {
                rows = Math.max(1, Math.min(batch, (to - next) / stride));
            }
            bits += score(model, parent, text, next, before, size, rows);
            next += rows * size;
            if (progress != null) {
                progress.update(next - (long) from);
            }
        }
        return bits / (to - from);
    }

    /** Scores as many stretches one after the other as there are rows. */
    private static double score(
            LanguageModel model,
            NDManager parent,
            byte[] text,
            int from,
            int before,
            int size,
            int rows) {
        // The byte before each scored one predicts it, so the last one is not run.
        int length = before + size - 1;
        long[] ids = new long[rows * length];
        long[] next = new long[rows * size];
        for (int row = 0; row < rows; row++) {
            int first = from + row * size;
            for (int i = 0; i < length; i++) {
                ids[row * length + i] = Byte.toUnsignedLong(text[first - before + i]);
            }
            for (int i = 0; i < size; i++) {
                next[row * size + i] = Byte.toUnsignedLong(text[first + i]);
            }
        }
        try (NDManager manager = parent.newSubManager()) {
            return GradientMode.off(
                    () -> {
                        ParameterStore store = new ParameterStore(manager, false);
                        NDArray logits =
                                model.run(
                                                store,
                                                manager.create(ids, new Shape(rows, length)),
                                                null,
                                                LanguageModel.Positions.ALL,
                                                false,
                                                false)
                                        .logits();
                        NDArray scored = logits.get(new NDIndex(":, {}:", before - 1));
                        NDArray labels = manager.create(next, new Shape(rows, size, 1));
                        NDArray nats = scored.logSoftmax(-1).gather(labels, 2).neg();
                        double sum = 0;
                        for (float value : nats.toFloatArray()) {
                            sum += value;
                        }
                        return sum / Math.log(2);
                    });
        }
    }
}
