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
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.OptionalDouble;
import java.util.Random;
import java.util.Set;
import java.util.function.ToIntFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class NeedleInHaystackTest {

    private static final NeedleInHaystack NEEDLE = NeedleInHaystack.builder().build();
    private static final Pattern LAYOUT =
            Pattern.compile(
                    "A sentence about a secret number is hidden in the following text\\.\n\n"
                            + "(.*?) ?The secret number of the (\\w+ \\w+) is (\\d{7})\\. ?(.*)\n\n"
                            + "What is the secret number of the (\\w+ \\w+)\\? "
                            + "The secret number of the (\\w+ \\w+) is");

    /** Reads the number as a person would, and checks the prompt's form on the way. */
    private static Matcher read(String prompt) {
        Matcher matcher = LAYOUT.matcher(prompt);
        assertTrue(matcher.matches(), prompt);
        assertEquals(matcher.group(2), matcher.group(5));
        assertEquals(matcher.group(2), matcher.group(6));
        return matcher;
    }

    private static OptionalDouble at(double depth) {
        return OptionalDouble.of(depth);
    }

    @Test
    void promptsOfASeedStayTheSame() {
        assertEquals(
                new ProbeSample(
                        """
                        A sentence about a secret number is hidden in the following text.

                        The teacher lifted the umbrella that evening. The secret number of the violet volcano is 2956094. The shiny basket along the road was broken, but the painter hid it.

                        What is the secret number of the violet volcano? The secret number of the violet volcano is""",
                        "2956094",
                        0.4),
                NEEDLE.sample(7, 0, 350, at(0.4)));
    }

    @Test
    void theNeedleStandsOnceAtItsDepth() {
        for (int length : new int[] {600, 2000, 10_000}) {
            for (double depth : new double[] {0, 0.1, 0.5, 0.9, 1}) {
                for (int index = 0; index < 20; index++) {
                    ProbeSample sample = NEEDLE.sample(3, index, length, at(depth));
                    Matcher parts = read(sample.prompt());
                    assertEquals(sample.answer(), parts.group(3));
                    String prompt = sample.prompt();
                    assertEquals(
                            prompt.indexOf(sample.answer()), prompt.lastIndexOf(sample.answer()));
                    double before = parts.group(1).length();
                    double after = parts.group(4).length();
                    // Half of the longest sentence of the grammar, which has about 130 characters.
                    assertEquals(depth, before / (before + after), 70 / (before + after));
                    assertTrue(depth > 0 || before == 0, prompt);
                    assertTrue(depth < 1 || after == 0, prompt);
                }
            }
        }
    }

    @Test
    void onlyTheNeedleMovesWithTheDepth() {
        for (int index = 0; index < 10; index++) {
            Matcher first = read(NEEDLE.sample(3, index, 5000, at(0)).prompt());
            Matcher middle = read(NEEDLE.sample(3, index, 5000, at(0.5)).prompt());
            assertEquals(first.group(4), middle.group(1) + " " + middle.group(4));
            assertEquals(first.group(3), middle.group(3));
            Matcher longer = read(NEEDLE.sample(3, index, 20_000, at(0)).prompt());
            assertTrue(longer.group(4).startsWith(first.group(4)));
        }
    }

    @Test
    void asManySentencesAsFitIntoTheTokens() {
        ToIntFunction<String> words = text -> text.split("\\s+").length;
        NeedleInHaystack needle = NeedleInHaystack.builder().optTokenCounter(words).build();
        for (int length : new int[] {64, 65, 1000, 30_000}) {
            for (int index = 0; index < 5; index++) {
                int count = words.applyAsInt(needle.sample(1, index, length, at(0.3)).prompt());
                // The longest sentence of the grammar has 27 words.
                assertTrue(count <= length && count > length - 27, count + " words of " + length);
            }
        }
    }

    @Test
    void numbersAreUniformAndDepthsTooWhereNoneIsGiven() {
        int[] first = new int[10];
        int[] tenths = new int[10];
        Set<String> numbers = new HashSet<>();
        Set<String> keys = new HashSet<>();
        for (int index = 0; index < 2000; index++) {
            ProbeSample sample = NEEDLE.sample(5, index, 400, OptionalDouble.empty());
            first[sample.answer().charAt(0) - '0']++;
            tenths[(int) (sample.depth() * 10)]++;
            numbers.add(sample.answer());
            keys.add(read(sample.prompt()).group(2));
        }
        assertEquals(0, first[0]);
        // The bounds are five standard deviations of a binomial distribution.
        for (int digit = 1; digit < 10; digit++) {
            assertEquals(222, first[digit], 70);
        }
        for (int count : tenths) {
            assertEquals(200, count, 67);
        }
        assertTrue(numbers.size() > 1995, numbers.size() + " numbers");
        assertEquals(16 * 24, keys.size(), 8);
    }

    @Test
    void theGrammarIsVariedAndSaysNothingOfKeysAndNumbers() {
        Iterator<String> sentences = new FillerGrammar().sentences(new Random(1));
        Iterator<String> again = new FillerGrammar().sentences(new Random(1));
        Set<String> distinct = new HashSet<>();
        Set<String> words = new HashSet<>();
        for (int i = 0; i < 20_000; i++) {
            String sentence = sentences.next();
            assertEquals(sentence, again.next());
            assertTrue(sentence.matches("[A-Z][A-Za-z, ]{9,140}\\."), sentence);
            distinct.add(sentence);
            words.addAll(List.of(sentence.toLowerCase().split("[ ,.]+")));
        }
        assertTrue(distinct.size() > 19_000, distinct.size() + " sentences");
        for (int index = 0; index < 1000; index++) {
            String key = read(NEEDLE.sample(5, index, 400, at(0)).prompt()).group(2);
            for (String word : key.split(" ")) {
                assertFalse(words.contains(word), word);
            }
        }
    }

    @Test
    void aTextOfTheUsersServesAsFiller() {
        String text =
                """
                One is here.  Two "is
                there!" Three, 3.14 of them? A title

                Four (the end.)
                """;
        FillerText filler = FillerText.of(text);
        List<String> expected =
                List.of(
                        "One is here.",
                        "Two \"is there!\"",
                        "Three, 3.14 of them?",
                        "A title",
                        "Four (the end.)");
        Set<String> starts = new HashSet<>();
        for (int seed = 0; seed < 50; seed++) {
            Iterator<String> sentences = filler.sentences(new Random(seed));
            int start = expected.indexOf(sentences.next());
            starts.add(expected.get(start));
            for (int i = 1; i < 12; i++) {
                assertTrue(sentences.hasNext());
                assertEquals(expected.get((start + i) % 5), sentences.next());
            }
        }
        assertEquals(5, starts.size());
        String prompt =
                NeedleInHaystack.builder()
                        .optFiller(filler)
                        .build()
                        .sample(0, 0, 500, at(0.5))
                        .prompt();
        assertTrue(prompt.contains("A title Four (the end.) One is here."), prompt);
        assertThrows(IllegalArgumentException.class, () -> FillerText.of(" \n "));
    }

    @Test
    void aNeedleThatTheFillerHoldsIsNotHidden() {
        ProbeSample plain = NEEDLE.sample(7, 0, 900, at(0));
        FillerText spoilt = FillerText.of("It is " + plain.answer() + " again. And so on.");
        ProbeSample other =
                NeedleInHaystack.builder().optFiller(spoilt).build().sample(7, 0, 900, at(0));
        assertTrue(other.prompt().contains(plain.answer()));
        assertFalse(other.answer().equals(plain.answer()));
        assertEquals(
                other.prompt().indexOf(other.answer()), other.prompt().lastIndexOf(other.answer()));
    }

    @Test
    void saysWhatIsWrongWithArguments() {
        assertMessage("of 1 sentences, has", () -> NEEDLE.sample(0, 0, 50, at(0)));
        assertMessage("from 1 to 16777216", () -> NEEDLE.sample(0, 0, 0, at(0)));
        assertMessage("from 1 to 16777216", () -> NEEDLE.sample(0, 0, 1 << 25, at(0)));
        assertMessage("depth", () -> NEEDLE.sample(0, 0, 500, at(-0.1)));
        FillerText keys =
                random ->
                        java.util.stream.Stream.generate(NeedleInHaystackTest::allKeys).iterator();
        assertMessage(
                "holds each of 100 keys",
                () ->
                        NeedleInHaystack.builder()
                                .optFiller(keys)
                                .build()
                                .sample(0, 0, 20_000, at(0)));
    }

    private static String allKeys() {
        Set<String> keys = new HashSet<>();
        for (int index = 0; keys.size() < 16 * 24; index++) {
            keys.add(read(NEEDLE.sample(9, index, 400, at(0)).prompt()).group(2));
        }
        return String.join(" ", keys);
    }

    private static void assertMessage(String part, Runnable call) {
        IllegalArgumentException error = assertThrows(IllegalArgumentException.class, call::run);
        assertTrue(error.getMessage().contains(part), error.getMessage());
    }
}
