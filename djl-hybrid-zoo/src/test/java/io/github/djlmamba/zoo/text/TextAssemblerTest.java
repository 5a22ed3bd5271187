/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Bytes to text, stop strings, and what is held back. */
class TextAssemblerTest {

    private static final ByteCodec CODEC = ByteCodec.INSTANCE;

    @Test
    void piecesAreWholeCharacters() {
        String text = "a\u00e9\u20ac\ud83d\ude00z";
        TextAssembler assembler = new TextAssembler(CODEC.newDecoder(), List.of());
        List<String> pieces = new ArrayList<>();
        for (long id : CODEC.encode(text, true)) {
            assertTrue(assembler.accept(id));
            String piece = assembler.take();
            if (!piece.isEmpty()) {
                pieces.add(piece);
            }
        }
        assertEquals(List.of("a", "\u00e9", "\u20ac", "\ud83d\ude00", "z"), pieces);
        assertEquals(text, assembler.text());
    }

    @Test
    void whatIsNoUtf8BecomesReplacementCharacters() {
        // A cut character before another, a byte that starts nothing, a surrogate, an overlong one.
        for (byte[] bytes :
                new byte[][] {
                    {'a', (byte) 0xe2, (byte) 0x82, 'b'},
                    {(byte) 0xff, (byte) 0xfe, 'c', (byte) 0x80},
                    {(byte) 0xed, (byte) 0xa0, (byte) 0x80},
                    {(byte) 0xc0, (byte) 0xaf},
                    {(byte) 0xf0, (byte) 0x9f, (byte) 0x98}
                }) {
            long[] ids = new long[bytes.length];
            for (int i = 0; i < ids.length; i++) {
                ids[i] = Byte.toUnsignedLong(bytes[i]);
            }
            assertEquals(new String(bytes, StandardCharsets.UTF_8), CODEC.decode(ids));
        }
        assertEquals("ab", CODEC.decode('a', 256, 99999, -1, 'b'));
    }

    @Test
    void randomBytesReadAsJavaReadsThem() {
        Random random = new Random(3);
        for (int round = 0; round < 2000; round++) {
            byte[] bytes = new byte[random.nextInt(40)];
            random.nextBytes(bytes);
            for (int i = 0; i < bytes.length; i++) {
                // Every second one starts or continues a longer character.
                bytes[i] = random.nextBoolean() ? bytes[i] : (byte) (0x80 | bytes[i]);
            }
            long[] ids = new long[bytes.length];
            for (int i = 0; i < ids.length; i++) {
                ids[i] = Byte.toUnsignedLong(bytes[i]);
            }
            assertEquals(new String(bytes, StandardCharsets.UTF_8), CODEC.decode(ids));
        }
    }

    @Test
    void aCharacterThatThePromptBeginsIsCompleted() {
        TextDecoder decoder = CODEC.newDecoder('x', 0xe2, 0x82);
        assertEquals("\u20ac", decoder.next(0xac));
        assertEquals("", decoder.end());
        assertEquals("b", CODEC.newDecoder(0xe2, 0x82, 0xac, 'a').next('b'));
        assertEquals("\uFFFDb", CODEC.newDecoder('a', 0xe2).next('b'));
    }

    @Test
    void textThatIsNoUnicodeIsEncodedAsAReplacement() {
        assertEquals("a\uFFFDb", CODEC.decode(CODEC.encode("a\ud83db", true)));
        assertEquals(0, CODEC.encode("", true).length);
    }

    @Test
    void aStopStringEndsTheTextBeforeIt() {
        assertEquals("one ", streamed("one END two", "END"));
        assertEquals("", streamed("END", "END", "x"));
        // The first in the text, not in the list; and one within another.
        assertEquals("a", streamed("abcd", "cd", "bc"));
        assertEquals("x", streamed("xaab", "ab", "aab"));
        assertEquals("none here EN", streamed("none here EN", "END"));
        assertEquals("aa", streamed("aaaab", "aab"));
        assertEquals("\u20ac", streamed("\u20ac\u00e9!", "\u00e9"));
    }

    /** What streams is never part of a stop string, and side by side it is the text. */
    private static String streamed(String text, String... stops) {
        TextAssembler assembler = new TextAssembler(CODEC.newDecoder(), List.of(stops));
        StringBuilder pieces = new StringBuilder();
        boolean goesOn = true;
        for (long id : CODEC.encode(text, true)) {
            goesOn = assembler.accept(id);
            pieces.append(assembler.take());
            for (String stop : stops) {
                assertFalse(pieces.toString().contains(stop));
            }
            if (!goesOn) {
                break;
            }
        }
        assertEquals(goesOn, assembler.end());
        pieces.append(assembler.take());
        assertEquals(assembler.text(), pieces.toString());
        return pieces.toString();
    }
}
