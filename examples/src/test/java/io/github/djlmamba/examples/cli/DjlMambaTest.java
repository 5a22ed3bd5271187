/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.github.djlmamba.icl.evaluation.IclReport;
import io.github.djlmamba.zoo.icl.InContextModels;
import io.github.djlmamba.zoo.safetensors.SafetensorsFile;
import io.github.djlmamba.zoo.safetensors.SafetensorsWriter;
import java.awt.image.BufferedImage;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Runs the commands as a user types them, in this JVM. */
class DjlMambaTest {

    private static final int DIMS = 8;
    private static final int POINTS = 17;

    @TempDir private Path folder;

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @Test
    void evalPrintsATableAndDrawsAPlot() throws Exception {
        Path results = folder.resolve("results");
        assertEquals(
                0,
                run("icl", "eval", "--prompts", "64", "--out", results.toString()),
                err::toString);
        List<String> lines = out.toString().lines().toList();
        assertTrue(lines.get(0).contains("linear-regression, d = 8, 64 prompts"), lines.get(0));
        assertTrue(lines.get(1).contains("least-squares"), lines.get(1));
        assertEquals(2 + POINTS + 1, lines.size());
        BufferedImage plot = ImageIO.read(results.resolve("curve.png").toFile());
        assertTrue(plot.getWidth() >= 800 && plot.getHeight() >= 500);
        IclReport report = IclReport.fromJson(Files.readString(results.resolve("report.json")));
        assertEquals(InContextModels.DEFAULT, report.model());
        assertEquals(POINTS, report.curve().size());
    }

    @Test
    void evalAsJsonPrintsNothingElse() {
        assertEquals(
                0,
                run(
                        "icl",
                        "eval",
                        "--prompts",
                        "32",
                        "--seed",
                        "5",
                        "--json",
                        "--out",
                        folder.toString()),
                err::toString);
        JsonObject report = JsonParser.parseString(out.toString()).getAsJsonObject();
        assertEquals(
                Set.of("task", "model", "dims", "points", "prompts", "seed", "metric", "curve"),
                report.keySet());
        assertEquals(5, report.get("seed").getAsInt());
    }

    @Test
    void sampledPromptsCanBePredicted() throws Exception {
        Path prompts = folder.resolve("prompts.safetensors");
        Path predictions = folder.resolve("predictions.safetensors");
        sample(prompts, 70);
        assertEquals(0, predict(prompts, predictions), err::toString);
        float[] before = read(predictions, "predictions", new Shape(70, POINTS));

        int changedFrom = 9;
        Path changed = folder.resolve("changed.safetensors");
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafetensorsFile file = SafetensorsFile.open(prompts)) {
            NDArray ys = file.read("ys", manager);
            float[] values = ys.toFloatArray();
            for (int i = 0; i < values.length; i++) {
                if (i % POINTS >= changedFrom) {
                    values[i] += 3;
                }
            }
            NDArray replaced = manager.create(values, ys.getShape());
            SafetensorsWriter.builder()
                    .addTensor("xs", file.read("xs", manager))
                    .addTensor("ys", replaced)
                    .build()
                    .write(changed);
        }
        assertEquals(0, predict(changed, predictions), err::toString);
        float[] after = read(predictions, "predictions", new Shape(70, POINTS));
        for (int prompt = 0; prompt < 70; prompt++) {
            int from = prompt * POINTS;
            assertArrayEquals(
                    Arrays.copyOfRange(before, from, from + changedFrom + 1),
                    Arrays.copyOfRange(after, from, from + changedFrom + 1));
            assertNotEquals(before[from + POINTS - 1], after[from + POINTS - 1]);
        }
        assertEquals("", out.toString());
    }

    @ParameterizedTest
    @ValueSource(strings = {"mambaformer", "mamba", "transformer", "hybrid", "M*-"})
    void trainedModelsCanBeEvaluated(String model) {
        String run = folder.resolve("run").toString();
        String[] train = {
            "icl",
            "train",
            "--model",
            model,
            "--d-model",
            "16",
            "--layers",
            "2",
            "--heads",
            "2",
            "--dims",
            "3",
            "--steps",
            "100",
            "--batch",
            "4",
            "--out",
            run
        };
        assertEquals(0, run(train), err::toString);
        assertTrue(Files.exists(folder.resolve("run/training-record.json")));
        assertEquals(
                0,
                run("icl", "eval", "--model", run, "--prompts", "8", "--out", run),
                err::toString);
        assertTrue(out.toString().contains("d = 3"), out.toString());

        assertEquals(1, run(train));
        assertTrue(err.toString().contains("holds a run already"), err.toString());
        String[] resume = Arrays.copyOf(train, train.length + 1);
        resume[train.length] = "--resume";
        assertEquals(0, run(resume), err::toString);
    }

    @Test
    void failuresAreOneLine() throws Exception {
        Path garbage = folder.resolve("garbage.safetensors");
        Files.writeString(garbage, "this is no tensor");
        Path other = folder.resolve("other.safetensors");
        assertEquals(
                0,
                run(
                        "icl",
                        "sample",
                        "--task",
                        "linear-regression",
                        "--seed",
                        "1",
                        "--dims",
                        "5",
                        "--points",
                        "6",
                        "--output",
                        other.toString()),
                err::toString);
        String result = folder.resolve("result.safetensors").toString();
        assertFailure(
                "which holds mambaformer-linear-regression", "icl", "eval", "--model", "nothing");
        assertFailure("no task called nothing", "icl", "eval", "--task", "nothing");
        assertFailure(
                "missing.safetensors",
                "icl",
                "predict",
                "--input",
                "missing.safetensors",
                "--output",
                result);
        assertFailure(
                "is no safetensors file",
                "icl",
                "predict",
                "--input",
                garbage.toString(),
                "--output",
                result);
        assertFailure(
                "the model takes 8",
                "icl",
                "predict",
                "--input",
                other.toString(),
                "--output",
                result);
        assertFailure("prompts must be at least 1", "icl", "eval", "--prompts", "0");
        assertFailure(
                "neither mambaformer",
                "icl",
                "train",
                "--model",
                "lstm",
                "--out",
                folder.resolve("lstm").toString());
        assertFalse(Files.exists(Path.of(result)));
    }

    @Test
    void verboseShowsWhereAnErrorComesFrom() {
        assertEquals(1, run("icl", "eval", "--model", "nothing", "--verbose"));
        assertTrue(err.toString().contains("\tat io.github.djlmamba"), err.toString());
    }

    @Test
    void wrongArgumentsShowTheUsage() {
        assertEquals(2, run("icl", "sample"));
        assertTrue(err.toString().contains("Missing required options"), err.toString());
        assertEquals(2, run());
        assertEquals(2, run("icl"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "icl",
                "icl eval",
                "icl sample",
                "icl predict",
                "icl train",
                "bench",
                "bench ops",
                "bench train",
                "models",
                "models bundle",
                "text",
                "text train",
                "text eval",
                "doctor"
            })
    void everyCommandHasHelp(String command) {
        String[] words = (command + " --help").trim().split(" ");
        assertEquals(0, run(words), err::toString);
        assertTrue(out.toString().startsWith("Usage: djl-mamba"), out.toString());
    }

    @Test
    void modelsAndDoctorSayWhatIsThere() {
        assertEquals(0, run("models"), err::toString);
        assertTrue(out.toString().contains(InContextModels.DEFAULT), out.toString());
        assertEquals(0, run("doctor"), err::toString);
        assertTrue(out.toString().contains("PyTorch 2."), out.toString());
        assertTrue(out.toString().contains("reference"), out.toString());
    }

    private void assertFailure(String part, String... arguments) {
        err.getBuffer().setLength(0);
        assertEquals(1, run(arguments));
        List<String> lines = err.toString().lines().toList();
        assertEquals(1, lines.size(), err::toString);
        assertTrue(lines.get(0).startsWith("error: "), lines.get(0));
        assertTrue(lines.get(0).contains(part), lines.get(0));
    }

    private void sample(Path file, int prompts) {
        assertEquals(
                0,
                run(
                        "icl",
                        "sample",
                        "--task",
                        "linear-regression",
                        "--seed",
                        "3",
                        "--prompts",
                        Integer.toString(prompts),
                        "--dims",
                        Integer.toString(DIMS),
                        "--points",
                        Integer.toString(POINTS),
                        "--output",
                        file.toString()),
                err::toString);
    }

    private int predict(Path input, Path output) {
        return run("icl", "predict", "--input", input.toString(), "--output", output.toString());
    }

    private static float[] read(Path file, String name, Shape shape) throws Exception {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafetensorsFile tensors = SafetensorsFile.open(file)) {
            NDArray array = tensors.read(name, manager);
            assertEquals(shape, array.getShape());
            return array.toFloatArray();
        }
    }

    private int run(String... arguments) {
        return DjlMamba.run(new PrintWriter(out, true), new PrintWriter(err, true), arguments);
    }
}
