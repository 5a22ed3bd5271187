/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import ai.djl.ndarray.NDList;
import ai.djl.translate.Batchifier;
import ai.djl.translate.Translator;
import ai.djl.translate.TranslatorContext;
import io.github.djlmamba.language.LanguageModel;
import java.util.function.Function;

/** Translates prefixes to the states after them. Thread safe. */
final class PromptStateTranslator<I> implements Translator<I, PromptState>, TextGeneration.Holder {

    private final TextGeneration generation;
    private final Function<I, GenerationRequest> input;

    PromptStateTranslator(TextGeneration generation, Function<I, GenerationRequest> input) {
        this.generation = generation;
        this.input = input;
    }

    /** {@inheritDoc} */
    @Override
    public TextGeneration generation() {
        return generation;
    }

    /** {@inheritDoc} */
    @Override
    public Batchifier getBatchifier() {
        return null;
    }

    /** {@inheritDoc} */
    @Override
    public NDList processInput(TranslatorContext ctx, I prefix) {
        LanguageModel model = TextGeneration.languageModel(ctx.getModel());
        GenerationRequest request = input.apply(prefix);
        long[] ids = generation.promptIds(request, model);
        return new PromptStateTask(
                ctx.getNDManager(),
                ids,
                TextGeneration.joined(request.prefix(), ids),
                request.prefix());
    }

    /** {@inheritDoc} */
    @Override
    public PromptState processOutput(TranslatorContext ctx, NDList list) {
        return ((PromptStateTask.Output) list).state();
    }
}
