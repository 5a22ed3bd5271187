/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.probe;

import io.github.djlmamba.icl.task.PromptRandom;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.OptionalDouble;
import java.util.Random;
import java.util.Set;
import java.util.function.ToIntFunction;
import org.apiguardian.api.API;

/**
 * Names and phone numbers, of which one has to be found again.
 *
 * <p>In the standard form the question comes last:
 *
 * <pre>
 * Alice Baker: 6123456789
 * ...
 * Henry Young: 9876543210
 *
 * Carol Dunn: 7000000001
 * Peter Hall: 8000000002
 *
 * Alice Baker:
 * </pre>
 *
 * <p>The two lines after the phonebook are entries of it and show what is asked; then a name
 * follows, and the model is to write its number. So the model has to keep every entry until it
 * knows which one is wanted. In the reversed form a request with the name and the examples stands
 * before the phonebook, and the name is repeated after it, so that a model which can choose what it
 * remembers needs to keep one number alone.
 *
 * <p>Source: Waleffe et al. 2024, "An Empirical Study of Mamba-based Language Models" (arXiv
 * 2406.07887), section 3.3.3. The layout of the standard form and the numbers, ten digits whose
 * first is 6 to 9, are those of Jelassi et al. 2024, "Repeat After Me" (arXiv 2402.01032), who
 * introduced the task. The names, and the wording of the reversed form, are ours.
 *
 * <p>No name and no number stands in a phonebook twice. The longer phonebook of a sample begins
 * with all entries of the shorter one, and the name that is asked for stands at the same depth in
 * both. Immutable; safe for use by several threads, if the token counter is.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class Phonebook implements Probe {

    private static final int DIGITS = 10;

    private final boolean reversed;
    private final int examples;
    private final ToIntFunction<String> tokenCounter;

    private Phonebook(Builder builder) {
        reversed = builder.reversed;
        examples = builder.examples;
        tokenCounter = builder.tokenCounter;
    }

    /**
     * Creates a builder.
     *
     * @return a new builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Returns how many entries a phonebook can have, since there is no end of numbers, but of
     * names.
     *
     * @return the largest number of entries
     */
    public static int maxEntries() {
        return PersonNames.count();
    }

    @Override
    public String name() {
        return reversed ? "phonebook-reversed" : "phonebook";
    }

    @Override
    public String lengthUnit() {
        return tokenCounter == null ? "entries" : "tokens";
    }

    @Override
    public List<ProbeMetric> metrics() {
        return List.of(ProbeMetric.EXACT_MATCH, ProbeMetric.DIGIT_ACCURACY);
    }

    /** A space, ten digits, and what shows that the number ends there. */
    @Override
    public int maxNewTokens() {
        return DIGITS + 2;
    }

    @Override
    public ProbeSample sample(long seed, long index, int length, OptionalDouble depth) {
        PromptLength.check(length);
        depth.ifPresent(ProbeSample::checkDepth);
        Entries entries = new Entries(PromptRandom.of(seed, index));
        Random random = PromptRandom.of(PromptRandom.deriveSeed(seed, "phonebook-query"), index);
        double place = random.nextDouble();
        double[] examplePlaces = random.doubles(examples).toArray();
        int count =
                tokenCounter == null
                        ? length
                        : PromptLength.largestSize(
                                size ->
                                        compose(entries.first(size), depth, place, examplePlaces)
                                                .prompt(),
                                minEntries(),
                                maxEntries(),
                                length,
                                tokenCounter,
                                "entries");
        if (count < minEntries() || count > maxEntries()) {
            throw new IllegalArgumentException(
                    "A phonebook with "
                            + examples
                            + " examples has from "
                            + minEntries()
                            + " to "
                            + maxEntries()
                            + " entries, but "
                            + count
                            + " are asked for.");
        }
        return compose(entries.first(count), depth, place, examplePlaces);
    }

    private int minEntries() {
        return examples + 1;
    }

    private ProbeSample compose(
            List<Entry> book, OptionalDouble depth, double place, double[] examplePlaces) {
        int last = book.size() - 1;
        int query =
                (int)
                        (depth.isPresent()
                                ? Math.rint(depth.getAsDouble() * last)
                                : place * book.size());
        List<Entry> others = new ArrayList<>(book);
        others.remove(query);
        StringBuilder shown = new StringBuilder();
        for (double examplePlace : examplePlaces) {
            shown.append(others.remove((int) (examplePlace * others.size()))).append('\n');
        }
        StringBuilder entries = new StringBuilder();
        book.forEach(entry -> entries.append(entry).append('\n'));
        String name = book.get(query).name();
        String prompt =
                reversed
                        ? reversed(name, shown, entries)
                        : entries + "\n" + shown + "\n" + name + ":";
        return new ProbeSample(
                prompt, book.get(query).number(), last == 0 ? 0 : (double) query / last);
    }

    private static String reversed(String name, StringBuilder shown, StringBuilder entries) {
        return "Remember the phone number of "
                + name
                + ". It stands in the phonebook below, in entries such as these:\n\n"
                + shown
                + "\nThe phonebook begins here. Keep the number of "
                + name
                + ".\n\n"
                + entries
                + "\nThe phonebook ends here. This is the number that was to be remembered:\n\n"
                + name
                + ":";
    }

    private record Entry(String name, String number) {

        @Override
        public String toString() {
            return name + ": " + number;
        }
    }

    /** The entries of one sample, drawn when they are first needed. */
    private static final class Entries {

        private final Random random;
        private final PersonNames names = new PersonNames();
        private final Set<String> numbers = new HashSet<>();
        private final List<Entry> drawn = new ArrayList<>();

        Entries(Random random) {
            this.random = random;
        }

        List<Entry> first(int count) {
            while (drawn.size() < count) {
                drawn.add(new Entry(names.next(random), number()));
            }
            return List.copyOf(drawn.subList(0, count));
        }

        private String number() {
            StringBuilder digits = new StringBuilder();
            do {
                digits.setLength(0);
                digits.append(6 + random.nextInt(4));
                while (digits.length() < DIGITS) {
                    digits.append(random.nextInt(10));
                }
            } while (!numbers.add(digits.toString()));
            return digits.toString();
        }
    }

    /** Builds a {@link Phonebook}. */
    public static final class Builder {

        private boolean reversed;
        private int examples = 2;
        private ToIntFunction<String> tokenCounter;

        private Builder() {}

        /**
         * Sets whether the name stands before the phonebook too. The default is false.
         *
         * @param reversed true for the reversed form
         * @return this builder
         */
        public Builder optReversed(boolean reversed) {
            this.reversed = reversed;
            return this;
        }

        /**
         * Sets how many examples show what is asked. The default is 2, as in the study.
         *
         * @param examples from 1 to 16
         * @return this builder
         */
        public Builder optExamples(int examples) {
            this.examples = examples;
            return this;
        }

        /**
         * Takes lengths as tokens rather than as entries: a prompt has as many entries as fit.
         *
         * @param tokenCounter counts the tokens of a text
         * @return this builder
         */
        public Builder optTokenCounter(ToIntFunction<String> tokenCounter) {
            this.tokenCounter = Objects.requireNonNull(tokenCounter, "tokenCounter");
            return this;
        }

        /**
         * Builds the probe.
         *
         * @return a new probe
         * @throws IllegalArgumentException if the number of examples is out of range
         */
        public Phonebook build() {
            if (examples < 1 || examples > 16) {
                throw new IllegalArgumentException(
                        "A phonebook prompt shows from 1 to 16 examples, but "
                                + examples
                                + " are asked for.");
            }
            return new Phonebook(this);
        }
    }
}
