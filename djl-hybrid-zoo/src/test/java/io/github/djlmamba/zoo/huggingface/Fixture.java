/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.github.djlmamba.zoo.safetensors.SafetensorsFile;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** A small model of a family, and what the public library computed with it. */
record Fixture(String family, Path folder) {

    static final String[] FAMILIES = {
        "mamba", "mamba2", "zamba", "zamba2",
    };

    static Fixture of(String family) {
        URL config = Fixture.class.getResource(family + "/" + ModelConfig.FILE);
        try {
            return new Fixture(family, Path.of(config.toURI()).getParent());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    HuggingFaceCheckpoint load(NDManager manager) throws Exception {
        return HuggingFaceCheckpoint.load(folder, manager);
    }

    /** Returns input_ids, logits, loss, greedy and the gradients. */
    Map<String, NDArray> expected(NDManager manager) throws Exception {
        Map<String, NDArray> arrays = new HashMap<>();
        try (SafetensorsFile file = SafetensorsFile.open(folder.resolve("expected.safetensors"))) {
            for (String name : file.entries().keySet()) {
                arrays.put(name, file.read(name, manager));
            }
        }
        return arrays;
    }

    /** Returns the name of the gradient of a stored tensor. */
    String gradientOf(String stored) {
        return "grad." + stored;
    }
}
