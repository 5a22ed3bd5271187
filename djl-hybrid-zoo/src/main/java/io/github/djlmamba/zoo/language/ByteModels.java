/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.language;

import ai.djl.Model;
import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Properties;
import org.apiguardian.api.API;

/** Saves byte-level language models. Thread safe. */
@API(status = API.Status.EXPERIMENTAL)
public final class ByteModels {

    /** The file of a saved model's parameters. */
    public static final String PARAMETERS = "model-0000.params";

    private static final String MODEL_NAME = "model";
    private static final String SERVING_PROPERTIES = "serving.properties";

    private ByteModels() {}

    /**
     * Saves a model.
     *
     * @param model the model
     * @param settings what it is made of
     * @param folder the folder to write to; it is created
     * @throws IOException if it cannot be written
     */
    static void save(Model model, ByteModelSettings settings, Path folder) throws IOException {
        Files.createDirectories(folder);
        model.save(folder, MODEL_NAME);
        Properties properties = new Properties();
        properties.setProperty("engine", "PyTorch");
        properties.setProperty("option.modelName", MODEL_NAME);
        for (Map.Entry<String, Object> entry : settings.toArguments().entrySet()) {
            properties.setProperty(entry.getKey(), entry.getValue().toString());
        }
        try (Writer writer = Files.newBufferedWriter(folder.resolve(SERVING_PROPERTIES))) {
            properties.store(writer, null);
        }
    }
}
