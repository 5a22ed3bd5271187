/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.training;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.training.Trainer;
import ai.djl.training.listener.TrainingListenerAdapter;
import io.github.djlmamba.ops.GradientMode;
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
import java.util.Map;
import java.util.stream.IntStream;
import org.apiguardian.api.API;

/**
 * The losses of a run: the mean over each {@value #INTERVAL} steps, appended to a file as they
 * come. Not thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class TrainingHistory extends TrainingListenerAdapter {

    /** The number of steps that each entry is a mean over. */
    public static final int INTERVAL = 100;

    /** About how many entries a curve has. */
    private static final int CURVE = 100;

    private static final String SUM = "history.sum";
    private static final String COUNT = "history.count";
    private static final String HEADING = "step,loss,gradient_norm,learning_rate,seconds";

    private final Path file;
    private final List<Entry> entries = new ArrayList<>();
    private double sum;
    private int count;
    private double latest;
    private long latestStep;
    private double secondsBefore;
    private long start = System.nanoTime();

    /**
     * Creates the losses of a run.
     *
     * @param file the file that they are appended to
     */
    public TrainingHistory(Path file) {
        this.file = file;
    }

    /**
     * Returns the losses so far.
     *
     * @return the entries, in order
     */
    public List<Entry> entries() {
        return List.copyOf(entries);
    }

    /**
     * Returns as many of the losses as a curve needs: about a hundred, the last one among them.
     *
     * @return every so-manieth entry, in order
     */
    public List<Entry> curve() {
        int stride = Math.max(1, entries.size() / CURVE);
        return IntStream.range(0, entries.size())
                .filter(i -> (i + 1) % stride == 0 || i == entries.size() - 1)
                .mapToObj(entries::get)
                .toList();
    }

    /**
     * Returns the time that the run has taken, breaks left out.
     *
     * @return the time in seconds
     */
    public double seconds() {
        return secondsBefore + (System.nanoTime() - start) / 1e9;
    }

    /**
     * Returns what a run needs, beside the entries, to go on after the given number of steps: the
     * sum of the losses since the last entry.
     */
    Map<String, String> notes(long steps) {
        if (latestStep <= steps) {
            takeLatest();
        }
        return Map.of(SUM, Double.toString(sum), COUNT, Integer.toString(count));
    }

    /** Keeps the entries of an earlier part of the run up to the step that it goes on from. */
    void resumeAt(long steps, Map<String, String> notes) throws IOException {
        sum = Double.parseDouble(notes.getOrDefault(SUM, "0"));
        count = Integer.parseInt(notes.getOrDefault(COUNT, "0"));
        latestStep = 0;
        List<String> kept = new ArrayList<>(List.of(HEADING));
        if (steps > 0 && Files.exists(file)) {
            for (String line : wholeLines(Files.readString(file))) {
                if (!line.equals(HEADING)) {
                    Entry entry = Entry.parse(line);
                    if (entry.step <= steps) {
                        kept.add(line);
                        entries.add(entry);
                        secondsBefore = entry.seconds;
                    }
                }
            }
        }
        String text = String.join("\n", kept) + "\n";
        AtomicFile.write(file, out -> out.write(text.getBytes(StandardCharsets.UTF_8)));
        start = System.nanoTime();
    }

    /**
     * Adds the latest loss to the sum, which begins again after each entry. It is kept apart until
     * its step is completed: the listener runs before that, and a checkpoint may come in between.
     */
    private void takeLatest() {
        if (latestStep % INTERVAL != 0) {
            sum += latest;
            count++;
        } else if (latestStep > 0) {
            sum = 0;
            count = 0;
        }
        latestStep = 0;
    }

    /** The lines up to the last line feed: a run that was killed may have left half a line. */
    private static List<String> wholeLines(String text) {
        return text.substring(0, text.lastIndexOf('\n') + 1).lines().toList();
    }

    /** {@inheritDoc} */
    @Override
    public void onTrainingBatch(Trainer trainer, BatchData batchData) {
        AdamTrainer adamTrainer = (AdamTrainer) trainer;
        takeLatest();
        latest = loss(trainer, batchData);
        latestStep = adamTrainer.getSteps() + 1;
        if (latestStep % INTERVAL == 0) {
            Entry entry =
                    new Entry(
                            latestStep,
                            (sum + latest) / (count + 1),
                            adamTrainer.getGradientNorm(),
                            adamTrainer.learningRate(),
                            seconds());
            entries.add(entry);
            try {
                Files.writeString(file, entry.line() + "\n", StandardOpenOption.APPEND);
            } catch (IOException e) {
                throw new UncheckedIOException("cannot write the losses to " + file, e);
            }
        }
    }

    private static double loss(Trainer trainer, BatchData batchData) {
        NDList labels = batchData.getLabels().values().iterator().next();
        NDList predictions = batchData.getPredictions().values().iterator().next();
        return GradientMode.off(
                () -> {
                    try (NDArray loss = trainer.getLoss().evaluate(labels, predictions)) {
                        return (double) loss.getFloat();
                    }
                });
    }

    /**
     * One entry.
     *
     * @param step the last step that it covers, from 1
     * @param loss the mean loss of the steps
     * @param gradientNorm the gradient norm before clipping, one step earlier
     * @param learningRate the learning rate of the step
     * @param seconds the time since the run began, breaks left out
     */
    public record Entry(
            long step, double loss, double gradientNorm, double learningRate, double seconds) {

        private String line() {
            return String.format(
                    Locale.ROOT,
                    "%d,%.6g,%.4g,%.4g,%.1f",
                    step,
                    loss,
                    gradientNorm,
                    learningRate,
                    seconds);
        }

        private static Entry parse(String line) throws IOException {
            String[] fields = line.split(",");
            try {
                return new Entry(
                        Long.parseLong(fields[0]),
                        Double.parseDouble(fields[1]),
                        Double.parseDouble(fields[2]),
                        Double.parseDouble(fields[3]),
                        Double.parseDouble(fields[4]));
            } catch (IndexOutOfBoundsException | NumberFormatException e) {
                throw new IOException("this is no line of a run's losses: " + line, e);
            }
        }
    }
}
