/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.translate.TranslateException;
import ai.djl.translate.Translator;
import ai.djl.translate.TranslatorFactory;
import ai.djl.util.Pair;
import java.io.IOException;
import java.lang.reflect.Type;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.apiguardian.api.API;

/**
 * Makes the translators of text generation, for models around a {@link
 * io.github.djlmamba.language.LanguageModel}.
 *
 * <p>Inputs: a {@link GenerationRequest}, a {@code String} (the prompt) or a {@code long[]} (its
 * ids). Outputs: a {@link GenerationResult}, a {@code String} (the new text), a {@code long[]} (the
 * new ids), a {@link TextStream} (by {@code streamingPredict}), or the {@link PromptState} after
 * the prompt. Each input goes with each output. {@link TextGeneration#of} says which arguments
 * there are. Thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class TextGenerationTranslatorFactory implements TranslatorFactory {

    private static final long serialVersionUID = 1L;

    /** {@inheritDoc} */
    @Override
    public Set<Pair<Type, Type>> getSupportedTypes() {
        Set<Pair<Type, Type>> types = new HashSet<>();
        for (Class<?> input : TextGeneration.INPUTS) {
            for (Class<?> output : TextGeneration.OUTPUTS) {
                types.add(new Pair<>(input, output));
            }
        }
        return types;
    }

    /** {@inheritDoc} */
    @Override
    public <I, O> Translator<I, O> newInstance(
            Class<I> input, Class<O> output, Model model, Map<String, ?> arguments)
            throws TranslateException {
        try {
            return TextGeneration.of(model, arguments).translator(input, output);
        } catch (IOException | MalformedModelException e) {
            throw new TranslateException(e.getMessage(), e);
        }
    }
}
