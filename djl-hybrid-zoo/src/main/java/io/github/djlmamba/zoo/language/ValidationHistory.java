/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.language;

import ai.djl.training.Trainer;
import ai.djl.training.listener.TrainingListenerAdapter;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.training.AdamTrainer;
import io.github.djlmamba.training.AtomicFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Measures the model on the validation part of a text at intervals, and appends the bits per byte
 * to a file by the number of completed steps. DJL calls listeners before a batch's step, so what is
 * measured are the parameters after the steps before it. Not thread safe.
 */
final class ValidationHistory extends TrainingListenerAdapter {

    private static final String HEADING = "step,bits_per_byte";

    private final Path file;
    private final ByteText text;
    private final long interval;
    private final long last;
    private final BitsPerByte measure;
    private boolean begun;

    ValidationHistory(Path file, ByteText text, long interval, long last, BitsPerByte measure) {
        this.file = file;
        this.text = text;
        this.interval = interval;
        this.last = last;
        this.measure = measure;
    }

    /**
     * Keeps the lines of an earlier part of the run up to the step that it goes on from. The
     * trainer tells that it begins when it is made, before a checkpoint is restored, which is too
     * early.
     */
    private void begin(long steps) {
        if (begun) {
            return;
        }
        begun = true;
        List<String> kept = new ArrayList<>(List.of(HEADING));
        try {
            if (steps > 0 && Files.exists(file)) {
                String lines = Files.readString(file);
                // A run that was killed may have left half a line.
                lines.substring(0, lines.lastIndexOf('\n') + 1)
                        .lines()
                        .filter(line -> !line.equals(HEADING))
                        .filter(line -> Long.parseLong(line.split(",")[0]) < steps)
                        .forEach(kept::add);
            }
            AtomicFile.write(
                    file,
                    out ->
                            out.write(
                                    (String.join("\n", kept) + "\n")
                                            .getBytes(StandardCharsets.UTF_8)));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + file, e);
        }
    }

    /** {@inheritDoc} */
    @Override
    public void onTrainingBatch(Trainer trainer, BatchData batchData) {
        long steps = ((AdamTrainer) trainer).getSteps();
        begin(steps);
        if (steps > 0 && steps % interval == 0) {
            append(trainer, steps);
        }
    }

    /** {@inheritDoc} */
    @Override
    public void onTrainingEnd(Trainer trainer) {
        // A run that is broken off ends here too, and has nothing to show yet.
        if (((AdamTrainer) trainer).getSteps() == last) {
            begin(last);
            append(trainer, last);
        }
    }

    private void append(Trainer trainer, long steps) {
        double bits =
                measure.measure(
                        (LanguageModel) trainer.getModel().getBlock(),
                        trainer.getManager(),
                        text.shared(),
                        Math.toIntExact(text.parts().validationFrom()),
                        Math.toIntExact(text.parts().heldOutFrom()),
                        null);
        try {
            Files.writeString(
                    file,
                    String.format(Locale.ROOT, "%d,%.4f\n", steps, bits),
                    StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + file, e);
        }
    }
}
