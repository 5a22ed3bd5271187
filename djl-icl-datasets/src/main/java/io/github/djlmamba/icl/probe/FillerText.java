/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.probe;

import java.util.Iterator;
import java.util.List;
import java.util.Random;
import java.util.regex.Pattern;
import org.apiguardian.api.API;

/**
 * An endless text that says nothing of what is asked: the haystack.
 *
 * <p>Implementations are immutable and safe for use by several threads, each with a generator and
 * an iterator of its own.
 */
@FunctionalInterface
@API(status = API.Status.EXPERIMENTAL)
public interface FillerText {

    /**
     * Starts a text.
     *
     * @param random what the text is drawn with; nothing else may influence it
     * @return sentences without end, each not empty and without spaces around it
     */
    Iterator<String> sentences(Random random);

    /**
     * Returns the sentences of a given text, from a random one on; after the last comes the first.
     *
     * <p>A sentence ends at a full stop, a question mark or an exclamation mark with a space after
     * it, and at an empty line. Line breaks and runs of spaces become one space.
     *
     * @param text any text
     * @return the filler
     * @throws IllegalArgumentException if the text is blank
     */
    static FillerText of(String text) {
        List<String> sentences =
                Pattern.compile("(?<=[.?!][\"')\\]\u2019\u201d]?)\\s+|\\R\\s*\\R")
                        .splitAsStream(text.strip())
                        .map(sentence -> sentence.strip().replaceAll("\\s+", " "))
                        .filter(sentence -> !sentence.isEmpty())
                        .toList();
        if (sentences.isEmpty()) {
            throw new IllegalArgumentException(
                    "A filler text needs at least one sentence, but the text is blank.");
        }
        return random -> {
            int first = random.nextInt(sentences.size());
            return new Iterator<>() {

                private int next = first;

                @Override
                public boolean hasNext() {
                    return true;
                }

                @Override
                public String next() {
                    String sentence = sentences.get(next);
                    next = (next + 1) % sentences.size();
                    return sentence;
                }
            };
        };
    }
}
