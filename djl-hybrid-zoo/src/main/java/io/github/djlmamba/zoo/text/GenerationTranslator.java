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
import java.util.List;
import java.util.function.Function;

/**
 * Translates requests to generated text, in whatever form both are. A batch of requests is decoded
 * together. Thread safe.
 */
class GenerationTranslator<I, O> implements Translator<I, O>, TextGeneration.Holder {

    private final TextGeneration generation;
    private final Function<I, GenerationRequest> input;
    private final Function<GeneratedSequence, O> output;
    private final boolean textNeeded;

    GenerationTranslator(
            TextGeneration generation,
            Function<I, GenerationRequest> input,
            Function<GeneratedSequence, O> output,
            boolean textNeeded) {
        this.generation = generation;
        this.input = input;
        this.output = output;
        this.textNeeded = textNeeded;
    }

    /** {@inheritDoc} */
    @Override
    public TextGeneration generation() {
        return generation;
    }

    /** {@inheritDoc} */
    @Override
    public Batchifier getBatchifier() {
        return GenerationBatchifier.INSTANCE;
    }

    /** {@inheritDoc} */
    @Override
    public NDList processInput(TranslatorContext ctx, I request) {
        try {
            if (textNeeded) {
                generation.requireCodec();
            }
            LanguageModel model = TextGeneration.languageModel(ctx.getModel());
            GeneratedSequence sequence = generation.sequence(input.apply(request), model);
            return new GenerationTask(ctx.getNDManager(), List.of(sequence));
        } catch (RuntimeException e) {
            // A streaming predictor does not close its context where a request fails.
            ctx.getNDManager().close();
            throw e;
        }
    }

    /** {@inheritDoc} */
    @Override
    public O processOutput(TranslatorContext ctx, NDList list) {
        return output.apply(((GenerationTask.Output) list).sequences().get(0));
    }
}
