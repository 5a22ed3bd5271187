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

/** Turns the tokens of one sequence into text as they come. Not thread safe. */
@API(status = API.Status.EXPERIMENTAL)
public interface TextDecoder {

    /**
     * Takes a token.
     *
     * @param id the token
     * @return the text that is certain by now: whole characters, perhaps none
     */
    String next(long id);

    /**
     * Ends the sequence.
     *
     * @return the rest of the text; U+FFFD for a character that was not completed
     */
    String end();
}
