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
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A tiny random model of a family as the public library writes it, with what that computes:
 * config.json, model.safetensors and expected.safetensors.
 *
 * @param family the family
 * @param folder the folder, which must not be written to
 */
public record HuggingFaceFixture(String family, Path folder) {

    /** The families that there is a model of. */
    public static final List<String> FAMILIES =
            List.of(
                    "mamba",
                    "mamba2",
                    "falcon_mamba",
                    "jamba",
                    "bamba",
                    "falcon_h1",
                    "nemotron_h",
                    "granitemoehybrid",
                    "zamba",
                    "zamba2");

    /** Returns the model of a family. */
    public static HuggingFaceFixture of(String family) {
        URL config = HuggingFaceFixture.class.getResource(family + "/" + ModelConfig.FILE);
        try {
            return new HuggingFaceFixture(family, Path.of(config.toURI()).getParent());
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

    /** The gradient of a stored tensor, and the name under which the fixture has it. */
    record Gradient(String name, NDArray array) {}

    /**
     * Returns the gradient of a stored tensor. The fixture names gradients by the public library's
     * parameters in memory, which differ from the stored tensors in three families.
     */
    Gradient gradientOf(String stored, Map<String, NDArray> expected) {
        Matcher expert =
                Pattern.compile(
                                "(.*feed_forward\\.experts\\.)(\\d+)\\.(gate|up|down)_proj\\.weight")
                        .matcher(stored);
        if (expert.matches()) {
            boolean down = expert.group(3).equals("down");
            String name = "grad." + expert.group(1) + (down ? "down_proj" : "gate_up_proj");
            NDArray matrix = expected.get(name).get(Integer.parseInt(expert.group(2)));
            long half = matrix.getShape().get(0) / 2;
            return switch (expert.group(3)) {
                case "gate" -> new Gradient(name, matrix.get(":{}", half));
                case "up" -> new Gradient(name, matrix.get("{}:", half));
                default -> new Gradient(name, matrix);
            };
        }
        String name =
                "grad."
                        + stored.replace("moe.input_linear.weight", "moe.experts.gate_up_proj")
                                .replace("moe.output_linear.weight", "moe.experts.down_proj")
                                .replace("router.layer.weight", "router.weight");
        if (family.equals("nemotron_h")) {
            name = name.replace("backbone.", "model.");
        }
        return new Gradient(name, expected.get(name));
    }
}
