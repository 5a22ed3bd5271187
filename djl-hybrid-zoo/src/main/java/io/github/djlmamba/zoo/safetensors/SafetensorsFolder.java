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
import ai.djl.ndarray.NDArray;
import com.google.gson.JsonParseException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apiguardian.api.API;

/**
 * The tensors of a model's folder: those of {@code model.safetensors}, or where there is no such
 * file, of the shards that {@code model.safetensors.index.json} lists. The index must give each
 * tensor of each shard, and no other, and name shards by plain file names of the folder (see {@link
 * ModelFolder} on links).
 *
 * <p>Opening checks the headers of all files. Thread safe. Interrupting a thread that reads closes
 * the file that it reads.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class SafetensorsFolder implements TensorSource {

    /** The name of a model's only file. */
    public static final String SINGLE_FILE = "model.safetensors";

    /** The name of the index of shards. */
    public static final String INDEX_FILE = "model.safetensors.index.json";

    private static final String WEIGHT_MAP = "weight_map";

    private final Path folder;
    private final Map<String, SafetensorsFile> files = new LinkedHashMap<>();
    private final Map<String, SafetensorsFile> holders = new LinkedHashMap<>();
    private final Map<String, TensorEntry> entries = new LinkedHashMap<>();
    private final Map<String, String> metadata = new LinkedHashMap<>();

    private SafetensorsFolder(Path folder) {
        this.folder = folder;
    }

    /**
     * Opens the tensors of a folder.
     *
     * @param folder the folder
     * @return the open tensors
     * @throws IOException if a file is missing or cannot be read
     * @throws MalformedModelException if a file is not valid, or the index does not fit the shards
     */
    public static SafetensorsFolder open(Path folder) throws IOException, MalformedModelException {
        ModelFolder source = ModelFolder.of(folder);
        SafetensorsFolder opened = new SafetensorsFolder(folder);
        try {
            if (source.has(SINGLE_FILE)) {
                opened.add(SINGLE_FILE, source.file(SINGLE_FILE));
            } else if (source.has(INDEX_FILE)) {
                opened.addShards(source);
            } else {
                throw new FileNotFoundException(
                        folder + " has neither " + SINGLE_FILE + " nor " + INDEX_FILE);
            }
            return opened;
        } catch (IOException | MalformedModelException | RuntimeException | Error e) {
            opened.close();
            throw e;
        }
    }

    /**
     * Returns the names of the files that hold the tensors of a folder: the single file's, or those
     * of the shards that the index names. They need not be there.
     *
     * @param folder the folder
     * @return plain file names
     * @throws IOException if the index cannot be read
     * @throws MalformedModelException if the index is not valid, or names what is no plain file
     *     name
     */
    public static List<String> fileNames(Path folder) throws IOException, MalformedModelException {
        ModelFolder source = ModelFolder.of(folder);
        if (source.has(SINGLE_FILE) || !source.has(INDEX_FILE)) {
            return List.of(SINGLE_FILE);
        }
        Set<String> shards = new LinkedHashSet<>(readIndex(source.file(INDEX_FILE)).values());
        for (String shard : shards) {
            source.has(shard);
        }
        return List.copyOf(shards);
    }

    private void addShards(ModelFolder source) throws IOException, MalformedModelException {
        Path index = source.file(INDEX_FILE);
        Map<String, String> weightMap = readIndex(index);
        for (String shard : new LinkedHashSet<>(weightMap.values())) {
            add(shard, source.file(shard));
        }
        for (Map.Entry<String, String> listed : weightMap.entrySet()) {
            if (holders.get(listed.getKey()) != files.get(listed.getValue())) {
                throw new MalformedModelException(
                        index
                                + " lists "
                                + StrictJson.shown(listed.getKey())
                                + " in "
                                + listed.getValue()
                                + ", which does not hold it");
            }
        }
        for (String name : entries.keySet()) {
            if (!weightMap.containsKey(name)) {
                throw new MalformedModelException(
                        holders.get(name)
                                + " holds "
                                + name
                                + ", which "
                                + index
                                + " does not list");
            }
        }
    }

    private static Map<String, String> readIndex(Path index)
            throws IOException, MalformedModelException {
        if (Files.size(index) > SafetensorsHeader.MAX_BYTES) {
            throw new MalformedModelException(
                    index + " is longer than " + SafetensorsHeader.MAX_BYTES + " bytes");
        }
        Map<String, String> weightMap = new LinkedHashMap<>();
        boolean[] found = new boolean[1];
        try {
            StrictJson.parseObject(
                    ByteBuffer.wrap(Files.readAllBytes(index)),
                    (key, in) -> {
                        if (key.equals(WEIGHT_MAP)) {
                            found[0] = true;
                            StrictJson.readObject(
                                    in,
                                    (name, shard) ->
                                            weightMap.put(name, StrictJson.readText(shard)));
                        } else {
                            in.skipValue();
                        }
                    });
        } catch (JsonParseException e) {
            throw new MalformedModelException(
                    index + " is no valid index of shards: " + StrictJson.shown(e.getMessage()), e);
        }
        if (weightMap.isEmpty()) {
            throw new MalformedModelException(
                    index + (found[0] ? " lists no tensors" : " has no " + WEIGHT_MAP));
        }
        return weightMap;
    }

    private void add(String name, Path path) throws IOException, MalformedModelException {
        SafetensorsFile file = SafetensorsFile.open(path);
        files.put(name, file);
        for (TensorEntry entry : file.entries().values()) {
            SafetensorsFile other = holders.putIfAbsent(entry.name(), file);
            if (other != null) {
                throw new MalformedModelException(
                        "both "
                                + other
                                + " and "
                                + file
                                + " hold "
                                + StrictJson.shown(entry.name()));
            }
            entries.put(entry.name(), entry);
        }
        file.metadata().forEach(metadata::putIfAbsent);
    }

    /**
     * {@inheritDoc} Those of several shards come shard by shard, in the order in which the index
     * names the shards first; positions count within each shard.
     */
    @Override
    public Map<String, TensorEntry> entries() {
        return Collections.unmodifiableMap(entries);
    }

    /** {@inheritDoc} Where shards differ, the first one's are given. */
    @Override
    public Map<String, String> metadata() {
        return Collections.unmodifiableMap(metadata);
    }

    /** {@inheritDoc} */
    @Override
    public TensorEntry entry(String name) {
        return SafetensorsFile.require(entries, name, folder);
    }

    /** {@inheritDoc} */
    @Override
    public void readInto(String name, NDArray target) throws IOException {
        entry(name);
        holders.get(name).readInto(name, target);
    }

    /** {@inheritDoc} */
    @Override
    public void close() throws IOException {
        IOException failure = null;
        for (SafetensorsFile file : files.values()) {
            try {
                file.close();
            } catch (IOException e) {
                failure = e;
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    /** Returns the folder. */
    @Override
    public String toString() {
        return folder.toString();
    }
}
