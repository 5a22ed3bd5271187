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
import ai.djl.Model;
import ai.djl.nn.Block;
import ai.djl.nn.BlockFactory;
import ai.djl.translate.ArgumentsUtil;
import io.github.djlmamba.ops.Precision;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import org.apiguardian.api.API;

/**
 * Loads the {@link io.github.djlmamba.language.LanguageModel} of a Hugging Face folder, parameters
 * included, as {@link HuggingFaceCheckpoint#load} does. The criteria that name it must say {@code
 * hasParameter=false}, so that DJL looks for no parameters of its own. The argument {@value
 * #WEIGHTS} says the precision of the model's matrices, float32 unless set, or bfloat16. Thread
 * safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class LanguageModelBlockFactory implements BlockFactory {

    /** The argument for the precision of the weights. */
    public static final String WEIGHTS = "weights";

    private static final long serialVersionUID = 1L;

    /** {@inheritDoc} */
    @Override
    public Block newBlock(Model model, Path modelPath, Map<String, ?> arguments)
            throws IOException {
        boolean loaded = false;
        try {
            Block block =
                    HuggingFaceCheckpoint.load(
                                    modelPath, model.getNDManager(), precision(arguments))
                            .model();
            loaded = true;
            return block;
        } catch (MalformedModelException e) {
            // DJL's interface leaves no room for it.
            throw new IOException(e.getMessage(), e);
        } finally {
            if (!loaded) {
                // DJL made it, but lets go of it without closing it.
                model.close();
            }
        }
    }

    private static Precision precision(Map<String, ?> arguments) {
        String name = ArgumentsUtil.stringValue(arguments, WEIGHTS, Precision.FLOAT32.toString());
        for (Precision precision : Precision.values()) {
            if (precision.toString().equals(name)) {
                return precision;
            }
        }
        throw new IllegalArgumentException(
                "the argument "
                        + WEIGHTS
                        + " is \""
                        + name
                        + "\"; expected "
                        + Precision.FLOAT32
                        + " or "
                        + Precision.BFLOAT16);
    }
}
