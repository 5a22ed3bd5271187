/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonPrimitive;
import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import java.io.IOException;
import java.io.StringReader;
import java.math.BigDecimal;
import java.util.List;

/**
 * Parses a configuration: JSON by the letter, without a key twice in an object, but for the bare
 * words NaN, Infinity and -Infinity, which Python writes for such numbers.
 */
final class ConfigJson {

    private static final String FLOAT = "__float__";

    private static final List<String> WORDS = List.of("-Infinity", "Infinity", "NaN");

    /** More digits than any number has, and few enough to convert at once. */
    private static final int MAX_DIGITS = 100;

    private ConfigJson() {}

    /** Parses a document that is one object, or says what is wrong with it. */
    static JsonObject parse(String json) {
        try (JsonReader in = new JsonReader(new StringReader(quoted(json)))) {
            in.setStrictness(Strictness.STRICT);
            if (in.peek() != JsonToken.BEGIN_OBJECT) {
                throw new JsonParseException("expected an object, which starts with {");
            }
            JsonObject object = read(in).getAsJsonObject();
            if (in.peek() != JsonToken.END_DOCUMENT) {
                throw new JsonParseException("something follows after its end");
            }
            return object;
        } catch (IOException | IllegalStateException e) {
            // Gson adds a line with the address of its own documentation.
            String message = String.valueOf(e.getMessage());
            throw new JsonParseException(message.lines().findFirst().orElse(""), e);
        }
    }

    /** Writes the bare words, outside of strings, in the form that is JSON. */
    private static String quoted(String json) {
        StringBuilder text = new StringBuilder(json.length());
        boolean inString = false;
        for (int i = 0; i < json.length(); i++) {
            char c = json.charAt(i);
            String word = inString ? null : wordAt(json, i);
            if (word != null) {
                text.append("{\"" + FLOAT + "\":\"" + word + "\"}");
                i += word.length() - 1;
                continue;
            }
            text.append(c);
            if (c == '"') {
                inString = !inString;
            } else if (c == '\\' && inString && i + 1 < json.length()) {
                i++;
                text.append(json.charAt(i));
            }
        }
        return text.toString();
    }

    private static String wordAt(String json, int start) {
        for (String word : WORDS) {
            if (json.startsWith(word, start)) {
                return word;
            }
        }
        return null;
    }

    private static BigDecimal decimal(String digits) {
        if (digits.length() > MAX_DIGITS) {
            throw new JsonParseException(
                    "a number has " + digits.length() + " digits; expected at most " + MAX_DIGITS);
        }
        return new BigDecimal(digits);
    }

    private static JsonElement read(JsonReader in) throws IOException {
        switch (in.peek()) {
            case BEGIN_OBJECT:
                return readObject(in);
            case BEGIN_ARRAY:
                JsonArray array = new JsonArray();
                in.beginArray();
                while (in.hasNext()) {
                    array.add(read(in));
                }
                in.endArray();
                return array;
            case STRING:
                return new JsonPrimitive(in.nextString());
            case NUMBER:
                return new JsonPrimitive(decimal(in.nextString()));
            case BOOLEAN:
                return new JsonPrimitive(in.nextBoolean());
            default:
                in.nextNull();
                return JsonNull.INSTANCE;
        }
    }

    private static JsonObject readObject(JsonReader in) throws IOException {
        JsonObject object = new JsonObject();
        in.beginObject();
        while (in.hasNext()) {
            String key = in.nextName();
            if (object.has(key)) {
                throw new JsonParseException("the key \"" + key + "\" is there twice");
            }
            object.add(key, read(in));
        }
        in.endObject();
        return object;
    }

    /** Returns a number, in either form, or null if the element is none. */
    static Double number(JsonElement element) {
        if (element.isJsonPrimitive() && element.getAsJsonPrimitive().isNumber()) {
            return element.getAsDouble();
        }
        if (element.isJsonObject() && element.getAsJsonObject().size() == 1) {
            JsonElement word = element.getAsJsonObject().get(FLOAT);
            if (word != null && word.isJsonPrimitive()) {
                return switch (word.getAsString()) {
                    case "Infinity" -> Double.POSITIVE_INFINITY;
                    case "-Infinity" -> Double.NEGATIVE_INFINITY;
                    case "NaN" -> Double.NaN;
                    default -> null;
                };
            }
        }
        return null;
    }
}
