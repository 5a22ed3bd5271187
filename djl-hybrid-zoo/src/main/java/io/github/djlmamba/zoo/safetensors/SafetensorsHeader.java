/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.safetensors;

import ai.djl.MalformedModelException;
import ai.djl.ndarray.types.Shape;
import com.google.gson.JsonParseException;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import com.google.gson.stream.JsonWriter;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The header of a file: what it holds and where.
 *
 * @param entries the tensors by name, in the order of their bytes
 * @param metadata the notes
 */
record SafetensorsHeader(Map<String, TensorEntry> entries, Map<String, String> metadata) {

    /** The bytes before the header, which hold its length. */
    static final int LENGTH_BYTES = Long.BYTES;

    /** The longest header that the format allows. */
    static final long MAX_BYTES = 100_000_000;

    private static final String METADATA = "__metadata__";
    private static final int ALIGNMENT = 8;

    /**
     * Parses a header and checks it against the bytes that follow it.
     *
     * @param file the file, for messages
     * @param json the header
     * @param dataBytes the bytes after it
     * @throws MalformedModelException if anything is wrong
     */
    static SafetensorsHeader parse(String file, ByteBuffer json, long dataBytes)
            throws MalformedModelException {
        List<TensorEntry> entries = new ArrayList<>();
        Map<String, String> metadata = new LinkedHashMap<>();
        try {
            if (!json.hasRemaining() || json.get(json.position()) != '{') {
                throw new JsonParseException("it does not begin with {");
            }
            StrictJson.parseObject(
                    json,
                    (name, in) -> {
                        if (name.equals(METADATA)) {
                            StrictJson.readObject(
                                    in,
                                    (key, value) -> metadata.put(key, StrictJson.readText(value)));
                        } else {
                            entries.add(readEntry(file, name, in));
                        }
                    });
        } catch (JsonParseException e) {
            throw new MalformedModelException(
                    file
                            + " has no valid header: "
                            + StrictJson.shown(e.getMessage())
                            + "; it is damaged",
                    e);
        }
        entries.sort(Comparator.comparingLong(TensorEntry::begin).thenComparing(TensorEntry::end));
        checkCover(file, entries, dataBytes);
        Map<String, TensorEntry> byName = new LinkedHashMap<>();
        entries.forEach(entry -> byName.put(entry.name(), entry));
        return new SafetensorsHeader(byName, metadata);
    }

    /** Checks the name of a tensor that is to be written. */
    static void checkName(String name) {
        StrictJson.checkText(name);
        if (name.equals(METADATA)) {
            throw new IllegalArgumentException(
                    METADATA
                            + " is the name of the notes of a file; choose another for the tensor");
        }
    }

    private static TensorEntry readEntry(String file, String name, JsonReader in)
            throws IOException {
        EntryFields fields = new EntryFields();
        try {
            if (in.peek() != JsonToken.BEGIN_OBJECT) {
                throw new JsonParseException("it is no object");
            }
            StrictJson.readObject(in, fields::read);
            return fields.entry(name);
        } catch (JsonParseException | IllegalArgumentException e) {
            throw new JsonParseException("tensor " + name + ": " + e.getMessage(), e);
        }
    }

    /** Checks that the tensors lie one after the other and fill the file: as the format wants. */
    private static void checkCover(String file, List<TensorEntry> sorted, long dataBytes)
            throws MalformedModelException {
        long end = 0;
        String before = "the header";
        for (TensorEntry entry : sorted) {
            if (entry.end() > dataBytes) {
                throw new MalformedModelException(
                        file
                                + ": tensor "
                                + StrictJson.shown(entry.name())
                                + " ends at byte "
                                + entry.end()
                                + " of the data; the file has "
                                + dataBytes
                                + ": it is cut or damaged");
            }
            if (entry.begin() != end) {
                throw new MalformedModelException(
                        file
                                + ": tensor "
                                + StrictJson.shown(entry.name())
                                + " begins at byte "
                                + entry.begin()
                                + (entry.begin() < end ? " and overlaps " : " after a hole behind ")
                                + before
                                + "; expected byte "
                                + end);
            }
            end = entry.end();
            before = StrictJson.shown(entry.name());
        }
        if (end != dataBytes) {
            throw new MalformedModelException(
                    file
                            + " holds "
                            + dataBytes
                            + " bytes after its header; its tensors take "
                            + end
                            + ": it is damaged");
        }
    }

    /**
     * Lays tensors out one after the other and prints their header, with its length before it and
     * spaces behind it up to a multiple of 8, so that the data are aligned.
     */
    static byte[] print(Collection<TensorEntry> entries, Map<String, String> metadata)
            throws IOException {
        StringWriter text = new StringWriter();
        try (JsonWriter out = new JsonWriter(text)) {
            out.setHtmlSafe(false);
            out.beginObject();
            if (!metadata.isEmpty()) {
                out.name(METADATA).beginObject();
                for (Map.Entry<String, String> note : metadata.entrySet()) {
                    out.name(note.getKey()).value(note.getValue());
                }
                out.endObject();
            }
            for (TensorEntry entry : entries) {
                out.name(entry.name()).beginObject();
                out.name("dtype").value(entry.type().name());
                out.name("shape").beginArray();
                for (long length : entry.shape().getShape()) {
                    out.value(length);
                }
                out.endArray();
                out.name("data_offsets").beginArray();
                out.value(entry.begin()).value(entry.end()).endArray();
                out.endObject();
            }
            out.endObject();
        }
        byte[] json = text.toString().getBytes(StandardCharsets.UTF_8);
        int length = (json.length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        if (length > MAX_BYTES) {
            throw new IllegalArgumentException(
                    "a header of "
                            + length
                            + " bytes is longer than the format allows ("
                            + MAX_BYTES
                            + "): store fewer tensors in a file, in shards");
        }
        byte[] printed = new byte[LENGTH_BYTES + length];
        Arrays.fill(printed, (byte) ' ');
        ByteBuffer.wrap(printed).order(ByteOrder.LITTLE_ENDIAN).putLong(length).put(json);
        return printed;
    }

    /** The three members of a tensor's object. */
    private static final class EntryFields {

        private TensorType type;
        private long[] shape;
        private long[] offsets;

        void read(String key, JsonReader in) throws IOException {
            switch (key) {
                case "dtype" -> {
                    String name = StrictJson.readText(in);
                    type =
                            TensorType.named(name)
                                    .orElseThrow(
                                            () ->
                                                    new JsonParseException(
                                                            "its type "
                                                                    + name
                                                                    + " is not supported; expected"
                                                                    + " one of "
                                                                    + Arrays.toString(
                                                                            TensorType.values())));
                }
                case "shape" -> shape = readCounts(in, TensorEntry.MAX_AXES);
                case "data_offsets" -> offsets = readCounts(in, 2);
                default ->
                        throw new JsonParseException(
                                "it has a member "
                                        + key
                                        + "; expected dtype, shape and data_offsets");
            }
        }

        TensorEntry entry(String name) {
            if (type == null || shape == null || offsets == null) {
                throw new JsonParseException(
                        "it has no "
                                + (type == null
                                        ? "dtype"
                                        : shape == null ? "shape" : "data_offsets"));
            }
            if (offsets.length != 2) {
                throw new JsonParseException("its data_offsets are not two numbers");
            }
            return new TensorEntry(name, type, new Shape(shape), offsets[0], offsets[1]);
        }

        private static long[] readCounts(JsonReader in, int most) throws IOException {
            if (in.peek() != JsonToken.BEGIN_ARRAY) {
                throw new JsonParseException("expected a list of numbers at " + in.getPath());
            }
            long[] counts = new long[most];
            int count = 0;
            in.beginArray();
            while (in.hasNext()) {
                if (count == most) {
                    throw new JsonParseException(
                            "there are more than " + most + " numbers at " + in.getPath());
                }
                counts[count++] = StrictJson.readCount(in);
            }
            in.endArray();
            return Arrays.copyOf(counts, count);
        }
    }
}
