/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.language;

import ai.djl.ndarray.NDArray;
import io.github.djlmamba.state.MixerState;
import org.apiguardian.api.API;

/**
 * What a {@link LanguageModel} gives.
 *
 * @param logits the scores of the next token, of shape (B, L, V), or (B, 1, V) where those after
 *     the last token alone were asked for; in the natural logarithm, up to a constant for each
 *     position
 * @param state the state after the last token, owned by the caller; null unless it was asked for
 */
@API(status = API.Status.EXPERIMENTAL)
public record LanguageModelOutput(NDArray logits, MixerState state) {}
