/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface;

import ai.djl.MalformedModelException;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.apiguardian.api.API;

/**
 * The configuration of a checkpoint, config.json, whose values are checked as they are asked for:
 * one of the wrong type or out of range is an error that names the file, the key, what is there and
 * what was expected. A value of null counts as absent. Immutable and thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class ModelConfig {

    /** The name of the file in a checkpoint's folder. */
    public static final String FILE = "config.json";

    private static final long MAX_BYTES = 16 << 20;
    private static final int SHOWN = 60;

    private final String source;
    private final String prefix;
    private final String json;
    private final JsonObject values;

    private ModelConfig(String source, String prefix, String json, JsonObject values) {
        this.source = source;
        this.prefix = prefix;
        this.json = json;
        this.values = values;
    }

    /**
     * Reads the configuration of a folder.
     *
     * @param folder the folder
     * @return the configuration
     * @throws IOException if there is none, or it cannot be read
     * @throws MalformedModelException if it is not one JSON object in UTF-8
     */
    public static ModelConfig read(Path folder) throws IOException, MalformedModelException {
        Path file = folder.resolve(FILE);
        if (!Files.isRegularFile(file)) {
            throw new IOException(
                    "there is no "
                            + FILE
                            + " in "
                            + folder
                            + "; expected the folder of a Hugging Face model");
        }
        if (Files.size(file) > MAX_BYTES) {
            throw new MalformedModelException(
                    file + " has " + Files.size(file) + " bytes; expected at most " + MAX_BYTES);
        }
        try {
            return parse(
                    file.toString(),
                    StandardCharsets.UTF_8
                            .newDecoder()
                            .decode(ByteBuffer.wrap(Files.readAllBytes(file)))
                            .toString());
        } catch (CharacterCodingException e) {
            throw new MalformedModelException(file + " is not UTF-8", e);
        }
    }

    /**
     * Parses a configuration.
     *
     * @param source where it is from, for messages
     * @param json the text
     * @return the configuration
     * @throws MalformedModelException if it is not one JSON object
     */
    public static ModelConfig parse(String source, String json) throws MalformedModelException {
        try {
            return new ModelConfig(source, "", json, ConfigJson.parse(json));
        } catch (JsonParseException e) {
            throw new MalformedModelException(source + " is not JSON: " + e.getMessage(), e);
        }
    }

    /**
     * Returns the text that was parsed.
     *
     * @return the JSON
     */
    public String json() {
        return json;
    }

    /**
     * Returns where this configuration is from.
     *
     * @return a file, or what was given for messages
     */
    public String source() {
        return source;
    }

    /**
     * Returns the family of the model.
     *
     * @return the value of model_type
     * @throws MalformedModelException if it is missing or no text
     */
    public String modelType() throws MalformedModelException {
        return text("model_type");
    }

    /**
     * Returns whether a key has a value other than null.
     *
     * @param key the key
     * @return true if it has
     */
    public boolean has(String key) {
        return values.has(key) && !values.get(key).isJsonNull();
    }

    /**
     * Returns a number of things of which there must be one.
     *
     * @param key the key
     * @return 1 or more
     * @throws MalformedModelException if it is missing or anything else
     */
    public int size(String key) throws MalformedModelException {
        return whole(key, required(key, "a whole number of 1 or more"), 1);
    }

    /**
     * Returns a number of things of which there must be one.
     *
     * @param key the key
     * @param otherwise the value where the key is absent
     * @return 1 or more
     * @throws MalformedModelException if it is anything else
     */
    public int size(String key, int otherwise) throws MalformedModelException {
        return has(key) ? size(key) : otherwise;
    }

    /**
     * Returns a number of things of which there may be none.
     *
     * @param key the key
     * @param otherwise the value where the key is absent
     * @return 0 or more
     * @throws MalformedModelException if it is anything else
     */
    public int count(String key, int otherwise) throws MalformedModelException {
        return has(key) ? whole(key, values.get(key), 0) : otherwise;
    }

    /**
     * Returns numbers of things.
     *
     * @param key the key
     * @return each 0 or more
     * @throws MalformedModelException if they are missing or anything else
     */
    public List<Integer> counts(String key) throws MalformedModelException {
        List<Integer> counts = new ArrayList<>();
        for (JsonElement element : array(key, "a list of whole numbers")) {
            counts.add(whole(key, element, 0));
        }
        return counts;
    }

    /**
     * Returns a finite number.
     *
     * @param key the key
     * @param otherwise the value where the key is absent
     * @return the number
     * @throws MalformedModelException if it is anything else
     */
    public double number(String key, double otherwise) throws MalformedModelException {
        if (!has(key)) {
            return otherwise;
        }
        Double number = ConfigJson.number(values.get(key));
        if (number == null || !Double.isFinite(number)) {
            throw wrong(key, "a finite number");
        }
        return number;
    }

    /**
     * Returns a finite number above 0.
     *
     * @param key the key
     * @param otherwise the value where the key is absent
     * @return the number
     * @throws MalformedModelException if it is anything else
     */
    public double positive(String key, double otherwise) throws MalformedModelException {
        double number = number(key, otherwise);
        // What is positive only in double is none for the ops, which may compute in float.
        if (!((float) number > 0) || Float.isInfinite((float) number)) {
            throw wrong(key, "a positive number");
        }
        return number;
    }

    /**
     * Returns a finite number other than 0, by which something is multiplied.
     *
     * @param key the key
     * @param otherwise the value where the key is absent
     * @return the number
     * @throws MalformedModelException if it is anything else
     */
    public double multiplier(String key, double otherwise) throws MalformedModelException {
        double number = number(key, otherwise);
        if ((float) number == 0 || Float.isInfinite((float) number)) {
            throw wrong(key, "a number other than 0");
        }
        return number;
    }

    /**
     * Returns a list of numbers, which may be infinite.
     *
     * @param key the key
     * @param length how many there must be
     * @return the numbers
     * @throws MalformedModelException if they are missing, not as many, or not numbers
     */
    public List<Double> numbers(String key, int length) throws MalformedModelException {
        String expected = "a list of " + length + " numbers";
        List<Double> numbers = new ArrayList<>();
        for (JsonElement element : array(key, expected)) {
            Double number = ConfigJson.number(element);
            if (number == null || number.isNaN()) {
                throw wrong(key, expected);
            }
            numbers.add(number);
        }
        if (numbers.size() != length) {
            throw wrong(key, expected);
        }
        return numbers;
    }

    /**
     * Returns a truth value.
     *
     * @param key the key
     * @param otherwise the value where the key is absent
     * @return the value
     * @throws MalformedModelException if it is anything else
     */
    public boolean flag(String key, boolean otherwise) throws MalformedModelException {
        if (!has(key)) {
            return otherwise;
        }
        JsonElement element = values.get(key);
        if (!element.isJsonPrimitive() || !element.getAsJsonPrimitive().isBoolean()) {
            throw wrong(key, "true or false");
        }
        return element.getAsBoolean();
    }

    /**
     * Returns whether a key's value is a text.
     *
     * @param key the key
     * @return true for a text
     */
    public boolean isText(String key) {
        return has(key)
                && values.get(key).isJsonPrimitive()
                && values.get(key).getAsJsonPrimitive().isString();
    }

    /**
     * Returns a text.
     *
     * @param key the key
     * @return the text
     * @throws MalformedModelException if it is missing or anything else
     */
    public String text(String key) throws MalformedModelException {
        return text(key, required(key, "a text"));
    }

    /**
     * Returns a text out of several.
     *
     * @param key the key
     * @param otherwise the value where the key is absent
     * @param allowed those that there may be
     * @return the text
     * @throws MalformedModelException if it is anything else
     */
    public String choice(String key, String otherwise, List<String> allowed)
            throws MalformedModelException {
        if (!has(key)) {
            return otherwise;
        }
        String text = text(key);
        if (!allowed.contains(text)) {
            throw wrong(
                    key,
                    allowed.stream()
                            .map(one -> "\"" + one + "\"")
                            .collect(Collectors.joining(" or ")));
        }
        return text;
    }

    /**
     * Returns a list of texts.
     *
     * @param key the key
     * @return the texts
     * @throws MalformedModelException if they are missing or anything else
     */
    public List<String> texts(String key) throws MalformedModelException {
        List<String> texts = new ArrayList<>();
        for (JsonElement element : array(key, "a list of texts")) {
            texts.add(text(key, element));
        }
        return texts;
    }

    /**
     * Returns an object inside of this one as a configuration of its own.
     *
     * @param key the key
     * @return the object; an empty one where the key is absent
     * @throws MalformedModelException if it is anything else
     */
    public ModelConfig section(String key) throws MalformedModelException {
        JsonObject section = new JsonObject();
        if (has(key)) {
            if (!values.get(key).isJsonObject()) {
                throw wrong(key, "an object");
            }
            section = values.getAsJsonObject(key);
        }
        return new ModelConfig(source, prefix + key + ".", section.toString(), section);
    }

    /**
     * Makes the error of a value that is not as it should be.
     *
     * @param key its key
     * @param expected what was expected
     * @return the error, to be thrown
     */
    public MalformedModelException wrong(String key, String expected) {
        String found = has(key) ? values.get(key).toString() : null;
        if (found != null && found.length() > SHOWN) {
            found = found.substring(0, SHOWN) + "...";
        }
        return new MalformedModelException(
                source
                        + ": \""
                        + prefix
                        + key
                        + "\" is "
                        + (found == null ? "missing" : found)
                        + "; expected "
                        + expected);
    }

    private JsonElement required(String key, String expected) throws MalformedModelException {
        if (!has(key)) {
            throw wrong(key, expected);
        }
        return values.get(key);
    }

    private JsonArray array(String key, String expected) throws MalformedModelException {
        JsonElement element = required(key, expected);
        if (!element.isJsonArray()) {
            throw wrong(key, expected);
        }
        return element.getAsJsonArray();
    }

    private int whole(String key, JsonElement element, int least) throws MalformedModelException {
        Double number = ConfigJson.number(element);
        if (number == null
                || number != Math.rint(number)
                || !(number >= least && number <= Integer.MAX_VALUE)) {
            throw wrong(key, "a whole number from " + least + " to " + Integer.MAX_VALUE);
        }
        return number.intValue();
    }

    private String text(String key, JsonElement element) throws MalformedModelException {
        if (!element.isJsonPrimitive() || !element.getAsJsonPrimitive().isString()) {
            throw wrong(key, "a text");
        }
        return element.getAsString();
    }
}
