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

import io.github.djlmamba.icl.evaluation.IclReport;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Holds the README to what the commands print. */
class ReadmeTest {

    @TempDir private Path folder;

    @Test
    void resultsAreThoseOfTheFirstCommand() throws Exception {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        int code =
                DjlMamba.run(
                        new PrintWriter(out, true),
                        new PrintWriter(err, true),
                        "icl",
                        "eval",
                        "--json",
                        "--out",
                        folder.toString());
        assertEquals(0, code, err::toString);
        IclReport report = IclReport.fromJson(out.toString());
        int rows = 0;
        for (String line : Files.readAllLines(Path.of("..", "README.md"))) {
            if (line.matches("\\| \\d+ \\|.*")) {
                double[] row =
                        Arrays.stream(line.substring(1).split("\\|"))
                                .mapToDouble(Double::parseDouble)
                                .toArray();
                assertRow(report.curve().get((int) row[0]), row, line);
                rows++;
            }
        }
        assertTrue(rows >= 10, "the README has " + rows + " rows of results");
    }

    private static void assertRow(IclReport.Entry entry, double[] row, String line) {
        List<Double> expected =
                new ArrayList<>(
                        List.of((double) entry.i(), entry.model(), entry.low(), entry.high()));
        expected.addAll(entry.baselines().values());
        assertEquals(expected.size(), row.length, line);
        for (int column = 0; column < row.length; column++) {
            // Four digits are printed; the last may differ between instruction sets.
            assertEquals(expected.get(column), row[column], 2e-4, line);
        }
    }
}
