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
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.OptionalDouble;
import java.util.Random;
import java.util.function.ToIntFunction;
import org.apiguardian.api.API;

/**
 * One sentence with a number inside a long text, to be found again.
 *
 * <p>The text is a filler whose sentences say nothing of the number. The needle stands between two
 * of them, "The secret number of the amber lighthouse is 4839201.", where the characters before it
 * are as near as can be to the share of the text that the depth says. The prompt ends in the
 * beginning of that sentence, so that a language model which was never taught to answer questions
 * can go on with the number.
 *
 * <p>Source: Kamradt 2023, "Needle In A Haystack", for the grid of length and depth; Hsieh et al.
 * 2024, "RULER" (arXiv 2404.06654), section 3.1, for numbers of seven digits as values. The wording
 * is ours.
 *
 * <p>Key and number stand in the text once. The same index gives the same key, number and filler at
 * every depth, and the longer text begins with the sentences of the shorter one. Immutable; safe
 * for use by several threads, if the token counter and the filler are.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class NeedleInHaystack implements Probe {

    private static final int DIGITS = 7;
    private static final int MAX_NEW_TOKENS = 32;
    private static final int MAX_NEEDLES = 100;

    private static final List<String> COLOURS =
            List.of(
                    "amber",
                    "crimson",
                    "emerald",
                    "golden",
                    "indigo",
                    "ivory",
                    "jade",
                    "orange",
                    "pink",
                    "purple",
                    "ruby",
                    "scarlet",
                    "silver",
                    "turquoise",
                    "violet",
                    "yellow");
    private static final List<String> LANDMARKS =
            List.of(
                    "abbey",
                    "aqueduct",
                    "canyon",
                    "castle",
                    "cathedral",
                    "citadel",
                    "fountain",
                    "glacier",
                    "harbour",
                    "island",
                    "lagoon",
                    "lighthouse",
                    "monument",
                    "mountain",
                    "museum",
                    "observatory",
                    "pagoda",
                    "palace",
                    "pyramid",
                    "temple",
                    "tower",
                    "volcano",
                    "waterfall",
                    "windmill");

    private final ToIntFunction<String> tokenCounter;
    private final FillerText filler;

    private NeedleInHaystack(Builder builder) {
        tokenCounter = builder.tokenCounter;
        filler = builder.filler;
    }

    /**
     * Creates a builder.
     *
     * @return a new builder
     */
    public static Builder builder() {
        return new Builder();
    }

    @Override
    public String name() {
        return "needle";
    }

    @Override
    public String lengthUnit() {
        return "tokens";
    }

    @Override
    public List<ProbeMetric> metrics() {
        return List.of(ProbeMetric.EXACT_MATCH, ProbeMetric.CONTAINS);
    }

    /** More than the number takes, so that one that comes after some words is found too. */
    @Override
    public int maxNewTokens() {
        return MAX_NEW_TOKENS;
    }

    @Override
    public ProbeSample sample(long seed, long index, int length, OptionalDouble depth) {
        PromptLength.check(length);
        depth.ifPresent(ProbeSample::checkDepth);
        Random random = PromptRandom.of(PromptRandom.deriveSeed(seed, "needle"), index);
        double drawnDepth = random.nextDouble();
        double place = depth.orElse(drawnDepth);
        Haystack haystack =
                new Haystack(
                        filler.sentences(
                                PromptRandom.of(PromptRandom.deriveSeed(seed, "filler"), index)));
        for (int needle = 0; needle < MAX_NEEDLES; needle++) {
            String key = one(COLOURS, random) + " " + one(LANDMARKS, random);
            int number = 1_000_000 + random.nextInt(9_000_000);
            String answer = String.valueOf(number);
            int size =
                    PromptLength.largestSize(
                            sentences -> compose(haystack.first(sentences), place, key, answer),
                            1,
                            // A sentence has at least one token.
                            length,
                            length,
                            tokenCounter,
                            "sentences");
            List<String> sentences = haystack.first(size);
            if (sentences.stream().noneMatch(text -> text.contains(key) || text.contains(answer))) {
                return new ProbeSample(compose(sentences, place, key, answer), answer, place);
            }
        }
        throw new IllegalArgumentException(
                "The filler text holds each of "
                        + MAX_NEEDLES
                        + " keys or numbers that were drawn, such that none could be hidden in it."
                        + " Give a text with fewer numbers.");
    }

    private static String compose(List<String> sentences, double depth, String key, String answer) {
        String statement = "The secret number of the " + key + " is";
        int before = sentencesBefore(sentences, depth);
        List<String> text = new ArrayList<>(sentences);
        text.add(before, statement + " " + answer + ".");
        return "A sentence about a secret number is hidden in the following text.\n\n"
                + String.join(" ", text)
                + "\n\nWhat is the secret number of the "
                + key
                + "? "
                + statement;
    }

    /** Returns after how many sentences the share of characters is nearest to the depth. */
    private static int sentencesBefore(List<String> sentences, double depth) {
        double target = depth * sentences.stream().mapToLong(String::length).sum();
        long characters = 0;
        int before = 0;
        while (before < sentences.size()
                && characters + sentences.get(before).length() / 2.0 <= target) {
            characters += sentences.get(before).length();
            before++;
        }
        return before;
    }

    private static String one(List<String> words, Random random) {
        return words.get(random.nextInt(words.size()));
    }

    /** The sentences of one sample, drawn when they are first needed. */
    private static final class Haystack {

        private final Iterator<String> source;
        private final List<String> drawn = new ArrayList<>();

        Haystack(Iterator<String> source) {
            this.source = source;
        }

        List<String> first(int count) {
            while (drawn.size() < count) {
                drawn.add(source.next());
            }
            return List.copyOf(drawn.subList(0, count));
        }
    }

    /** Builds a {@link NeedleInHaystack}. */
    public static final class Builder {

        private ToIntFunction<String> tokenCounter = PromptLength::bytes;
        private FillerText filler = new FillerGrammar();

        private Builder() {}

        /**
         * Sets what lengths are counted by. The default counts bytes of UTF-8, the tokens of a
         * model of bytes.
         *
         * @param tokenCounter counts the tokens of a text
         * @return this builder
         */
        public Builder optTokenCounter(ToIntFunction<String> tokenCounter) {
            this.tokenCounter = Objects.requireNonNull(tokenCounter, "tokenCounter");
            return this;
        }

        /**
         * Sets the text that the needle is hidden in. The default is {@link FillerGrammar}.
         *
         * @param filler the text
         * @return this builder
         */
        public Builder optFiller(FillerText filler) {
            this.filler = Objects.requireNonNull(filler, "filler");
            return this;
        }

        /**
         * Builds the probe.
         *
         * @return a new probe
         */
        public NeedleInHaystack build() {
            return new NeedleInHaystack(this);
        }
    }
}
