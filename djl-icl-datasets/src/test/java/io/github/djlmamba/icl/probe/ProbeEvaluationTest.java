/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.probe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.translate.TranslateException;
import ai.djl.util.Progress;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class ProbeEvaluationTest {

    private static final Pattern SECRET = Pattern.compile("is (\\d{7})\\.");

    private static ProbeEvaluation.Builder phonebook() {
        return ProbeEvaluation.builder()
                .setProbe(Phonebook.builder().build())
                .setLengths(5, 20)
                .optSamples(60)
                .optSeed(7);
    }

    /** Finds a needle among the last characters of a prompt. */
    private static TextContinuation lastCharacters(int known) {
        return PhonebookReaders.each(
                prompt -> {
                    Matcher matcher =
                            SECRET.matcher(prompt.substring(Math.max(0, prompt.length() - known)));
                    return matcher.find() ? " the number " + matcher.group(1) : " lost";
                });
    }

    private static void assertScores(
            ProbeReport.Cell cell, String metric, double mean, double low, double high) {
        ProbeReport.Score score = cell.scores().get(metric);
        assertEquals(mean, score.mean(), 1e-12);
        assertEquals(low, score.low(), 1e-12);
        assertEquals(high, score.high(), 1e-12);
    }

    @Test
    void aPerfectReaderScoresOneAndASilentOneZero() throws Exception {
        for (boolean reversed : new boolean[] {false, true}) {
            ProbeEvaluation evaluation =
                    phonebook().setProbe(Phonebook.builder().optReversed(reversed).build()).build();
            ProbeReport perfect = evaluation.evaluate("perfect", PhonebookReaders.perfect());
            assertEquals(2, perfect.cells().size());
            for (ProbeReport.Cell cell : perfect.cells()) {
                assertScores(cell, "exact_match", 1, 1, 1);
                assertScores(cell, "digit_accuracy", 1, 1, 1);
            }
            ProbeReport silent = evaluation.evaluate("silent", PhonebookReaders.each(prompt -> ""));
            for (ProbeReport.Cell cell : silent.cells()) {
                assertScores(cell, "exact_match", 0, 0, 0);
                assertScores(cell, "digit_accuracy", 0, 0, 0);
            }
        }
    }

    @Test
    void aReaderOfTheLastEntriesFindsItsShare() throws Exception {
        ProbeReport report =
                phonebook()
                        .setLengths(40, 10, 4)
                        .optSamples(400)
                        .build()
                        .evaluate("last 5", PhonebookReaders.lastEntries(5));
        assertEquals("phonebook", report.probe());
        assertEquals("last 5", report.model());
        assertEquals("entries", report.unit());
        assertEquals(400, report.samples());
        assertEquals(7, report.seed());
        assertEquals(List.of("exact_match", "digit_accuracy"), report.metrics());
        assertEquals(
                List.of(4, 10, 40), report.cells().stream().map(cell -> cell.length()).toList());
        for (ProbeReport.Cell cell : report.cells()) {
            int known = 0;
            for (int k = 0; k < 400; k++) {
                double depth =
                        Phonebook.builder()
                                .build()
                                .sample(7, k, cell.length(), OptionalDouble.empty())
                                .depth();
                known += Math.round(depth * (cell.length() - 1)) >= cell.length() - 5 ? 1 : 0;
            }
            ProbeReport.Score score = cell.scores().get("exact_match");
            assertEquals(known / 400.0, score.mean(), 1e-12);
            assertEquals(score, cell.scores().get("digit_accuracy"));
            assertTrue(score.low() <= score.mean() && score.mean() <= score.high());
            // Five standard deviations around the probability of an entry among the last five.
            assertEquals(Math.min(1, 5.0 / cell.length()), score.mean(), 0.125);
        }
        // The interval of a share: 1.645 standard deviations to either side.
        ProbeReport.Score half = report.cells().get(1).scores().get("exact_match");
        assertEquals(0.082, half.high() - half.low(), 0.015);
    }

    @Test
    void digitsThatAreNearlyRightCount() throws Exception {
        TextContinuation nearly =
                (prompts, maxNewTokens) -> {
                    assertEquals(12, maxNewTokens);
                    List<String> texts = new ArrayList<>();
                    for (String text : PhonebookReaders.perfect().complete(prompts, maxNewTokens)) {
                        texts.add(text.substring(0, 4) + "xxxxxxx");
                    }
                    return texts;
                };
        for (ProbeReport.Cell cell : phonebook().build().evaluate("nearly", nearly).cells()) {
            assertScores(cell, "exact_match", 0, 0, 0);
            assertScores(cell, "digit_accuracy", 0.3, 0.3, 0.3);
        }
    }

    @Test
    void aReaderOfTheLastCharactersFindsNeedlesBelowADepth() throws Exception {
        ProbeReport report =
                ProbeEvaluation.builder()
                        .setProbe(NeedleInHaystack.builder().build())
                        .setLengths(4000, 1000)
                        .optDepths(1, 0, 0.5)
                        .optSamples(5)
                        .build()
                        .evaluate("last 1000", lastCharacters(1000));
        assertEquals(List.of("exact_match", "contains"), report.metrics());
        List<String> found = new ArrayList<>();
        for (ProbeReport.Cell cell : report.cells()) {
            ProbeReport.Score score = cell.scores().get("contains");
            assertEquals(cell.scores().get("exact_match"), score);
            found.add(cell.length() + " " + cell.depth() + " " + score.mean());
            assertTrue(cell.tokens() <= cell.length() && cell.tokens() > cell.length() - 140);
        }
        assertEquals(
                List.of(
                        "1000 0.0 1.0",
                        "1000 0.5 1.0",
                        "1000 1.0 1.0",
                        "4000 0.0 0.0",
                        "4000 0.5 0.0",
                        "4000 1.0 1.0"),
                found);
    }

    @Test
    void doesNotDependOnTheBatchSizeButOnTheSeed() throws Exception {
        TextContinuation reader = PhonebookReaders.lastEntries(3);
        ProbeReport report = phonebook().build().evaluate("last 3", reader);
        for (int batchSize : new int[] {1, 59, 60, Integer.MAX_VALUE}) {
            List<Integer> sizes = new ArrayList<>();
            ProbeReport other =
                    phonebook()
                            .optBatchSize(batchSize)
                            .build()
                            .evaluate(
                                    "last 3",
                                    (prompts, maxNewTokens) -> {
                                        sizes.add(prompts.size());
                                        return reader.complete(prompts, maxNewTokens);
                                    });
            assertEquals(report, other);
            assertEquals(120, sizes.stream().mapToInt(Integer::intValue).sum());
            assertEquals(Math.min(batchSize, 60), sizes.get(0));
        }
        assertNotEquals(report, phonebook().optSeed(8).build().evaluate("last 3", reader));
        assertEquals(report, ProbeReport.fromJson(report.toJson()));
    }

    @Test
    void countsTokensByTheCounterAndTellsProgress() throws Exception {
        long[] told = new long[2];
        Progress progress =
                new Progress() {
                    @Override
                    public void reset(String message, long max, String trailingMessage) {
                        told[0] = max;
                    }

                    @Override
                    public void start(long initialProgress) {}

                    @Override
                    public void end() {}

                    @Override
                    public void increment(long increment) {
                        told[1] += increment;
                    }

                    @Override
                    public void update(long progress, String message) {}
                };
        ProbeReport report =
                phonebook()
                        .optDepths(0, 1)
                        .optTokenCounter(text -> (int) text.lines().count())
                        .optProgress(progress)
                        .build()
                        .evaluate("perfect", PhonebookReaders.perfect());
        assertEquals(240, told[0]);
        assertEquals(240, told[1]);
        // Entries, two examples, the query, and two empty lines.
        assertEquals(
                List.of(10.0, 10.0, 25.0, 25.0),
                report.cells().stream().map(ProbeReport.Cell::tokens).toList());
    }

    @Test
    void failuresOfTheModelAreTold() {
        IllegalStateException error =
                assertThrows(
                        IllegalStateException.class,
                        () -> phonebook().build().evaluate("m", (prompts, max) -> List.of("1")));
        assertEquals("m gave 1 texts for 8 prompts.", error.getMessage());
        TranslateException failure = new TranslateException("failed");
        assertSame(
                failure,
                assertThrows(
                        TranslateException.class,
                        () ->
                                phonebook()
                                        .build()
                                        .evaluate(
                                                "m",
                                                (prompts, max) -> {
                                                    throw failure;
                                                })));
    }

    @Test
    void saysWhatIsWrongWithSettings() {
        assertMessage("setProbe", ProbeEvaluation.builder().setLengths(5));
        assertMessage(
                "setLengths", ProbeEvaluation.builder().setProbe(Phonebook.builder().build()));
        assertMessage("from 1 to", phonebook().setLengths(5, 0));
        assertMessage("given twice", phonebook().setLengths(5, 5));
        assertMessage("given twice", phonebook().optDepths(0.5, 0.5));
        assertMessage("depth", phonebook().optDepths(2));
        assertMessage("samples", phonebook().optSamples(0));
        assertMessage("batch", phonebook().optBatchSize(0));
        assertMessage("bootstrap", phonebook().optBootstrapSamples(-1));
    }

    private static void assertMessage(String part, ProbeEvaluation.Builder builder) {
        IllegalArgumentException error =
                assertThrows(IllegalArgumentException.class, builder::build);
        assertTrue(error.getMessage().contains(part), error.getMessage());
    }
}
