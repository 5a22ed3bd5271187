/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface.hub;

import ai.djl.util.JsonUtils;
import com.google.gson.JsonParseException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Pattern;

/** Which files of a repository make up a model. */
final class ModelFiles {

    static final String CONFIG = "config.json";
    static final String SINGLE = "model.safetensors";
    static final String INDEX = "model.safetensors.index.json";

    /** What is fetched where it is there; shards are found by the index. */
    static final List<String> SMALL =
            List.of(
                    CONFIG,
                    "generation_config.json",
                    "tokenizer.json",
                    "tokenizer_config.json",
                    "special_tokens_map.json");

    /** The longest of the files that are read as a whole. */
    static final long MAX_SMALL_BYTES = 256L << 20;

    private static final Pattern SHARD =
            Pattern.compile("[A-Za-z0-9_][A-Za-z0-9_.+-]{0,240}\\.safetensors");

    private ModelFiles() {}

    /**
     * Returns the shards that an index names.
     *
     * @throws IOException if the index makes no sense, or a name is more than a file's name
     */
    static List<String> shards(Path index) throws IOException {
        Index parsed;
        try {
            parsed =
                    JsonUtils.GSON.fromJson(
                            Files.readString(index, StandardCharsets.UTF_8), Index.class);
        } catch (JsonParseException e) {
            throw new IOException(index + " is no index of shards: " + e.getMessage(), e);
        }
        if (parsed == null || parsed.weight_map == null || parsed.weight_map.isEmpty()) {
            throw new IOException(index + " names no shards");
        }
        TreeSet<String> names = new TreeSet<>();
        for (String name : parsed.weight_map.values()) {
            if (name == null || !SHARD.matcher(name).matches()) {
                throw new IOException(
                        index + " names \"" + name + "\", which is no shard's plain file name");
            }
            names.add(name);
        }
        return List.copyOf(names);
    }

    private static final class Index {
        private Map<String, String> weight_map;
    }
}
