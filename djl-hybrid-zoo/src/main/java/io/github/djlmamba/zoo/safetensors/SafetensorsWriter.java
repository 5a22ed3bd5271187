/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.safetensors;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.util.JsonUtils;
import io.github.djlmamba.training.AtomicFile;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import org.apiguardian.api.API;

/**
 * Writes tensors as a safetensors file, or as a model's folder, in shards where it is large. They
 * are laid out as by the format's own writer: the widest types first, then by name, with a header
 * of whole 8 bytes; so what is read from a file of that writer and written again is the same.
 *
 * <p>Tensors are asked for one by one while they are written, so that not all need to be in memory.
 * A file is written beside its place, forced to the disk and renamed; an older one stays whole
 * until then.
 *
 * <p>Immutable, but for the arrays that it writes. Thread safe, if those are.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class SafetensorsWriter {

    private static final String SHARD_NAME = "model-%05d-of-%05d.safetensors";
    private static final int BUFFER_BYTES = 1 << 20;

    private final List<Item> items;
    private final Map<String, String> metadata;
    private final long maxShardBytes;

    private SafetensorsWriter(Builder builder) {
        items =
                builder.items.values().stream()
                        .sorted((a, b) -> TensorEntry.STORAGE_ORDER.compare(a.entry(), b.entry()))
                        .toList();
        metadata = new LinkedHashMap<>(builder.metadata);
        maxShardBytes = builder.maxShardBytes;
    }

    /**
     * Returns a builder.
     *
     * @return a builder without tensors
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Writes or replaces one file with all tensors.
     *
     * @param file the file; its folder is created
     * @throws IOException if it cannot be written; an older file is then left as it was
     * @throws IllegalArgumentException if an array is not of the shape that was announced, or
     *     cannot have the type; the same holds then
     */
    public void write(Path file) throws IOException {
        write(file, items);
    }

    /**
     * Writes a model's folder, as {@link SafetensorsFolder} reads it: one file, or shards with an
     * index where the tensors have more bytes than a shard may. A model in one file replaces an
     * older one in one file. Shards could only be replaced one by one, so that a failure would
     * leave neither the old model nor the new: a folder that holds another model is refused then.
     *
     * @param folder the folder, which is created
     * @throws IOException if it cannot be written, or holds a model that cannot be replaced
     * @throws IllegalArgumentException as with {@link #write}
     */
    public void writeFolder(Path folder) throws IOException {
        List<List<Item>> shards = shards();
        Path single = folder.resolve(SafetensorsFolder.SINGLE_FILE);
        Path index = folder.resolve(SafetensorsFolder.INDEX_FILE);
        refuse(index);
        if (shards.size() == 1) {
            write(single, items);
            return;
        }
        refuse(single);
        Map<String, String> weightMap = new TreeMap<>();
        for (int i = 0; i < shards.size(); i++) {
            String name = String.format(Locale.ROOT, SHARD_NAME, i + 1, shards.size());
            write(folder.resolve(name), shards.get(i));
            shards.get(i).forEach(item -> weightMap.put(item.name(), name));
        }
        Map<String, Object> document = new LinkedHashMap<>();
        long total = items.stream().mapToLong(item -> item.entry().bytes()).sum();
        document.put("metadata", Map.of("total_size", total));
        document.put("weight_map", weightMap);
        // The index makes the shards a model, so it comes last.
        AtomicFile.write(
                index,
                out ->
                        out.write(
                                JsonUtils.GSON_PRETTY
                                        .toJson(document)
                                        .getBytes(StandardCharsets.UTF_8)));
    }

    private static void refuse(Path existing) throws IOException {
        if (Files.exists(existing)) {
            throw new FileAlreadyExistsException(
                    existing.toString(),
                    null,
                    "it belongs to a model that cannot be replaced by this one as a whole; choose a"
                            + " folder without a model");
        }
    }

    private List<List<Item>> shards() {
        List<List<Item>> shards = new ArrayList<>();
        List<Item> shard = new ArrayList<>();
        long bytes = 0;
        for (Item item : items) {
            long more = item.entry().bytes();
            if (!shard.isEmpty() && more > maxShardBytes - bytes) {
                shards.add(shard);
                shard = new ArrayList<>();
                bytes = 0;
            }
            shard.add(item);
            bytes += more;
        }
        shards.add(shard);
        return shards;
    }

    private void write(Path file, List<Item> chosen) throws IOException {
        List<TensorEntry> entries = new ArrayList<>();
        long end = 0;
        for (Item item : chosen) {
            TensorEntry entry = item.entry();
            long begin = end;
            end = Math.addExact(begin, entry.bytes());
            entries.add(new TensorEntry(entry.name(), entry.type(), entry.shape(), begin, end));
        }
        byte[] header = SafetensorsHeader.print(entries, metadata);
        AtomicFile.write(
                file,
                out -> {
                    out.write(header);
                    try (NDManager manager = NDManager.newBaseManager(Device.cpu())) {
                        for (Item item : chosen) {
                            writeTensor(item, manager, out);
                        }
                    }
                });
    }

    private static void writeTensor(Item item, NDManager manager, OutputStream out)
            throws IOException {
        try (NDManager scope = manager.newSubManager()) {
            NDArray array = item.array().get(scope);
            check(item.entry(), array);
            TensorType from = TensorReader.storedType(array);
            TensorType to = item.entry().type();
            byte[] bytes = new byte[(int) Math.min(BUFFER_BYTES, item.entry().bytes())];
            Optional<ElementConversion> conversion = ElementConversion.of(from, to);
            ArrayMemory.read(
                    array,
                    (first, memory) -> {
                        if (conversion.isEmpty()) {
                            copy(memory, bytes, out);
                        } else {
                            convert(from, to, conversion.get(), memory, bytes, out);
                        }
                    });
        }
    }

    private static void copy(ByteBuffer memory, byte[] bytes, OutputStream out) throws IOException {
        while (memory.hasRemaining()) {
            int count = Math.min(bytes.length, memory.remaining());
            memory.get(bytes, 0, count);
            out.write(bytes, 0, count);
        }
    }

    private static void convert(
            TensorType from,
            TensorType to,
            ElementConversion conversion,
            ByteBuffer memory,
            byte[] bytes,
            OutputStream out)
            throws IOException {
        ByteBuffer converted = ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder());
        while (memory.hasRemaining()) {
            int count = Math.min(ElementConversion.CHUNK, memory.remaining() / from.bytes());
            conversion.convert(memory, converted, count);
            memory.position(memory.position() + count * from.bytes());
            out.write(bytes, 0, count * to.bytes());
        }
    }

    private static void check(TensorEntry entry, NDArray array) {
        if (!array.getShape().equals(entry.shape())) {
            throw new IllegalArgumentException(
                    "the array for "
                            + entry.name()
                            + " has shape "
                            + array.getShape()
                            + "; announced was "
                            + entry.shape());
        }
        TensorType from = TensorReader.storedType(array);
        if (from != entry.type() && ElementConversion.of(from, entry.type()).isEmpty()) {
            throw new IllegalArgumentException(
                    "the array for "
                            + entry.name()
                            + " holds "
                            + from
                            + ", which is not written as "
                            + entry.type());
        }
    }

    /** Gives the array of a tensor when it is written. */
    @FunctionalInterface
    public interface ArraySupplier {

        /**
         * Returns the array.
         *
         * @param scope a manager that is closed when the tensor is written, for arrays that are
         *     made on the way or for this alone
         * @return the array, of the shape that was announced, on any device
         * @throws IOException if it cannot be had
         */
        NDArray get(NDManager scope) throws IOException;
    }

    /** A tensor and where its array comes from. */
    private record Item(TensorEntry entry, ArraySupplier array) {

        String name() {
            return entry.name();
        }
    }

    /** Collects what is to be written. */
    public static final class Builder {

        private final Map<String, Item> items = new LinkedHashMap<>();
        private Map<String, String> metadata = Map.of("format", "pt");
        private long maxShardBytes = 5_000_000_000L;

        private Builder() {}

        /**
         * Adds an array, stored as its own type. It must stay open until it is written.
         *
         * @param name the tensor's name
         * @param array the array
         * @return this builder
         * @throws IllegalArgumentException if the name is taken or reserved, or no type stores it
         */
        public Builder addTensor(String name, NDArray array) {
            return addTensor(name, array, TensorReader.storedType(array));
        }

        /**
         * Adds arrays by their own names, as {@link #addTensor(String, NDArray)} does.
         *
         * @param arrays the arrays, which must stay open until they are written
         * @return this builder
         * @throws IllegalArgumentException if one has no name, or as there
         */
        public Builder addTensors(NDList arrays) {
            for (NDArray array : arrays) {
                if (array.getName() == null) {
                    throw new IllegalArgumentException(
                            "an array of shape "
                                    + array.getShape()
                                    + " has no name; give it one by setName");
                }
                addTensor(array.getName(), array);
            }
            return this;
        }

        /**
         * Adds an array, stored as a type: floating numbers as any floating type, rounded to
         * nearest even where it is narrower; integers as their own type or a wider one.
         *
         * @param name the tensor's name
         * @param array the array, which must stay open until it is written
         * @param type the type to store
         * @return this builder
         * @throws IllegalArgumentException if the name is taken or reserved, or the array cannot
         *     have the type
         */
        public Builder addTensor(String name, NDArray array, TensorType type) {
            Builder added = addTensor(name, type, array.getShape(), scope -> array);
            try {
                check(items.get(name).entry(), array);
            } catch (IllegalArgumentException e) {
                items.remove(name);
                throw e;
            }
            return added;
        }

        /**
         * Adds a tensor whose array is asked for when it is written.
         *
         * @param name the tensor's name
         * @param type the type to store
         * @param shape its shape
         * @param array gives the array
         * @return this builder
         * @throws IllegalArgumentException if the name is taken or reserved, or the shape cannot be
         *     stored
         */
        public Builder addTensor(String name, TensorType type, Shape shape, ArraySupplier array) {
            Objects.requireNonNull(array, "array");
            SafetensorsHeader.checkName(name);
            long bytes = TensorEntry.bytes(type, shape.getShape());
            Item item = new Item(new TensorEntry(name, type, shape, 0, bytes), array);
            if (items.putIfAbsent(name, item) != null) {
                throw new IllegalArgumentException("there are two tensors named " + name);
            }
            return this;
        }

        /**
         * Sets the notes in the header. Without this call they are {@code format: pt}, by which the
         * public library knows the layout of PyTorch.
         *
         * @param metadata the notes; none where it is empty
         * @return this builder
         */
        public Builder optMetadata(Map<String, String> metadata) {
            metadata.forEach(
                    (key, value) -> {
                        StrictJson.checkText(key);
                        StrictJson.checkText(value);
                    });
            this.metadata = new LinkedHashMap<>(metadata);
            return this;
        }

        /**
         * Sets the most bytes of tensors in a file of a folder; 5 * 10^9 by default. A larger
         * tensor gets a shard of its own.
         *
         * @param maxShardBytes the bytes
         * @return this builder
         * @throws IllegalArgumentException if it is less than 1
         */
        public Builder optMaxShardBytes(long maxShardBytes) {
            if (maxShardBytes < 1) {
                throw new IllegalArgumentException(
                        "a shard has " + maxShardBytes + " bytes at most; expected 1 or more");
            }
            this.maxShardBytes = maxShardBytes;
            return this;
        }

        /**
         * Builds the writer.
         *
         * @return a writer of the tensors added so far
         */
        public SafetensorsWriter build() {
            return new SafetensorsWriter(this);
        }
    }
}
