/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.apiguardian.api.API;

/**
 * How text is generated. Immutable and thread safe.
 *
 * <p>The next token is chosen from the model's scores (logits) by these steps, in the order and
 * with the meaning that they have in Hugging Face's library:
 *
 * <ol>
 *   <li>the repetition penalty: scores of tokens that have come before, in the prompt or after it,
 *       are divided by it where positive and multiplied by it where negative (Keskar et al., 2019,
 *       section 4.1);
 *   <li>temperature 0: the token with the highest score is taken, the first of several;
 *   <li>else scores are divided by the temperature;
 *   <li>top-k: tokens that score below the k-th highest are left out (Fan et al., 2018);
 *   <li>top-p: the least probable of those left are left out, as many as together have at most a
 *       probability of 1 - p; the most probable one stays (Holtzman et al., 2020);
 *   <li>min-p: those less probable than min-p times the most probable one are left out (Nguyen et
 *       al., 2024);
 *   <li>one of those left is drawn, by its share of their probability.
 * </ol>
 *
 * <p>The numbers drawn depend on the seed alone, and are the same on every machine. Each sequence
 * has its own, so in a batch it gets what it would by itself.
 *
 * @param maxNewTokens the most tokens to generate, 1 or more
 * @param temperature 0 for the most probable token each time, else what scores are divided by
 * @param topK how many of the most probable tokens may be drawn; 0 for all
 * @param topP the probability that the tokens that may be drawn have together, above 0; 1 for all
 * @param minP the least probability of a token that may be drawn, as a part of the most probable
 *     one's; 0 for none
 * @param repetitionPenalty what makes tokens that have come before less probable; 1 for nothing
 * @param seed the seed of what is drawn
 * @param stopStrings strings that end the text; it stops before the first one
 * @param stopIds tokens that end the text, beside the model's own; the one that did is the last id
 *     of the result and not part of its text
 * @param ignoreEndOfSequence whether to go on after the model's own end-of-sequence tokens
 */
@API(status = API.Status.EXPERIMENTAL)
public record GenerationOptions(
        int maxNewTokens,
        double temperature,
        int topK,
        double topP,
        double minP,
        double repetitionPenalty,
        long seed,
        List<String> stopStrings,
        Set<Long> stopIds,
        boolean ignoreEndOfSequence) {

    /** The most probable token each time, up to 128 of them. */
    public static final GenerationOptions DEFAULTS =
            new GenerationOptions(128, 0, 0, 1, 0, 1, 0, List.of(), Set.of(), false);

    /**
     * Checks the settings.
     *
     * @throws IllegalArgumentException if one is out of range
     */
    public GenerationOptions {
        if (maxNewTokens < 1) {
            throw failure("the most new tokens are " + maxNewTokens + "; expected 1 or more");
        }
        if (!(temperature >= 0) || Double.isInfinite(temperature)) {
            throw failure("temperature is " + temperature + "; expected 0 (greedy) or more");
        }
        if (topK < 0) {
            throw failure("top-k is " + topK + "; expected 1 or more, or 0 for all tokens");
        }
        if (!(topP > 0 && topP <= 1)) {
            throw failure("top-p is " + topP + "; expected a number above 0 and at most 1");
        }
        if (!(minP >= 0 && minP <= 1)) {
            throw failure("min-p is " + minP + "; expected a number from 0 to 1");
        }
        if (!(repetitionPenalty > 0) || Double.isInfinite(repetitionPenalty)) {
            throw failure(
                    "the repetition penalty is "
                            + repetitionPenalty
                            + "; expected a positive number, such as 1 for none");
        }
        if (stopStrings == null
                || stopStrings.stream().anyMatch(stop -> stop == null || stop.isEmpty())) {
            throw failure("a stop string is empty or null; expected a character or more in each");
        }
        if (stopIds == null || stopIds.stream().anyMatch(Objects::isNull)) {
            throw failure("a stop id is null; expected ids of the vocabulary");
        }
        stopStrings = List.copyOf(stopStrings);
        stopIds = Set.copyOf(stopIds);
    }

    private static IllegalArgumentException failure(String message) {
        return new IllegalArgumentException("generation: " + message);
    }

    /**
     * Returns these settings with another limit of tokens.
     *
     * @param number the most new tokens, 1 or more
     * @return the settings
     */
    public GenerationOptions withMaxNewTokens(int number) {
        return new GenerationOptions(
                number,
                temperature,
                topK,
                topP,
                minP,
                repetitionPenalty,
                seed,
                stopStrings,
                stopIds,
                ignoreEndOfSequence);
    }

    /**
     * Returns these settings with another temperature.
     *
     * @param newTemperature 0 for the most probable token each time, or more
     * @return the settings
     */
    public GenerationOptions withTemperature(double newTemperature) {
        return new GenerationOptions(
                maxNewTokens,
                newTemperature,
                topK,
                topP,
                minP,
                repetitionPenalty,
                seed,
                stopStrings,
                stopIds,
                ignoreEndOfSequence);
    }

    /**
     * Returns these settings with another top-k.
     *
     * @param number how many tokens may be drawn; 0 for all
     * @return the settings
     */
    public GenerationOptions withTopK(int number) {
        return new GenerationOptions(
                maxNewTokens,
                temperature,
                number,
                topP,
                minP,
                repetitionPenalty,
                seed,
                stopStrings,
                stopIds,
                ignoreEndOfSequence);
    }

    /**
     * Returns these settings with another top-p.
     *
     * @param probability above 0 and at most 1
     * @return the settings
     */
    public GenerationOptions withTopP(double probability) {
        return new GenerationOptions(
                maxNewTokens,
                temperature,
                topK,
                probability,
                minP,
                repetitionPenalty,
                seed,
                stopStrings,
                stopIds,
                ignoreEndOfSequence);
    }

    /**
     * Returns these settings with another min-p.
     *
     * @param part from 0 to 1
     * @return the settings
     */
    public GenerationOptions withMinP(double part) {
        return new GenerationOptions(
                maxNewTokens,
                temperature,
                topK,
                topP,
                part,
                repetitionPenalty,
                seed,
                stopStrings,
                stopIds,
                ignoreEndOfSequence);
    }

    /**
     * Returns these settings with another repetition penalty.
     *
     * @param penalty a positive number; 1 for none
     * @return the settings
     */
    public GenerationOptions withRepetitionPenalty(double penalty) {
        return new GenerationOptions(
                maxNewTokens,
                temperature,
                topK,
                topP,
                minP,
                penalty,
                seed,
                stopStrings,
                stopIds,
                ignoreEndOfSequence);
    }

    /**
     * Returns these settings with another seed.
     *
     * @param newSeed the seed
     * @return the settings
     */
    public GenerationOptions withSeed(long newSeed) {
        return new GenerationOptions(
                maxNewTokens,
                temperature,
                topK,
                topP,
                minP,
                repetitionPenalty,
                newSeed,
                stopStrings,
                stopIds,
                ignoreEndOfSequence);
    }

    /**
     * Returns these settings with other strings that end the text.
     *
     * @param strings the strings
     * @return the settings
     */
    public GenerationOptions withStopStrings(List<String> strings) {
        return new GenerationOptions(
                maxNewTokens,
                temperature,
                topK,
                topP,
                minP,
                repetitionPenalty,
                seed,
                strings,
                stopIds,
                ignoreEndOfSequence);
    }

    /**
     * Returns these settings with other tokens that end the text.
     *
     * @param ids the tokens, beside the model's own
     * @return the settings
     */
    public GenerationOptions withStopIds(Set<Long> ids) {
        return new GenerationOptions(
                maxNewTokens,
                temperature,
                topK,
                topP,
                minP,
                repetitionPenalty,
                seed,
                stopStrings,
                ids,
                ignoreEndOfSequence);
    }

    /**
     * Returns these settings with or without a stop at the model's own end-of-sequence tokens.
     *
     * @param ignore true to go on after them
     * @return the settings
     */
    public GenerationOptions withIgnoreEndOfSequence(boolean ignore) {
        return new GenerationOptions(
                maxNewTokens,
                temperature,
                topK,
                topP,
                minP,
                repetitionPenalty,
                seed,
                stopStrings,
                stopIds,
                ignore);
    }
}
