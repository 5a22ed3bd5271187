/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.language;

import io.github.djlmamba.hybrid.HybridStackOptions;
import org.apiguardian.api.API;

/**
 * The settings of a {@link LanguageModel}. Immutable and thread safe.
 *
 * @param vocabularySize the number of tokens V
 * @param stack the settings of what stands between embedding and head
 * @param tiedEmbeddings whether the head's weight is the embedding's
 * @param embeddingMultiplier the factor on embeddings, usually 1
 * @param logitsMultiplier the factor on logits, usually 1
 */
@API(status = API.Status.EXPERIMENTAL)
public record LanguageModelOptions(
        long vocabularySize,
        HybridStackOptions stack,
        boolean tiedEmbeddings,
        double embeddingMultiplier,
        double logitsMultiplier) {

    /**
     * Checks the settings.
     *
     * @throws IllegalArgumentException if one is missing or out of range
     */
    public LanguageModelOptions {
        if (vocabularySize <= 0) {
            throw new IllegalArgumentException(
                    "language model: the vocabulary has "
                            + vocabularySize
                            + " tokens; expected 1 or more");
        }
        if (stack == null) {
            throw new IllegalArgumentException(
                    "language model: the settings of the stack are null; give those of a"
                            + " HybridStack");
        }
        checkMultiplier("embedding", embeddingMultiplier);
        checkMultiplier("logits", logitsMultiplier);
    }

    /**
     * Returns the settings of a model with a head of its own and no multipliers.
     *
     * @param vocabularySize the number of tokens V
     * @param stack the settings of what stands between embedding and head
     * @return the settings
     */
    public static LanguageModelOptions of(long vocabularySize, HybridStackOptions stack) {
        return new LanguageModelOptions(vocabularySize, stack, false, 1, 1);
    }

    /**
     * Returns these settings with the head's weight tied to the embedding's or not.
     *
     * @param tied true to tie
     * @return the settings
     */
    public LanguageModelOptions withTiedEmbeddings(boolean tied) {
        return new LanguageModelOptions(
                vocabularySize, stack, tied, embeddingMultiplier, logitsMultiplier);
    }

    /**
     * Returns these settings with another factor on embeddings.
     *
     * @param factor a finite number, not 0
     * @return the settings
     */
    public LanguageModelOptions withEmbeddingMultiplier(double factor) {
        return new LanguageModelOptions(
                vocabularySize, stack, tiedEmbeddings, factor, logitsMultiplier);
    }

    /**
     * Returns these settings with another factor on logits.
     *
     * @param factor a finite number, not 0
     * @return the settings
     */
    public LanguageModelOptions withLogitsMultiplier(double factor) {
        return new LanguageModelOptions(
                vocabularySize, stack, tiedEmbeddings, embeddingMultiplier, factor);
    }

    private static void checkMultiplier(String name, double factor) {
        if (!Double.isFinite(factor) || factor == 0) {
            throw new IllegalArgumentException(
                    "language model: the "
                            + name
                            + " multiplier is "
                            + factor
                            + "; expected a finite number other than 0, such as 1 for none");
        }
    }
}
