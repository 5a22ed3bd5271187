/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.probe;

import java.util.Objects;
import org.apiguardian.api.API;

/**
 * A prompt and what should follow it. Immutable.
 *
 * @param prompt the text that the model gets; it ends where the answer is due
 * @param answer the digits that are asked for; the model usually has to write a space first
 * @param depth where the fact stands in the text, from 0, the start, to 1, the end
 */
@API(status = API.Status.EXPERIMENTAL)
public record ProbeSample(String prompt, String answer, double depth) {

    /**
     * Checks the components.
     *
     * @param prompt the text that the model gets
     * @param answer the digits that are asked for
     * @param depth where the fact stands
     * @throws IllegalArgumentException if the prompt or the answer is empty, or the depth is not
     *     from 0 to 1
     */
    public ProbeSample {
        Objects.requireNonNull(prompt, "prompt");
        Objects.requireNonNull(answer, "answer");
        if (prompt.isEmpty() || answer.isEmpty()) {
            throw new IllegalArgumentException(
                    "A sample of a probe needs a prompt and an answer, but one of them is empty.");
        }
        checkDepth(depth);
    }

    static void checkDepth(double depth) {
        if (!(depth >= 0 && depth <= 1)) {
            throw new IllegalArgumentException(
                    "A depth is from 0, the start of the text, to 1, its end, but is "
                            + depth
                            + ".");
        }
    }
}
