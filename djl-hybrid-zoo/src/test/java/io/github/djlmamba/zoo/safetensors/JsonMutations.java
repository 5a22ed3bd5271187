/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.safetensors;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;

/** Puts faults into JSON documents: into their values, their structure or their text. */
public final class JsonMutations {

    private static final String RAW = "@@raw@@";
    private static final String AGAIN = "@@again@@";

    /** What is put in as it stands, valid JSON or not. */
    private static final List<String> VALUES =
            List.of(
                    "0",
                    "1",
                    "-1",
                    "2147483648",
                    "4294967296",
                    "9007199254740993",
                    "4611686018427387904",
                    "9223372036854775807",
                    "9223372036854775808",
                    "18446744073709551616",
                    "-9223372036854775808",
                    "1e308",
                    "1e999",
                    "0.5",
                    "1.0",
                    "-0",
                    "01",
                    "NaN",
                    "null",
                    "NULL",
                    "true",
                    "[]",
                    "{}",
                    "[[0]]",
                    "[0,0]",
                    "{\"a\":{\"a\":{}}}",
                    "\"\"",
                    "\"a\"",
                    "'a'",
                    "\"..\"",
                    "\".\"",
                    "\"../outside.safetensors\"",
                    "\"..\\\\outside.safetensors\"",
                    "\"./model.safetensors\"",
                    "\"/etc/passwd\"",
                    "\"file:///etc/passwd\"",
                    "\"model.safetensors\"",
                    "\"model.safetensors.index.json\"",
                    "\"config.json\"",
                    "\"outside.safetensors\"",
                    "\"sub/model.safetensors\"",
                    "\"\\u0000\"",
                    "\"\\ud800\"",
                    "\"F32\"",
                    "\"F64\"",
                    "\"BF16\"",
                    "\"U8\"",
                    "\"BOOL\"",
                    "\"I16\"",
                    "\"__metadata__\"",
                    "[".repeat(20_000),
                    "[".repeat(20_000) + "]".repeat(20_000),
                    "\"" + "x".repeat(20_000) + "\"");

    private static final String CHARACTERS = "{}[]\",:0123456789 \\-.eE/\n\t\0\u00e9a";

    private static final Gson PRINTER =
            new GsonBuilder().serializeNulls().disableHtmlEscaping().create();

    private JsonMutations() {}

    /** Returns a document with a fault; now and then one that is valid still. */
    public static String mutate(String json, SplittableRandom random) {
        return random.nextInt(4) == 0 ? mutateText(json, random) : mutateTree(json, random);
    }

    private static String mutateText(String json, SplittableRandom random) {
        StringBuilder text = new StringBuilder(json);
        int edits = 1 + random.nextInt(3);
        for (int i = 0; i < edits && text.length() > 0; i++) {
            int at = random.nextInt(text.length());
            char other = CHARACTERS.charAt(random.nextInt(CHARACTERS.length()));
            switch (random.nextInt(4)) {
                case 0 -> text.deleteCharAt(at);
                case 1 -> text.insert(at, other);
                case 2 -> text.setCharAt(at, other);
                default -> text.setLength(at);
            }
        }
        return text.toString();
    }

    private static String mutateTree(String json, SplittableRandom random) {
        JsonElement root = JsonParser.parseString(json);
        List<Site> sites = new ArrayList<>();
        collect(root, sites);
        if (sites.isEmpty()) {
            return mutateText(json, random);
        }
        Site site = sites.get(random.nextInt(sites.size()));
        String raw = VALUES.get(random.nextInt(VALUES.size()));
        switch (random.nextInt(6)) {
            case 0 -> site.replace.accept(null);
            case 1 -> {
                // Another value of the document: offsets overlap, shards are confused.
                raw = PRINTER.toJson(sites.get(random.nextInt(sites.size())).value);
                site.replace.accept(new JsonPrimitive(RAW));
            }
            case 2 -> {
                raw = near(site.value, raw, random);
                site.replace.accept(new JsonPrimitive(RAW));
            }
            case 3 -> {
                if (site.key == null) {
                    ((JsonArray) site.parent).add(new JsonPrimitive(RAW));
                } else {
                    ((JsonObject) site.parent).add(AGAIN, new JsonPrimitive(RAW));
                    raw = random.nextBoolean() ? PRINTER.toJson(site.value) : raw;
                }
            }
            default -> site.replace.accept(new JsonPrimitive(RAW));
        }
        String key = site.key == null ? "" : PRINTER.toJson(site.key);
        return PRINTER.toJson(root)
                .replace("\"" + AGAIN + "\"", key)
                .replace("\"" + RAW + "\"", raw);
    }

    /** A number beside a number: off by one, by four, or twice as large. */
    private static String near(JsonElement value, String otherwise, SplittableRandom random) {
        if (!value.isJsonPrimitive() || !value.getAsJsonPrimitive().isNumber()) {
            return otherwise;
        }
        double number = value.getAsDouble();
        if (number != Math.rint(number)) {
            return String.valueOf(-number);
        }
        long whole = (long) number;
        long[] near = {whole + 1, whole - 1, whole + 4, whole - 4, whole * 2, whole / 2, -whole};
        return String.valueOf(near[random.nextInt(near.length)]);
    }

    private static void collect(JsonElement element, List<Site> sites) {
        if (element instanceof JsonObject object) {
            object.asMap()
                    .forEach(
                            (key, value) -> {
                                sites.add(
                                        new Site(
                                                object,
                                                key,
                                                value,
                                                other -> {
                                                    object.remove(key);
                                                    if (other != null) {
                                                        object.add(key, other);
                                                    }
                                                }));
                                collect(value, sites);
                            });
        } else if (element instanceof JsonArray array) {
            for (int i = 0; i < array.size(); i++) {
                int at = i;
                sites.add(
                        new Site(
                                array,
                                null,
                                array.get(at),
                                other -> {
                                    if (other == null) {
                                        array.remove(at);
                                    } else {
                                        array.set(at, other);
                                    }
                                }));
                collect(array.get(at), sites);
            }
        }
    }

    /** A value in its object or array, and how it is replaced, or removed by null. */
    private record Site(
            JsonElement parent, String key, JsonElement value, Consumer<JsonElement> replace) {}
}
