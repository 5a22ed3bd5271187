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
 * A generated text.
 *
 * @param promptIds the tokens before, those of a saved prefix included
 * @param ids the new tokens; the one that ended the text is the last
 * @param text the new text, without a stop string or the token that ended it; null where the model
 *     has no codec
 * @param finishReason why it ended
 * @param prefillTokensPerSecond the rate at which the prompt was read, its part in a saved prefix
 *     left out; 0 where nothing was
 * @param decodeTokensPerSecond the rate at which the tokens after the first came, in the model and
 *     the choice of a token alone; 0 where there are none. In a batch it is the rate of this
 *     sequence
 */
@API(status = API.Status.EXPERIMENTAL)
public record GenerationResult(
        long[] promptIds,
        long[] ids,
        String text,
        FinishReason finishReason,
        double prefillTokensPerSecond,
        double decodeTokensPerSecond) {}
