/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.hybrid;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class LayerPatternTest {

    /** The 8B model of Waleffe et al. (2024). */
    private static final String PUBLISHED_56 =
            "M-M-M--M-M*-M-M-M-M--M*-M-M-M-M-M*--M-M-M-M-M*-M--M-M-M-";

    /** The 48-layer 800M model of the same study. */
    private static final String PUBLISHED_48 = "M-M-M--M-*M-M-M-M--*M-M-M-M-*M--M-M-M-*M-M--M-M-";

    @ParameterizedTest
    @ValueSource(strings = {"M", "*", "-", "E", "M-M*-", "EEM*", PUBLISHED_56, PUBLISHED_48})
    void printsWhatItParses(String text) {
        LayerPattern pattern = LayerPattern.parse(text);
        assertEquals(text, pattern.toString());
        assertEquals(text.length(), pattern.size());
        assertEquals(
                text.chars().filter(c -> c == '*').count(), pattern.count(LayerSymbol.ATTENTION));
    }

    @Test
    void wrongTextIsNamed() {
        assertMessage("'x' at index 2", () -> LayerPattern.parse("M-x*"));
        assertMessage("M (Mamba), * (attention)", () -> LayerPattern.parse("m"));
        assertMessage("empty", () -> LayerPattern.parse(""));
        assertMessage("empty", () -> LayerPattern.parse(null));
        assertMessage("at least one layer", () -> new LayerPattern(List.of()));
    }

    @ParameterizedTest
    @CsvSource({"12, M-M-M-*-M-M-", "48, " + PUBLISHED_48, "56, " + PUBLISHED_56})
    void allocatesAsPublished(int layers, String expected) {
        LayerPattern pattern = LayerPattern.allocate(layers, 0.08, 0.5);
        assertEquals(expected, pattern.toString());
    }

    @Test
    void allocatesTheNumbersAskedFor() {
        for (int layers = 1; layers <= 80; layers++) {
            for (int attention = 0; attention <= 10; attention++) {
                for (int mlp = 0; mlp + attention <= 10; mlp++) {
                    int a = (int) Math.rint(layers * (attention / 10.0));
                    int m = (int) Math.rint(layers * (mlp / 10.0));
                    if (a + m > layers) {
                        continue;
                    }
                    LayerPattern pattern =
                            LayerPattern.allocate(layers, attention / 10.0, mlp / 10.0);
                    assertEquals(a, pattern.count(LayerSymbol.ATTENTION), pattern.toString());
                    assertEquals(m, pattern.count(LayerSymbol.MLP), pattern.toString());
                    assertEquals(layers, pattern.size());
                }
            }
        }
    }

    @Test
    void wrongRatiosAreNamed() {
        assertMessage("is 0; expected 1", () -> LayerPattern.allocate(0, 0, 0));
        assertMessage("is -0.1", () -> LayerPattern.allocate(4, -0.1, 0));
        assertMessage("is NaN", () -> LayerPattern.allocate(4, 0, Double.NaN));
        assertMessage("do not fit into 4", () -> LayerPattern.allocate(4, 0.75, 0.5));
    }

    @Test
    void overridesAreChecked() {
        assertEquals(PUBLISHED_56, LayerPattern.override(PUBLISHED_56, 56, 0.08, 0.5).toString());
        assertEquals("MM*", LayerPattern.override("MM*", 3).toString());
        assertMessage("has 3 layers; expected 4", () -> LayerPattern.override("MM*", 4));
        assertMessage(
                "has 1 attention layers; the ratio asks for 2",
                () -> LayerPattern.override("M-*-", 4, 0.5, 0.5));
        assertMessage(
                "has 2 MLP layers; the ratio asks for 1",
                () -> LayerPattern.override("M-*-", 4, 0.25, 0.25));
    }

    @Test
    void namesThePatternsOfTheStudy() {
        assertEquals("MMM", LayerPattern.mamba(3).toString());
        assertEquals("*-*-", LayerPattern.transformer(2).toString());
        assertEquals("*M*M", LayerPattern.standardHybrid(4).toString());
        assertEquals("M*M*M", LayerPattern.mambaFormer(4).toString());
        assertEquals(25, LayerPattern.mambaFormer(24).size());
        assertMessage("even", () -> LayerPattern.mambaFormer(3));
        assertMessage("0 times", () -> LayerPattern.standardHybrid(0));
        assertMessage("-1 times", () -> LayerPattern.mamba(-1));
    }

    private static void assertMessage(String part, Runnable action) {
        String message = assertThrows(IllegalArgumentException.class, action::run).getMessage();
        assertTrue(message.contains(part), message);
    }
}
