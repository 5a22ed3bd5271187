/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import ai.djl.Model;
import ai.djl.engine.Engine;
import ai.djl.inference.Predictor;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.translate.TranslateException;
import io.github.djlmamba.attention.AttentionOptions;
import io.github.djlmamba.attention.RotaryOptions;
import io.github.djlmamba.hybrid.HybridStackOptions;
import io.github.djlmamba.hybrid.LayerPattern;
import io.github.djlmamba.hybrid.LayerSymbol;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.language.LanguageModelOptions;
import io.github.djlmamba.norm.NormOptions;
import io.github.djlmamba.ssm.Mamba2Options;
import java.util.LinkedHashMap;
import java.util.Map;

/** Small language models over bytes, with random parameters. */
final class GenerationModels {

    static final int VOCABULARY = 256;

    private static final long SIZE = 16;

    private GenerationModels() {}

    /** Stacks of every kind by name. */
    static Map<String, HybridStackOptions> stacks() {
        Mamba2Options mamba2 = Mamba2Options.DEFAULTS.withHeadSize(4).withStateSize(5);
        AttentionOptions attention = AttentionOptions.DEFAULTS.withHeads(4).withKeyValueHeads(2);
        Map<String, HybridStackOptions> stacks = new LinkedHashMap<>();
        stacks.put("Mamba", HybridStackOptions.mamba(SIZE, 2));
        stacks.put(
                "Mamba-2 hybrid",
                HybridStackOptions.mamba2Hybrid(SIZE, LayerPattern.parse("M-M*-M"))
                        .withMixer(LayerSymbol.MAMBA, mamba2)
                        .withMixer(LayerSymbol.ATTENTION, attention));
        stacks.put(
                "attention with a window and rotary positions",
                HybridStackOptions.of(SIZE, LayerPattern.parse("M*-*"))
                        .withNorm(NormOptions.RMS_NORM)
                        .withMixer(
                                LayerSymbol.ATTENTION,
                                attention.withWindow(7).withRotary(RotaryOptions.DEFAULTS)));
        stacks.put(
                "transformer with learned positions",
                HybridStackOptions.transformer(SIZE, 2, 200)
                        .withMixer(LayerSymbol.ATTENTION, attention));
        return stacks;
    }

    /** A model whose scores differ clearly. */
    static Model model(HybridStackOptions stack) {
        return model(stack, 7);
    }

    static Model model(HybridStackOptions stack, int seed) {
        Engine.getEngine("PyTorch").setRandomSeed(seed);
        LanguageModel block =
                new LanguageModel(
                        LanguageModelOptions.of(VOCABULARY, stack).withLogitsMultiplier(30));
        Model model = Model.newInstance("random", "PyTorch");
        model.setBlock(block);
        block.initialize(model.getNDManager(), DataType.FLOAT32, new Shape(1, 4));
        block.freezeParameters(true);
        return model;
    }

    static Model mamba() {
        return model(stacks().get("Mamba"));
    }

    static <I, O> Predictor<I, O> predictor(Model model, Class<I> input, Class<O> output)
            throws TranslateException {
        return model.newPredictor(
                new TextGenerationTranslatorFactory()
                        .newInstance(input, output, model, Map.of("tokenizer", "bytes")));
    }
}
