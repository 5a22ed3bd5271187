/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import org.apiguardian.api.API;

/**
 * The bytes of UTF-8 as tokens: ids 0 to 255. Bytes that are not UTF-8 become U+FFFD, as do
 * surrogates that are no pair when text is encoded; ids of 256 and above have no text. Thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class ByteCodec implements TextCodec {

    /** The codec. */
    public static final ByteCodec INSTANCE = new ByteCodec();

    private static final int BYTES = 256;
    private static final int LONGEST_CHARACTER = 4;

    private ByteCodec() {}

    /** {@inheritDoc} */
    @Override
    public long[] encode(String text, boolean start) {
        ByteBuffer bytes;
        try {
            bytes =
                    StandardCharsets.UTF_8
                            .newEncoder()
                            .onMalformedInput(CodingErrorAction.REPLACE)
                            .replaceWith("\uFFFD".getBytes(StandardCharsets.UTF_8))
                            .encode(CharBuffer.wrap(text));
        } catch (java.nio.charset.CharacterCodingException e) {
            throw new IllegalStateException("UTF-8 encodes every text", e);
        }
        long[] ids = new long[bytes.remaining()];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = Byte.toUnsignedLong(bytes.get());
        }
        return ids;
    }

    /** {@inheritDoc} */
    @Override
    public TextDecoder newDecoder(long... before) {
        Utf8Decoder decoder = new Utf8Decoder();
        for (int i = Math.max(0, before.length - LONGEST_CHARACTER); i < before.length; i++) {
            decoder.next(before[i]);
        }
        return decoder;
    }

    private static final class Utf8Decoder implements TextDecoder {

        private final CharsetDecoder decoder =
                StandardCharsets.UTF_8
                        .newDecoder()
                        .onMalformedInput(CodingErrorAction.REPLACE)
                        .onUnmappableCharacter(CodingErrorAction.REPLACE);
        private final ByteBuffer bytes = ByteBuffer.allocate(2 * LONGEST_CHARACTER);
        private final CharBuffer characters = CharBuffer.allocate(2 * LONGEST_CHARACTER);

        @Override
        public String next(long id) {
            if (id < 0 || id >= BYTES) {
                return "";
            }
            bytes.put((byte) id);
            return decode(false);
        }

        @Override
        public String end() {
            String rest = decode(true);
            decoder.reset();
            return rest;
        }

        /** Takes whole characters off the bytes; what may become one stays. */
        private String decode(boolean end) {
            bytes.flip();
            decoder.decode(bytes, characters, end);
            if (end) {
                decoder.flush(characters);
            }
            bytes.compact();
            characters.flip();
            String text = characters.toString();
            characters.clear();
            return text;
        }
    }
}
