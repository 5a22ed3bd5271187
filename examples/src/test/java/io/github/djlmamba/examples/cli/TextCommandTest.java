/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.github.djlmamba.zoo.language.ByteModelRecord;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs the commands of byte-level models as a user types them, in this JVM. */
class TextCommandTest {

    @TempDir private Path folder;

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @Test
    void aTextIsLearntMeasuredContinuedAndBundled() throws Exception {
        Path text = folder.resolve("text");
        Files.writeString(text, "The quick brown fox jumps over the lazy dog. ".repeat(60));
        Path run = folder.resolve("fox");
        List<String> train =
                new ArrayList<>(
                        List.of(
                                ("text train --text " + text + " --out " + run)
                                        .concat(" --pattern M*- --d-model 32 --state-size 16")
                                        .concat(" --state-head-size 16 --heads 4")
                                        .concat(" --key-value-heads 2 --steps 100 --batch 8")
                                        .concat(" --length 64 --lr 1e-2 --seed 3")
                                        .concat(" --validation-interval 50")
                                        .split(" ")));
        train.addAll(List.of("--text-source", "a pangram, repeated", "--note", "a test"));
        assertEquals(0, run(train.toArray(String[]::new)), err::toString);
        assertTrue(out.toString().startsWith("100 steps in "), out.toString());
        ByteModelRecord record = record(run);
        assertTrue(record.command().contains(" --pattern 'M*-' "), record.command());
        assertEquals("a pangram, repeated", record.textSource());
        assertNull(record.evaluation());
        assertEquals(1, record.losses().size());

        assertEquals(
                0,
                run(
                        "text",
                        "eval",
                        "--model",
                        run.toString(),
                        "--text",
                        text.toString(),
                        "--context",
                        "32",
                        "--stride",
                        "32",
                        "--record",
                        "--json"),
                err::toString);
        JsonObject figures = JsonParser.parseString(out.toString()).getAsJsonObject();
        double bits = figures.get("bitsPerByte").getAsDouble();
        assertTrue(bits < 2, out.toString());
        assertEquals(bits, record(run).evaluation().bitsPerByte());

        assertEquals(
                0,
                run(
                        "generate",
                        "--model",
                        run.toString(),
                        "--prompt",
                        "The quick brown ",
                        "--max-new-tokens",
                        "3"),
                err::toString);
        assertEquals("fox", out.toString().strip());

        Path bundled = folder.resolve("bundled");
        assertEquals(
                0,
                run(
                        "models",
                        "bundle",
                        run.toString(),
                        "--description",
                        "Knows a fox.",
                        "--output",
                        bundled.toString()),
                err::toString);
        assertEquals(List.of("fox"), Files.readAllLines(bundled.resolve("index.txt")));
        for (String file :
                List.of(
                        "metadata.json",
                        "config.json",
                        "model.safetensors",
                        ByteModelRecord.FILE)) {
            assertTrue(Files.size(bundled.resolve("fox").resolve(file)) > 0, file);
        }
    }

    @Test
    void compressedSizesAreThoseOfXz() throws Exception {
        // Random bytes do not compress; the same ones again take next to nothing.
        byte[] random = new byte[20_000];
        new Random(5).nextBytes(random);
        byte[] twice = Arrays.copyOf(random, 40_000);
        System.arraycopy(random, 0, twice, 20_000, 20_000);
        Double all = XzBaseline.bitsPerByte(random, 0);
        assumeTrue(all != null, "the program xz is not installed");
        assertEquals(8, all, 0.1);
        assertTrue(XzBaseline.bitsPerByte(twice, 20_000) < 0.5);
    }

    @Test
    void whatIsWrongIsSaid() throws Exception {
        Path text = folder.resolve("text");
        Files.writeString(text, "too short");
        assertEquals(1, run("text", "train", "--text", text.toString(), "--out", folder + "/run"));
        assertTrue(err.toString().contains("shorter windows"), err.toString());
        assertEquals(1, run("text", "train", "--text", folder + "/none"));
        assertTrue(err.toString().contains("there is no file"), err.toString());
        assertEquals(1, run("text", "eval", "--text", text.toString(), "--model", "none"));
        assertTrue(err.toString().contains("\"none\" is neither"), err.toString());
        assertEquals(2, run("text", "eval"));
        assertEquals(2, run("text"));
    }

    private static ByteModelRecord record(Path run) throws Exception {
        return ByteModelRecord.fromJson(
                Files.readString(run.resolve(ByteModelRecord.FILE), StandardCharsets.UTF_8));
    }

    private int run(String... arguments) {
        out.getBuffer().setLength(0);
        err.getBuffer().setLength(0);
        return DjlMamba.run(new PrintWriter(out, true), new PrintWriter(err, true), arguments);
    }
}
