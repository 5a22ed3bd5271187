/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface;

import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;

/**
 * Tiny random models as the public library writes them, each with what it computes: config.json,
 * model.safetensors and expected.safetensors.
 */
public final class HuggingFaceFixtures {

    /** Their names, which are those of the families. */
    public static final List<String> NAMES =
            List.of(
                    "bamba",
                    "falcon_h1",
                    "falcon_mamba",
                    "granitemoehybrid",
                    "jamba",
                    "mamba",
                    "mamba2",
                    "nemotron_h",
                    "zamba",
                    "zamba2");

    private HuggingFaceFixtures() {}

    /** Returns the folder of one, which must not be written to. */
    public static Path folder(String name) {
        try {
            return Path.of(HuggingFaceFixtures.class.getResource(name + "/config.json").toURI())
                    .getParent();
        } catch (URISyntaxException e) {
            throw new AssertionError(e);
        }
    }
}
