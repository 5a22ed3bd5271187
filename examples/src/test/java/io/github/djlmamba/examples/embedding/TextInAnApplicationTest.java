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
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** Holds the embedding example to what the README shows of it. */
class TextInAnApplicationTest {

    private static final String HEADING = "### In a Java application";

    @Test
    void printsWhatTheReadmeShows() throws Exception {
        String printed = printed();
        assertEquals(5, printed.lines().count(), printed);
        // Markdown keeps no blanks at the end of a line.
        assertEquals(
                printed.lines()
                        .map(line -> line.stripTrailing() + '\n')
                        .collect(Collectors.joining()),
                block("text"));
    }

    @Test
    void readmeShowsTheCode() throws Exception {
        Path source =
                Path.of(
                        "src/main/java",
                        TextInAnApplication.class.getName().replace('.', '/') + ".java");
        String code = withoutIndentation(Files.readString(source));
        assertTrue(code.contains(withoutIndentation(block("java"))), "the README's code differs");
    }

    private static String printed() throws Exception {
        PrintStream out = System.out;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        try (PrintStream captured = new PrintStream(printed, true, StandardCharsets.UTF_8)) {
            System.setOut(captured);
            TextInAnApplication.main(new String[0]);
        } finally {
            System.setOut(out);
        }
        return printed.toString(StandardCharsets.UTF_8);
    }

    /** The first fenced block of a language below the example's heading in the README. */
    private static String block(String language) throws Exception {
        List<String> lines = Files.readAllLines(Path.of("..", "README.md"));
        int heading = lines.indexOf(HEADING);
        assertTrue(heading >= 0, "the README has no heading \"" + HEADING + '"');
        return lines.subList(heading, lines.size()).stream()
                .dropWhile(line -> !line.equals("```" + language))
                .skip(1)
                .takeWhile(line -> !line.equals("```"))
                .map(line -> line + '\n')
                .collect(Collectors.joining());
    }

    private static String withoutIndentation(String code) {
        return code.lines().map(line -> line.strip() + '\n').collect(Collectors.joining());
    }
}
