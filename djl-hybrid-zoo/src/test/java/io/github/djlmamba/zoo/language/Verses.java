/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.language;

import java.nio.charset.StandardCharsets;

/** A little text for tests: the first verses of the King James Bible, in the public domain. */
final class Verses {

    static final String TEXT =
            """
            In the beginning God created the heaven and the earth.
            And the earth was without form, and void; and darkness was upon the face of the deep. \
            And the Spirit of God moved upon the face of the waters.
            And God said, Let there be light: and there was light.
            And God saw the light, that it was good: and God divided the light from the darkness.
            And God called the light Day, and the darkness he called Night. And the evening and the \
            morning were the first day.
            """;

    static final byte[] BYTES = TEXT.getBytes(StandardCharsets.UTF_8);

    private Verses() {}
}
