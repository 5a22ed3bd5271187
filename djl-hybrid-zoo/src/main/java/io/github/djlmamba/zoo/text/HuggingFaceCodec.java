/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import ai.djl.MalformedModelException;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.apiguardian.api.API;

/**
 * A tokenizer of Hugging Face's, from its file tokenizer.json. Thread safe; it holds native memory
 * until it is closed.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class HuggingFaceCodec implements TextCodec, AutoCloseable {

    /** The name of the file. */
    public static final String FILE = "tokenizer.json";

    /** How many tokens before may change how the next one reads, by spaces or half characters. */
    private static final int CONTEXT = 6;

    /** More tokens than one character can have: text after as many is no character begun. */
    private static final int LONGEST_CHARACTER = 8;

    /** What a character that has not been completed reads as. */
    private static final String INCOMPLETE = "\uFFFD";

    private final HuggingFaceTokenizer tokenizer;

    private HuggingFaceCodec(HuggingFaceTokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    /**
     * Reads a tokenizer.
     *
     * @param fileOrFolder the file, or the folder with a file of that name
     * @return the codec
     * @throws IOException if the file cannot be read
     * @throws MalformedModelException if it is no tokenizer
     */
    public static HuggingFaceCodec open(Path fileOrFolder)
            throws IOException, MalformedModelException {
        Path file = Files.isDirectory(fileOrFolder) ? fileOrFolder.resolve(FILE) : fileOrFolder;
        try {
            // Without these settings DJL would cut every text after 512 tokens.
            return new HuggingFaceCodec(
                    HuggingFaceTokenizer.newInstance(
                            file, Map.of("truncation", "false", "padding", "false")));
        } catch (RuntimeException e) {
            throw new MalformedModelException(
                    file + ": is no tokenizer that can be used: " + e.getMessage(), e);
        }
    }

    /** {@inheritDoc} */
    @Override
    public long[] encode(String text, boolean start) {
        return tokenizer.encode(text, start, false).getIds();
    }

    /** {@inheritDoc} */
    @Override
    public TextDecoder newDecoder(long... before) {
        return new Decoder(before);
    }

    /** {@inheritDoc} */
    @Override
    public String decode(long... ids) {
        return tokenizer.decode(ids, true);
    }

    /** Frees the tokenizer's native memory. */
    @Override
    public void close() {
        tokenizer.close();
    }

    /**
     * Decodes the last tokens again with each new one, and gives what the text has gained: what a
     * token reads as may depend on those before. The tokens decoded again are those that the text
     * gained last, so they begin with a whole character.
     */
    private final class Decoder implements TextDecoder {

        /** The last tokens whose text has been given, and after them those whose text has not. */
        private long[] window;

        private int given;
        private String givenText;

        Decoder(long... before) {
            int from = Math.max(0, before.length - CONTEXT);
            window = Arrays.copyOfRange(before, from, before.length);
            while (from > 0 && decode(window).startsWith(INCOMPLETE)) {
                window = Arrays.copyOfRange(before, --from, before.length);
            }
            given = window.length;
            givenText = "";
            // The prompt may end within a character, which the next tokens complete. A tokenizer
            // may
            // then read the one before as incomplete, too.
            int least = Math.max(0, given - LONGEST_CHARACTER);
            for (int length = given; length >= least; length--) {
                String whole = withoutIncomplete(decode(Arrays.copyOf(window, length)));
                if (whole.length() >= givenText.length()) {
                    given = length;
                    givenText = whole;
                }
            }
        }

        private static String withoutIncomplete(String text) {
            int end = text.length();
            while (text.startsWith(INCOMPLETE, end - 1)) {
                end--;
            }
            return text.substring(0, end);
        }

        @Override
        public String next(long id) {
            window = Arrays.copyOf(window, window.length + 1);
            window[window.length - 1] = id;
            String text = decode(window);
            return text.endsWith(INCOMPLETE) && window.length - given < LONGEST_CHARACTER
                    ? ""
                    : gained(text);
        }

        @Override
        public String end() {
            return window.length == given ? "" : gained(decode(window));
        }

        private String gained(String text) {
            String more = text.substring(Math.min(givenText.length(), text.length()));
            if (!more.isEmpty()) {
                window = Arrays.copyOfRange(window, given, window.length);
            }
            given = window.length;
            givenText = decode(window);
            return more;
        }
    }
}
