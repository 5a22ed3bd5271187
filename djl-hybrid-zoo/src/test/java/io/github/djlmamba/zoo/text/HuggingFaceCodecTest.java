/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.MalformedModelException;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Two small tokenizers that Hugging Face's own library wrote, and ids and texts that it gave: one
 * of bytes as GPT-NeoX has it, with truncation to 8 tokens set, one of pieces with bytes for the
 * rest and a start token, as Llama has it.
 */
class HuggingFaceCodecTest {

    private static final String CAFE = "caf\u00e9 \ud83d\ude00 the";

    @TempDir private Path folder;

    private static HuggingFaceCodec codec(String name)
            throws IOException, MalformedModelException, URISyntaxException {
        return HuggingFaceCodec.open(Path.of(HuggingFaceCodecTest.class.getResource(name).toURI()));
    }

    @Test
    void idsAndTextsAreThoseOfTheLibrary() throws Exception {
        try (HuggingFaceCodec codec = codec("byte_level")) {
            assertArrayEquals(
                    new long[] {279, 259, 314, 290, 295, 71},
                    codec.encode("In the beginning", true));
            long[] ids = {286, 309, 221, 311, 247, 223, 259};
            assertArrayEquals(ids, codec.encode(CAFE, false));
            assertEquals(CAFE, codec.decode(ids));
            assertEquals(60, codec.encode("zq".repeat(30), true).length, "nothing is cut off");
        }
        try (HuggingFaceCodec codec = codec("byte_fallback")) {
            long[] ids = {1, 259, 262, 260, 265, 198, 172, 259, 243, 162, 155, 131, 294};
            assertArrayEquals(ids, codec.encode(CAFE, true));
            assertEquals(CAFE, codec.decode(ids));
            assertArrayEquals(Arrays.copyOfRange(ids, 1, ids.length), codec.encode(CAFE, false));
        }
    }

    /** Wherever a prompt is cut, prompt and stream are the text, in whole characters. */
    @ParameterizedTest
    @ValueSource(strings = {"byte_level", "byte_fallback"})
    void aStreamContinuesAPromptCutAnywhere(String name) throws Exception {
        String text = "the cafe, " + CAFE + " and \u65e5\u672c\u8a9e in the end. \u20ac and";
        try (HuggingFaceCodec codec = codec(name)) {
            long[] ids = codec.encode(text, true);
            for (int cut = 0; cut <= ids.length; cut++) {
                TextDecoder decoder = codec.newDecoder(Arrays.copyOf(ids, cut));
                StringBuilder stream = new StringBuilder();
                for (int i = cut; i < ids.length; i++) {
                    String piece = decoder.next(ids[i]);
                    assertFalse(piece.contains("\uFFFD"), "cut at " + cut + ": " + piece);
                    stream.append(piece);
                }
                stream.append(decoder.end());
                // A character that the cut falls into comes with the stream.
                String before = "";
                for (int shorter = Math.max(0, cut - 3); shorter <= cut; shorter++) {
                    String decoded = codec.decode(Arrays.copyOf(ids, shorter));
                    int end = decoded.indexOf('\uFFFD');
                    String whole = end < 0 ? decoded : decoded.substring(0, end);
                    before = whole.length() > before.length() ? whole : before;
                }
                assertEquals(text, before + stream, "cut at " + cut);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"byte_level", "byte_fallback"})
    void anyTokensCanBeStreamed(String name) throws Exception {
        try (HuggingFaceCodec codec = codec(name)) {
            Random random = new Random(2);
            for (int round = 0; round < 50; round++) {
                TextDecoder decoder = codec.newDecoder(random.nextInt(300));
                int characters = 0;
                for (int i = 0; i < 100; i++) {
                    characters += decoder.next(random.nextInt(310)).length();
                }
                characters += decoder.end().length();
                assertTrue(characters > 50, "no text is lost: " + characters);
            }
            // Half a character at the end is said to be one; special tokens have no text.
            long[] accent = codec.encode("\u00e9\u20ac", false);
            TextDecoder decoder = codec.newDecoder();
            StringBuilder text = new StringBuilder();
            for (int i = 0; i < accent.length - 1; i++) {
                text.append(decoder.next(accent[i]));
            }
            assertEquals("\u00e9", text.toString().strip());
            assertTrue(decoder.end().startsWith("\uFFFD"));
            assertEquals("", codec.newDecoder().next(0));
        }
    }

    @Test
    void aFileThatIsNoTokenizerIsRefused() throws Exception {
        assertThrows(IOException.class, () -> HuggingFaceCodec.open(folder));
        for (String content : List.of("", "{", "{\"model\": 3}", "\u0000\u0001")) {
            Path file = folder.resolve("tokenizer.json");
            Files.writeString(file, content);
            MalformedModelException thrown =
                    assertThrows(
                            MalformedModelException.class, () -> HuggingFaceCodec.open(folder));
            assertTrue(thrown.getMessage().contains("tokenizer.json"), thrown.getMessage());
        }
    }
}
