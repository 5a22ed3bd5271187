/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.probe;

import java.nio.charset.StandardCharsets;
import java.util.function.IntFunction;
import java.util.function.ToIntFunction;

/** How long prompts are. */
final class PromptLength {

    private PromptLength() {}

    /** Counts bytes of UTF-8, the tokens of a model of bytes. */
    static int bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8).length;
    }

    /** Checks a length that a caller asks for. */
    static void check(int length) {
        if (length < 1 || length > Probe.MAX_LENGTH) {
            throw new IllegalArgumentException(
                    "The length of a prompt must be from 1 to "
                            + Probe.MAX_LENGTH
                            + ", but is "
                            + length
                            + ".");
        }
    }

    /**
     * Returns the largest size whose prompt is not longer than asked for.
     *
     * <p>It counts whole prompts, since the tokens of a text are not those of its parts. A prompt
     * that grows may lose a token where two join; then a slightly larger size may fit as well.
     *
     * @param prompt the prompt of a size
     * @param minimum the smallest size
     * @param maximum the largest size
     * @param length the most tokens
     * @param counter counts the tokens of a text
     * @param unit what the size counts, in the plural
     * @throws IllegalArgumentException if the smallest is too long or the largest does not fill the
     *     length
     */
    static int largestSize(
            IntFunction<String> prompt,
            int minimum,
            int maximum,
            int length,
            ToIntFunction<String> counter,
            String unit) {
        int shortest = count(prompt.apply(minimum), counter);
        if (shortest > length) {
            throw new IllegalArgumentException(
                    "The shortest prompt, of "
                            + minimum
                            + " "
                            + unit
                            + ", has "
                            + shortest
                            + " tokens, but at most "
                            + length
                            + " are asked for. Ask for a greater length.");
        }
        int fits = minimum;
        int tooLong = minimum;
        while (tooLong == fits) {
            if (fits == maximum) {
                throw new IllegalArgumentException(
                        "The longest prompt, of "
                                + maximum
                                + " "
                                + unit
                                + ", does not fill the "
                                + length
                                + " tokens that are asked for. Ask for a smaller length.");
            }
            int next = (int) Math.min(2L * fits, maximum);
            tooLong = next;
            if (count(prompt.apply(next), counter) <= length) {
                fits = next;
            }
        }
        while (tooLong - fits > 1) {
            int middle = fits + (tooLong - fits) / 2;
            if (count(prompt.apply(middle), counter) <= length) {
                fits = middle;
            } else {
                tooLong = middle;
            }
        }
        return fits;
    }

    private static int count(String prompt, ToIntFunction<String> counter) {
        int tokens = counter.applyAsInt(prompt);
        if (tokens < 1) {
            throw new IllegalStateException(
                    "The token counter says that a prompt of "
                            + prompt.length()
                            + " characters has "
                            + tokens
                            + " tokens; it must count at least 1.");
        }
        return tokens;
    }
}
