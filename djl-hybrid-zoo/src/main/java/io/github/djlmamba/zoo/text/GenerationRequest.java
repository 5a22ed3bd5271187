/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import org.apiguardian.api.API;

/**
 * A prompt to be continued, as text or as ids, with the options of its own and a saved prefix if
 * wanted. Immutable and thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class GenerationRequest {

    private final String prompt;
    private final long[] ids;
    private final GenerationOptions options;
    private final PromptState prefix;

    private GenerationRequest(
            String prompt, long[] ids, GenerationOptions options, PromptState prefix) {
        this.prompt = prompt;
        this.ids = ids;
        this.options = options;
        this.prefix = prefix;
    }

    /**
     * Returns a request to continue a text.
     *
     * @param prompt the text
     * @return the request, with the model's options
     * @throws IllegalArgumentException if the text is null
     */
    public static GenerationRequest of(String prompt) {
        if (prompt == null) {
            throw new IllegalArgumentException("generation: the prompt is null; give a text");
        }
        return new GenerationRequest(prompt, null, null, null);
    }

    /**
     * Returns a request to continue tokens.
     *
     * @param ids the tokens
     * @return the request, with the model's options
     * @throws IllegalArgumentException if the ids are null
     */
    public static GenerationRequest ofIds(long... ids) {
        if (ids == null) {
            throw new IllegalArgumentException("generation: the prompt's ids are null; give ids");
        }
        return new GenerationRequest(null, ids.clone(), null, null);
    }

    /**
     * Returns this request with options of its own.
     *
     * @param newOptions the options; null for the model's
     * @return the request
     */
    public GenerationRequest withOptions(GenerationOptions newOptions) {
        return new GenerationRequest(prompt, ids, newOptions, prefix);
    }

    /**
     * Returns this request as what follows a saved prefix, which is not read again. A text that
     * follows a prefix is encoded by itself, without what a codec puts at the start of a text.
     *
     * @param newPrefix the state after the prefix; null for none
     * @return the request
     */
    public GenerationRequest withPrefix(PromptState newPrefix) {
        return new GenerationRequest(prompt, ids, options, newPrefix);
    }

    /**
     * Returns the text to be continued.
     *
     * @return the text, or null where ids were given
     */
    public String prompt() {
        return prompt;
    }

    /**
     * Returns the tokens to be continued.
     *
     * @return a copy of the ids, or null where a text was given
     */
    public long[] ids() {
        return ids == null ? null : ids.clone();
    }

    /**
     * Returns the options.
     *
     * @return the options, or null for the model's
     */
    public GenerationOptions options() {
        return options;
    }

    /**
     * Returns the state after what comes before the prompt.
     *
     * @return the state, or null
     */
    public PromptState prefix() {
        return prefix;
    }
}
