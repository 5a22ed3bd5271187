/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.probe;

import ai.djl.translate.TranslateException;
import java.util.List;
import org.apiguardian.api.API;

/** A function from prompts to what follows them: what is probed. */
@FunctionalInterface
@API(status = API.Status.EXPERIMENTAL)
public interface TextContinuation {

    /**
     * Continues a batch of prompts, each by itself.
     *
     * @param prompts the prompts
     * @param maxNewTokens how many tokens to write at most after each
     * @return what was written after each prompt, without the prompt
     * @throws TranslateException if the model fails
     */
    List<String> complete(List<String> prompts, int maxNewTokens) throws TranslateException;
}
