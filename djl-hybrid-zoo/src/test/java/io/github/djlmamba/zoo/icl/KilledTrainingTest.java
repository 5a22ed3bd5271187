/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.icl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDList;
import ai.djl.training.Trainer;
import ai.djl.training.listener.TrainingListenerAdapter;
import io.github.djlmamba.ops.GradientMode;
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.training.AdamTrainer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/**
 * Kills training processes by a signal that they cannot catch, goes on from what they leave, and
 * compares with a run that nobody has killed: each step's loss, and the last checkpoint with its
 * parameters and moments, to the last bit.
 */
@EnabledOnOs(value = OS.LINUX, disabledReason = "kills processes by SIGKILL")
class KilledTrainingTest {

    private static final boolean LONG = Boolean.getBoolean("djlmamba.test.long");
    private static final String LOSSES = "every-loss.txt";
    private static final int STEPS = LONG ? 2000 : 250;
    private static final int KILLS = LONG ? 12 : 2;
    private static final int KILLED = 128 + 9;

    @TempDir private Path folder;

    @Test
    void aKilledRunGivesWhatAnUninterruptedOneGives() throws Exception {
        long seed = System.nanoTime();
        System.out.println("KilledTrainingTest: seed " + seed);
        Random random = new Random(seed);
        Path whole = folder.resolve("whole");
        assertEquals(0, finish(start(whole, 7)));

        Path broken = folder.resolve("broken");
        for (int kill = 0; kill < KILLS; kill++) {
            // At any step, and at any point of it.
            int step = lastStep(broken) + 1 + random.nextInt(STEPS / (KILLS + 1));
            Process process = start(broken, 7);
            killWhen(process, () -> lastStep(broken) >= step);
            Thread.sleep(0, random.nextInt(1_000_000));
        }
        killInsideOfACheckpoint(broken);
        assertEquals(0, finish(start(broken, 7)));

        assertEquals(losses(whole), losses(broken));
        assertEquals(STEPS, losses(whole).size());
        assertArrayEquals(
                Files.readAllBytes(whole.resolve(InContextTraining.CHECKPOINT)),
                Files.readAllBytes(broken.resolve(InContextTraining.CHECKPOINT)),
                "seed " + seed);
        assertArrayEquals(
                Files.readAllBytes(whole.resolve(InContextModels.PARAMETERS)),
                Files.readAllBytes(broken.resolve(InContextModels.PARAMETERS)),
                "seed " + seed);
        assertFalse(hasPartialFile(broken), "a partial file is left");
    }

    /** Kills while a checkpoint is being written; its partial file must be there. */
    private static void killInsideOfACheckpoint(Path run) throws Exception {
        for (int attempt = 0; attempt < 20; attempt++) {
            Process process = start(run, 1);
            assertTrue(
                    killWhen(process, () -> hasPartialFile(run)),
                    "the run ended before it was killed inside of a checkpoint");
            if (hasPartialFile(run)) {
                return;
            }
        }
        throw new AssertionError("no kill came while a checkpoint was being written");
    }

    private static Process start(Path run, int checkpointInterval) throws IOException {
        ProcessBuilder builder =
                new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx256m",
                        "-Dai.djl.offline=true",
                        "-DOPT_OUT_TRACKING=true",
                        "-Dai.djl.pytorch.num_threads=" + (LONG ? 2 : 1),
                        "-cp",
                        System.getProperty("java.class.path"),
                        KilledTrainingTest.class.getName(),
                        run.toString(),
                        Integer.toString(checkpointInterval));
        // Two processes that have nothing in common may time the products differently.
        builder.environment().put("DJLMAMBA_LINEAR", "aten,float32");
        return builder.inheritIO().start();
    }

    private static int finish(Process process) throws InterruptedException {
        if (!process.waitFor(5, TimeUnit.MINUTES)) {
            process.destroyForcibly();
        }
        return process.waitFor();
    }

    /** Kills a process as soon as a condition holds; returns whether that came before its end. */
    private static boolean killWhen(Process process, Condition condition) throws Exception {
        try {
            while (process.isAlive() && !condition.holds()) {
                LockSupport.parkNanos(100_000);
            }
        } finally {
            process.destroyForcibly();
        }
        return process.waitFor() == KILLED;
    }

    private static int lastStep(Path run) throws IOException {
        Path file = run.resolve(LOSSES);
        if (!Files.exists(file)) {
            return 0;
        }
        String text = Files.readString(file);
        List<String> lines = text.substring(0, text.lastIndexOf('\n') + 1).lines().toList();
        return lines.isEmpty() ? 0 : Integer.parseInt(lines.get(lines.size() - 1).split(" ")[0]);
    }

    /** The loss of each step; a step that was taken twice must have had the same one twice. */
    private static Map<Integer, String> losses(Path run) throws IOException {
        Map<Integer, String> losses = new TreeMap<>();
        for (String line : Files.readAllLines(run.resolve(LOSSES))) {
            String[] fields = line.split(" ");
            String before = losses.put(Integer.parseInt(fields[0]), fields[1]);
            assertTrue(before == null || before.equals(fields[1]), "again step " + line);
        }
        return losses;
    }

    private static boolean hasPartialFile(Path run) throws IOException {
        if (!Files.isDirectory(run)) {
            return false;
        }
        try (Stream<Path> files = Files.list(run)) {
            return files.anyMatch(file -> file.toString().endsWith(".part"));
        }
    }

    /** Runs the training that is killed: the folder, then the steps between two checkpoints. */
    public static void main(String[] arguments) throws Exception {
        Path run = Path.of(arguments[0]);
        Files.createDirectories(run);
        new InContextTraining(
                        new InContextTrainingSettings(
                                new InContextSettings("mambaformer", 2, 2, 6, 32, 4, 8),
                                "linear-regression",
                                STEPS,
                                8,
                                1e-3,
                                1e-4,
                                20,
                                1,
                                3,
                                Integer.parseInt(arguments[1]),
                                Precision.FLOAT32),
                        run,
                        new LossWriter(run.resolve(LOSSES)))
                .run(true);
    }

    /** Something that is waited for. */
    private interface Condition {

        boolean holds() throws IOException;
    }

    /** Writes the bits of each step's loss. */
    private static final class LossWriter extends TrainingListenerAdapter {

        private final Path file;

        LossWriter(Path file) {
            this.file = file;
        }

        @Override
        public void onTrainingBatch(Trainer trainer, BatchData batchData) {
            NDList labels = batchData.getLabels().values().iterator().next();
            NDList predictions = batchData.getPredictions().values().iterator().next();
            float loss =
                    GradientMode.off(
                            () -> trainer.getLoss().evaluate(labels, predictions).getFloat());
            long step = ((AdamTrainer) trainer).getSteps() + 1;
            String line = step + " " + Integer.toHexString(Float.floatToRawIntBits(loss)) + "\n";
            try {
                Files.writeString(file, line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
