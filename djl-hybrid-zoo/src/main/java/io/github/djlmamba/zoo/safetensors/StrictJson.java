/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.safetensors;

import com.google.gson.JsonParseException;
import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import java.io.EOFException;
import java.io.IOException;
import java.io.StringReader;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * JSON read by the letter of RFC 8259, with no key twice in an object, so that nobody can be shown
 * one thing and another. What is wrong becomes a {@link JsonParseException}.
 */
final class StrictJson {

    private static final Pattern LENIENT_ADVICE =
            Pattern.compile("Use JsonReader\\.setStrictness.*malformed JSON");

    private static final Pattern CONTROL = Pattern.compile("\\p{Cntrl}");
    private static final int SHOWN_CHARACTERS = 300;

    private StrictJson() {}

    /** Reads one value. */
    @FunctionalInterface
    interface Value {

        void read(String key, JsonReader in) throws IOException;
    }

    /** Reads the members of a document that is one object. */
    static void parseObject(ByteBuffer utf8, Value member) {
        try (JsonReader in = new JsonReader(new StringReader(decode(utf8)))) {
            in.setStrictness(Strictness.STRICT);
            readObject(in, member);
            if (in.peek() != JsonToken.END_DOCUMENT) {
                throw new JsonParseException("something follows after its end");
            }
        } catch (EOFException e) {
            throw new JsonParseException("it ends too early", e);
        } catch (CharacterCodingException e) {
            throw new JsonParseException("it is not UTF-8", e);
        } catch (IllegalStateException | IllegalArgumentException | IOException e) {
            throw new JsonParseException(describe(e), e);
        }
    }

    /** Reads an object that is the next value. */
    static void readObject(JsonReader in, Value member) throws IOException {
        Set<String> keys = new HashSet<>();
        in.beginObject();
        while (in.hasNext()) {
            String key = checkText(in.nextName());
            if (!keys.add(key)) {
                throw new JsonParseException("the key \"" + key + "\" is there twice");
            }
            member.read(key, in);
        }
        in.endObject();
    }

    /** Reads a string. */
    static String readText(JsonReader in) throws IOException {
        if (in.peek() != JsonToken.STRING) {
            throw new JsonParseException("expected a string at " + in.getPath());
        }
        return checkText(in.nextString());
    }

    /** Reads a whole number from 0 to 2^63 - 1, written without point and exponent. */
    static long readCount(JsonReader in) throws IOException {
        if (in.peek() == JsonToken.NUMBER) {
            String digits = in.nextString();
            if (digits.chars().allMatch(c -> c >= '0' && c <= '9')) {
                try {
                    return Long.parseLong(digits);
                } catch (NumberFormatException e) {
                    // It has too many digits.
                }
            }
        }
        throw new JsonParseException(
                "expected a whole number from 0 to 2^63 - 1 at " + in.getPath());
    }

    /** Refuses what UTF-8 cannot hold: one half of a pair of Java's characters. */
    static String checkText(String text) {
        if (text.codePoints().anyMatch(StrictJson::isHalf)) {
            throw new IllegalArgumentException("a string holds half of a character");
        }
        return text;
    }

    private static boolean isHalf(int codePoint) {
        return codePoint >= Character.MIN_SURROGATE && codePoint <= Character.MAX_SURROGATE;
    }

    /** Returns a text of a file as it may stand in a message: not too long, without controls. */
    static String shown(String text) {
        String start =
                text.length() <= SHOWN_CHARACTERS
                        ? text
                        : text.substring(0, SHOWN_CHARACTERS) + "...";
        return CONTROL.matcher(start).replaceAll("?");
    }

    private static String decode(ByteBuffer utf8) throws CharacterCodingException {
        // Unlike String's constructor, a decoder reports what is not UTF-8.
        return StandardCharsets.UTF_8.newDecoder().decode(utf8).toString();
    }

    /**
     * Gson adds a line with the address of its own documentation, and names a setting of its own
     * where the place of the error says more.
     */
    private static String describe(Exception e) {
        String message = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
        return LENIENT_ADVICE.matcher(message).replaceFirst("malformed JSON");
    }
}
