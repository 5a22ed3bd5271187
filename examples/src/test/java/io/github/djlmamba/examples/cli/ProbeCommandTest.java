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
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.djlmamba.icl.probe.ProbeReport;
import io.github.djlmamba.icl.probe.ProbeTable;
import java.awt.image.BufferedImage;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Runs the probes as a user types them, on small random checkpoints that are read as bytes. */
class ProbeCommandTest {

    private static final Path CHECKPOINTS =
            Path.of("..", "djl-hybrid-zoo/src/test/resources/io/github/djlmamba/zoo/huggingface");

    @TempDir private Path folder;

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    private static String model(String checkpoint) {
        return "hf:"
                + CHECKPOINTS.resolve(checkpoint).toAbsolutePath().normalize()
                + "?tokenizer=bytes";
    }

    @ParameterizedTest
    @ValueSource(strings = {"mamba", "mamba2", "jamba", "zamba2"})
    void phonebooksMakeATableAFileAndAPlot(String checkpoint) throws Exception {
        assertEquals(
                0,
                run(
                        "phonebook",
                        "--model",
                        model(checkpoint),
                        "--lengths",
                        "6,3",
                        "--samples",
                        "5",
                        "--seed",
                        "4",
                        "--out",
                        folder.toString()),
                err::toString);
        ProbeReport report = report();
        assertEquals("phonebook", report.probe());
        assertEquals(checkpoint, report.model());
        assertEquals("entries", report.unit());
        assertEquals(5, report.samples());
        assertEquals(4, report.seed());
        assertEquals(List.of(3, 6), report.cells().stream().map(ProbeReport.Cell::length).toList());
        // An entry has about 26 bytes, an example too.
        assertEquals(3 * 26 + 2 * 26 + 15, report.cells().get(0).tokens(), 15);
        assertEquals(
                ProbeTable.render(report) + "Plot: " + folder.resolve("plot.png") + "\n",
                out.toString().replace("\r\n", "\n"));
        assertPlot();
    }

    @Test
    void reversedPhonebooksByTokensAndDepthAsJson() throws Exception {
        assertEquals(
                0,
                run(
                        "phonebook",
                        "--model",
                        model("mamba2"),
                        "--reversed",
                        "--tokens",
                        "--lengths",
                        "600",
                        "--depths",
                        "0,1",
                        "--samples",
                        "2",
                        "--examples",
                        "1",
                        "--json",
                        "--out",
                        folder.toString()),
                err::toString);
        ProbeReport report = ProbeReport.fromJson(out.toString());
        assertEquals(report(), report);
        assertEquals("phonebook-reversed", report.probe());
        assertEquals("tokens", report.unit());
        assertEquals(
                List.of(0.0, 1.0), report.cells().stream().map(ProbeReport.Cell::depth).toList());
        for (ProbeReport.Cell cell : report.cells()) {
            assertTrue(cell.tokens() > 560 && cell.tokens() <= 600, cell.tokens() + " tokens");
        }
        assertPlot();
    }

    @Test
    void needlesMakeAGrid() throws Exception {
        Path filler = folder.resolve("filler.txt");
        Files.writeString(filler, "It rains. It pours. The old man is snoring.");
        assertEquals(
                0,
                run(
                        "needle",
                        "--model",
                        model("mamba"),
                        "--lengths",
                        "400,300",
                        "--depths",
                        "0.5,0",
                        "--samples",
                        "3",
                        "--filler",
                        filler.toString(),
                        "--out",
                        folder.toString()),
                err::toString);
        ProbeReport report = report();
        assertEquals("needle", report.probe());
        assertEquals(4, report.cells().size());
        // A sentence of this filler has at most 24 characters: so near comes a prompt.
        assertEquals(288, report.cells().get(0).tokens(), 12);
        assertTrue(out.toString().contains("contains by depth and tokens"), out.toString());
        assertPlot();
    }

    @Test
    void whatCannotBeDoneIsOneLine() throws Exception {
        String model = model("mamba");
        assertFailure(
                "has no tokenizer",
                "phonebook",
                "--model",
                CHECKPOINTS.resolve("mamba").toString());
        assertFailure("no-such-model", "needle", "--model", "no-such-model");
        assertFailure("from 3 to", "phonebook", "--model", model, "--lengths", "2");
        assertFailure("given twice", "phonebook", "--model", model, "--lengths", "5,5");
        assertFailure("depth", "needle", "--model", model, "--depths", "2");
        assertFailure("The shortest prompt", "needle", "--model", model, "--lengths", "9");
        assertFailure("samples", "needle", "--model", model, "--samples", "0");
        assertFailure("there is no file", "needle", "--model", model, "--filler", "nothing.txt");
        Path latin = folder.resolve("latin.txt");
        Files.write(latin, "Ein Übel.".getBytes(StandardCharsets.ISO_8859_1));
        assertFailure("no text in UTF-8", "needle", "--model", model, "--filler", latin.toString());
        Path empty = Files.createFile(folder.resolve("empty.txt"));
        assertFailure("blank", "needle", "--model", model, "--filler", empty.toString());
        assertEquals(2, run("needle", "--lengths", "many"));
        assertEquals(2, run());
        assertEquals("", out.toString());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "phonebook", "needle"})
    void everyCommandHasHelp(String command) {
        assertEquals(0, run((command + " --help").trim().split(" ")), err::toString);
        assertTrue(out.toString().startsWith("Usage: djl-mamba probe"), out.toString());
    }

    private ProbeReport report() throws Exception {
        return ProbeReport.fromJson(Files.readString(folder.resolve("report.json")));
    }

    private void assertPlot() throws Exception {
        BufferedImage image = ImageIO.read(folder.resolve("plot.png").toFile());
        assertEquals(1600, image.getWidth());
    }

    private void assertFailure(String part, String... arguments) {
        err.getBuffer().setLength(0);
        assertEquals(1, run(arguments), err::toString);
        assertEquals(1, err.toString().lines().count(), err::toString);
        assertTrue(err.toString().startsWith("error: "), err.toString());
        assertTrue(err.toString().contains(part), err.toString());
    }

    private int run(String... arguments) {
        String[] all = new String[arguments.length + 1];
        all[0] = "probe";
        System.arraycopy(arguments, 0, all, 1, arguments.length);
        return DjlMamba.run(new PrintWriter(out, true), new PrintWriter(err, true), all);
    }
}
