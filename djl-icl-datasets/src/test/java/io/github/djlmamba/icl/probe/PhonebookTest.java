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
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.List;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.function.ToIntFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PhonebookTest {

    private static final OptionalDouble ANY = OptionalDouble.empty();
    private static final Phonebook STANDARD = Phonebook.builder().build();
    private static final Phonebook REVERSED = Phonebook.builder().optReversed(true).build();

    @Test
    void promptsOfASeedStayTheSame() {
        assertEquals(
                new ProbeSample(
                        """
                        Simon Cook: 7165123756
                        Henry Bailey: 8286271789
                        Frank Dawson: 8578821425
                        Barbara Burgess: 6157994043
                        Bryan Horton: 9251971795
                        Patricia Tucker: 9711794234

                        Simon Cook: 7165123756
                        Bryan Horton: 9251971795

                        Barbara Burgess:""",
                        "6157994043",
                        0.6),
                STANDARD.sample(7, 0, 6, ANY));
        assertEquals(
                new ProbeSample(
                        """
                        Remember the phone number of Barbara Burgess. It stands in the phonebook below, in entries such as these:

                        Simon Cook: 7165123756
                        Bryan Horton: 9251971795

                        The phonebook begins here. Keep the number of Barbara Burgess.

                        Simon Cook: 7165123756
                        Henry Bailey: 8286271789
                        Frank Dawson: 8578821425
                        Barbara Burgess: 6157994043
                        Bryan Horton: 9251971795
                        Patricia Tucker: 9711794234

                        The phonebook ends here. This is the number that was to be remembered:

                        Barbara Burgess:""",
                        "6157994043",
                        0.6),
                REVERSED.sample(7, 0, 6, ANY));
    }

    @Test
    void samplesDifferByIndexAndSeedAlone() {
        Set<String> prompts = new HashSet<>();
        for (long seed : new long[] {0, 1, -1, Long.MIN_VALUE}) {
            for (int index = 0; index < 50; index++) {
                ProbeSample sample = STANDARD.sample(seed, index, 5, ANY);
                prompts.add(sample.prompt());
                assertEquals(sample, Phonebook.builder().build().sample(seed, index, 5, ANY));
            }
        }
        assertEquals(200, prompts.size());
    }

    @ParameterizedTest
    @ValueSource(ints = {3, 4, 100, 5000})
    void namesAndNumbersStandInABookOnce(int size) {
        for (Phonebook phonebook : List.of(STANDARD, REVERSED)) {
            ProbeSample sample = phonebook.sample(3, size, size, ANY);
            List<PhonebookReaders.Entry> book = PhonebookReaders.book(sample.prompt());
            assertEquals(size, book.size());
            assertEquals(size, book.stream().map(PhonebookReaders.Entry::name).distinct().count());
            assertEquals(
                    size, book.stream().map(PhonebookReaders.Entry::number).distinct().count());
        }
    }

    @Test
    void theWholeListOfNamesCanBeUsed() {
        int count = Phonebook.maxEntries();
        assertTrue(count > 50_000, "there are " + count + " names");
        List<PhonebookReaders.Entry> book =
                PhonebookReaders.book(STANDARD.sample(1, 0, count, ANY).prompt());
        assertEquals(count, book.stream().map(PhonebookReaders.Entry::name).distinct().count());
    }

    @Test
    void examplesAreTwoOtherEntriesAndTheAnswerIsThatOfTheQuery() {
        for (int index = 0; index < 300; index++) {
            String prompt = STANDARD.sample(5, index, 4, ANY).prompt();
            String[] parts = prompt.split("\n\n");
            assertEquals(3, parts.length);
            List<String> examples = parts[1].lines().toList();
            assertEquals(2, new HashSet<>(examples).size());
            assertTrue(parts[0].lines().toList().containsAll(examples), prompt);
            String query = PhonebookReaders.query(prompt);
            assertTrue(examples.stream().noneMatch(line -> line.startsWith(query)), prompt);
            String answer = STANDARD.sample(5, index, 4, ANY).answer();
            assertTrue(parts[0].contains(query + ": " + answer), prompt);
        }
        String three = Phonebook.builder().optExamples(3).build().sample(5, 0, 9, ANY).prompt();
        assertEquals(3, three.split("\n\n")[1].lines().distinct().count());
    }

    @Test
    void reversedNamesTheQueryBeforeTheBookAndItsNumberNowhereElse() {
        for (int index = 0; index < 100; index++) {
            ProbeSample sample = REVERSED.sample(5, index, 20, ANY);
            String prompt = sample.prompt();
            String query = PhonebookReaders.query(prompt);
            int book = prompt.indexOf("The phonebook begins here");
            assertTrue(prompt.indexOf(query) < book, prompt);
            assertTrue(prompt.indexOf(sample.answer()) > book, prompt);
            assertEquals(prompt.indexOf(sample.answer()), prompt.lastIndexOf(sample.answer()));
            ProbeSample standard = STANDARD.sample(5, index, 20, ANY);
            assertEquals(standard.answer(), sample.answer());
            assertEquals(standard.depth(), sample.depth());
            assertEquals(PhonebookReaders.book(standard.prompt()), PhonebookReaders.book(prompt));
        }
    }

    @Test
    void digitsNamesAndPlacesAreUniform() {
        int samples = 4000;
        int size = 10;
        int[] places = new int[size];
        int[][] digits = new int[10][10];
        Set<String> first = new HashSet<>();
        Set<String> last = new HashSet<>();
        for (int index = 0; index < samples; index++) {
            ProbeSample sample = STANDARD.sample(11, index, size, ANY);
            List<PhonebookReaders.Entry> book = PhonebookReaders.book(sample.prompt());
            int place =
                    book.stream()
                            .map(PhonebookReaders.Entry::number)
                            .toList()
                            .indexOf(sample.answer());
            assertEquals((double) place / (size - 1), sample.depth());
            places[place]++;
            for (PhonebookReaders.Entry entry : book) {
                first.add(entry.name().split(" ")[0]);
                last.add(entry.name().split(" ")[1]);
                for (int i = 0; i < 10; i++) {
                    digits[i][entry.number().charAt(i) - '0']++;
                }
            }
        }
        assertEquals(Phonebook.maxEntries(), first.size() * last.size());
        // The bounds are five standard deviations of a binomial distribution.
        for (int count : places) {
            assertEquals(400, count, 95);
        }
        for (int digit = 0; digit < 10; digit++) {
            assertEquals(digit < 6 ? 0 : 10_000, digits[0][digit], digit < 6 ? 0 : 435);
            for (int i = 1; i < 10; i++) {
                assertEquals(4000, digits[i][digit], 300);
            }
        }
    }

    @Test
    void longerBooksBeginWithTheShorterOnes() {
        for (int index = 0; index < 20; index++) {
            ProbeSample small = STANDARD.sample(2, index, 10, ANY);
            ProbeSample large = STANDARD.sample(2, index, 1000, ANY);
            assertEquals(
                    PhonebookReaders.book(small.prompt()),
                    PhonebookReaders.book(large.prompt()).subList(0, 10));
            assertEquals(small.depth(), large.depth(), 0.12);
        }
    }

    @Test
    void depthSaysWhereTheEntryStands() {
        for (double depth : new double[] {0, 0.25, 0.5, 0.75, 1}) {
            ProbeSample sample = STANDARD.sample(2, 9, 41, OptionalDouble.of(depth));
            int place = (int) (depth * 40);
            assertEquals(
                    sample.answer(), PhonebookReaders.book(sample.prompt()).get(place).number());
            assertEquals(depth, sample.depth());
        }
    }

    @Test
    void asManyEntriesAsFitIntoTheTokens() {
        // A token of this counter is four characters or a piece of that.
        ToIntFunction<String> counter = text -> (text.length() + 3) / 4;
        for (boolean reversed : new boolean[] {false, true}) {
            Phonebook phonebook =
                    Phonebook.builder().optTokenCounter(counter).optReversed(reversed).build();
            assertEquals("tokens", phonebook.lengthUnit());
            for (int tokens : new int[] {150, 151, 500, 4096, 20_000}) {
                for (int index = 0; index < 5; index++) {
                    ProbeSample sample = phonebook.sample(4, index, tokens, ANY);
                    int length = counter.applyAsInt(sample.prompt());
                    assertTrue(length <= tokens, length + " tokens of " + tokens);
                    int entries = PhonebookReaders.book(sample.prompt()).size();
                    Phonebook byEntries = Phonebook.builder().optReversed(reversed).build();
                    assertEquals(byEntries.sample(4, index, entries, ANY), sample);
                    String next = byEntries.sample(4, index, entries + 1, ANY).prompt();
                    assertTrue(counter.applyAsInt(next) > tokens, next);
                }
            }
        }
    }

    @Test
    void saysWhatIsWrongWithArguments() {
        assertMessage("from 3 to", () -> STANDARD.sample(0, 0, 2, ANY));
        assertMessage(
                "from 3 to 57920 entries, but 57921",
                () -> STANDARD.sample(0, 0, Phonebook.maxEntries() + 1, ANY));
        assertMessage("from 1 to 16777216", () -> STANDARD.sample(0, 0, 0, ANY));
        assertMessage("from 1 to 16777216", () -> STANDARD.sample(0, 0, Integer.MAX_VALUE, ANY));
        assertMessage("depth", () -> STANDARD.sample(0, 0, 5, OptionalDouble.of(1.5)));
        assertMessage("depth", () -> STANDARD.sample(0, 0, 5, OptionalDouble.of(Double.NaN)));
        assertMessage("16 examples", () -> Phonebook.builder().optExamples(0).build());
        assertMessage("16 examples", () -> Phonebook.builder().optExamples(17).build());
        Phonebook byLength = Phonebook.builder().optTokenCounter(String::length).build();
        assertMessage("of 3 entries, has", () -> byLength.sample(0, 0, 100, ANY));
        assertMessage(
                "does not fill the 16000000 tokens", () -> byLength.sample(0, 0, 16_000_000, ANY));
        Phonebook broken = Phonebook.builder().optTokenCounter(text -> 0).build();
        assertThrows(IllegalStateException.class, () -> broken.sample(0, 0, 100, ANY));
    }

    @Test
    void namesSayWhichFormItIs() {
        assertEquals("phonebook", STANDARD.name());
        assertEquals("phonebook-reversed", REVERSED.name());
        assertEquals("entries", STANDARD.lengthUnit());
        assertNotEquals(STANDARD.sample(0, 0, 9, ANY), REVERSED.sample(0, 0, 9, ANY));
        assertEquals(12, STANDARD.maxNewTokens());
    }

    private static void assertMessage(String part, Runnable call) {
        IllegalArgumentException error = assertThrows(IllegalArgumentException.class, call::run);
        assertTrue(error.getMessage().contains(part), error.getMessage());
    }
}
