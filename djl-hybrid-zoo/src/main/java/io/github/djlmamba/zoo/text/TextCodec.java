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

/** Turns text into tokens and back. Thread safe. */
@API(status = API.Status.EXPERIMENTAL)
public interface TextCodec {

    /**
     * Turns a text into tokens.
     *
     * @param text the text
     * @param start whether it is the start of a sequence, before which the codec may put tokens of
     *     its own; false for what follows other tokens
     * @return the ids
     */
    long[] encode(String text, boolean start);

    /**
     * Returns a decoder of the tokens that follow others.
     *
     * @param before the tokens before, whose text the decoder does not give again; a character that
     *     they begin and do not end is completed
     * @return a new decoder
     */
    TextDecoder newDecoder(long... before);

    /**
     * Turns tokens into a text.
     *
     * @param ids the tokens of a whole text
     * @return the text
     */
    default String decode(long... ids) {
        TextDecoder decoder = newDecoder();
        StringBuilder text = new StringBuilder();
        for (long id : ids) {
            text.append(decoder.next(id));
        }
        return text.append(decoder.end()).toString();
    }
}
