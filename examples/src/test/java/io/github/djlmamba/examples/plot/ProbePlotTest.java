/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.plot;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.djlmamba.icl.probe.NeedleInHaystack;
import io.github.djlmamba.icl.probe.Phonebook;
import io.github.djlmamba.icl.probe.ProbeEvaluation;
import io.github.djlmamba.icl.probe.ProbeReport;
import io.github.djlmamba.icl.probe.TextContinuation;
import java.awt.Color;
import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Draws the scores of readers that see only the end of a prompt. */
class ProbePlotTest {

    private static final Color HIT = new Color(0x56b4e9);

    @TempDir private Path folder;

    /** Copies what follows the last words of the prompt where they stand before, near the end. */
    private static TextContinuation endOfPrompt(int characters) {
        return (prompts, maxNewTokens) ->
                prompts.stream()
                        .map(
                                prompt -> {
                                    String end = prompt.substring(prompt.lastIndexOf("\n") + 1);
                                    String words =
                                            end.contains("? ")
                                                    ? end.substring(end.indexOf("? ") + 2)
                                                    : end;
                                    Matcher matcher =
                                            Pattern.compile(Pattern.quote(words) + " (\\d+)")
                                                    .matcher(
                                                            prompt.substring(
                                                                    Math.max(
                                                                            0,
                                                                            prompt.length()
                                                                                    - characters)));
                                    return matcher.find() ? matcher.group(1) : "0".repeat(10);
                                })
                        .toList();
    }

    @Test
    void lengthsMakeCurves() throws Exception {
        ProbeReport report =
                ProbeEvaluation.builder()
                        .setProbe(Phonebook.builder().build())
                        .setLengths(5, 10, 20, 40, 60, 80)
                        .optSamples(60)
                        .build()
                        .evaluate("reader of 600 characters", endOfPrompt(600));
        BufferedImage image = draw(report, "phonebook.png");
        assertTrue(count(image, Color.BLACK) > 1000);
        assertTrue(count(image, new Color(0xd55e00)) > 1000);
    }

    @Test
    void depthsMakeAHeatMapWithTheStartOfTheTextAtTheTop() throws Exception {
        ProbeReport report =
                ProbeEvaluation.builder()
                        .setProbe(NeedleInHaystack.builder().build())
                        .setLengths(1000, 2000, 4000, 8000)
                        .optDepths(0, 0.25, 0.5, 0.75, 1)
                        .optSamples(10)
                        .build()
                        .evaluate("reader of 2200 characters", endOfPrompt(2200));
        BufferedImage image = draw(report, "needle.png");
        // Above the middle lie the hits of the two short texts, in the lower half more of them.
        int top = count(image.getSubimage(0, 0, image.getWidth(), image.getHeight() / 2), HIT);
        assertTrue(top > 10_000, top + " points");
        assertTrue(count(image, HIT) > 2.2 * top, count(image, HIT) + " points, top " + top);
    }

    private BufferedImage draw(ProbeReport report, String name) throws Exception {
        Path file = folder.resolve(name);
        ProbePlot.write(report, file);
        BufferedImage image = ImageIO.read(file.toFile());
        assertEquals(800 * 2, image.getWidth());
        return image;
    }

    private static int count(BufferedImage image, Color color) {
        int points = 0;
        for (int y = 0; y < image.getHeight(); y++) {
            for (int x = 0; x < image.getWidth(); x++) {
                points += image.getRGB(x, y) == color.getRGB() ? 1 : 0;
            }
        }
        return points;
    }
}
