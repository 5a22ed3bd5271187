/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

/** How much the tests run: everything where the system property djlmamba.test.long is true. */
public final class Effort {

    /** Whether grids run in full. */
    public static final boolean LONG = Boolean.getBoolean("djlmamba.test.long");

    private Effort() {}

    /** The size of a test: the first in full, the second otherwise. */
    public static int of(int full, int usual) {
        return LONG ? full : usual;
    }
}
