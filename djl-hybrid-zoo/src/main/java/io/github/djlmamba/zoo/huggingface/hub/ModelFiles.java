/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface.hub;

import ai.djl.MalformedModelException;
import io.github.djlmamba.zoo.safetensors.SafetensorsFolder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** Which files of a repository make up a model. */
final class ModelFiles {

    static final String CONFIG = "config.json";
    static final String SINGLE = SafetensorsFolder.SINGLE_FILE;
    static final String INDEX = SafetensorsFolder.INDEX_FILE;

    /** What is fetched where it is there, beside the weights. */
    static final List<String> SMALL =
            List.of(
                    CONFIG,
                    "generation_config.json",
                    "tokenizer.json",
                    "tokenizer_config.json",
                    "special_tokens_map.json");

    /** The longest of the files that are read as a whole. */
    static final long MAX_SMALL_BYTES = 256L << 20;

    private ModelFiles() {}

    /**
     * Returns the names of the files with the weights.
     *
     * @param snapshot the folder, with the index if there is one
     * @throws IOException if the index makes no sense, or a name in it is more than a file's name
     */
    static List<String> weights(Path snapshot) throws IOException {
        try {
            return SafetensorsFolder.fileNames(snapshot);
        } catch (MalformedModelException e) {
            throw new IOException(e.getMessage(), e);
        }
    }
}
