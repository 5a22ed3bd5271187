/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.embedding;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Runs the notebook in a Java kernel and holds it to the outputs that are committed. */
class NotebookTest {

    private static final Path NOTEBOOK =
            Path.of("notebooks", "language-model.ipynb").toAbsolutePath();

    @Test
    void givesItsCommittedOutputs() throws Exception {
        List<JsonObject> executed = codeCells(JupyterEnvironment.create().execute(NOTEBOOK));
        List<JsonObject> committed = codeCells(NOTEBOOK);
        assertEquals(committed.size(), executed.size());
        for (int i = 0; i < executed.size(); i++) {
            String source = text(executed.get(i).get("source"));
            assertFalse(
                    outputs(executed.get(i)).stream().anyMatch(output -> is(output, "error")),
                    () -> "failed: " + source);
            assertEquals(printed(committed.get(i)), printed(executed.get(i)), source);
            assertEquals(hasImage(committed.get(i)), hasImage(executed.get(i)), source);
        }
        assertTrue(executed.stream().anyMatch(NotebookTest::hasImage), "there is no plot");
        assertTrue(
                executed.stream().anyMatch(cell -> printed(cell).contains("In the beginning")),
                "nothing has been generated");
    }

    private static List<JsonObject> codeCells(Path notebook) throws Exception {
        List<JsonObject> cells = new ArrayList<>();
        for (JsonElement element :
                JsonParser.parseString(Files.readString(notebook))
                        .getAsJsonObject()
                        .getAsJsonArray("cells")) {
            JsonObject cell = element.getAsJsonObject();
            if (cell.get("cell_type").getAsString().equals("code")) {
                cells.add(cell);
            }
        }
        return cells;
    }

    private static List<JsonObject> outputs(JsonObject cell) {
        List<JsonObject> outputs = new ArrayList<>();
        cell.getAsJsonArray("outputs").forEach(output -> outputs.add(output.getAsJsonObject()));
        return outputs;
    }

    private static boolean is(JsonObject output, String type) {
        return output.get("output_type").getAsString().equals(type);
    }

    /** What a cell has written to its standard output; warnings depend on the machine. */
    private static String printed(JsonObject cell) {
        StringBuilder printed = new StringBuilder();
        for (JsonObject output : outputs(cell)) {
            if (is(output, "stream") && output.get("name").getAsString().equals("stdout")) {
                printed.append(text(output.get("text")));
            }
        }
        return printed.toString();
    }

    private static boolean hasImage(JsonObject cell) {
        return outputs(cell).stream()
                .anyMatch(
                        output ->
                                output.has("data")
                                        && output.getAsJsonObject("data").has("image/png"));
    }

    /** A text of the format is a string or a list of lines. */
    private static String text(JsonElement element) {
        if (element.isJsonPrimitive()) {
            return element.getAsString();
        }
        StringBuilder text = new StringBuilder();
        JsonArray lines = element.getAsJsonArray();
        lines.forEach(line -> text.append(line.getAsString()));
        return text.toString();
    }
}
