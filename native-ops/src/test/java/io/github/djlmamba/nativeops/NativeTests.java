/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.nativeops;

import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assumptions.abort;

import io.github.djlmamba.ops.OpsProvider;
import io.github.djlmamba.ops.OpsProviders;

/** Whether the native ops are there to be tested. */
final class NativeTests {

    private NativeTests() {}

    /** Returns the native provider; where it is not built and need not be, the test is skipped. */
    static OpsProvider provider() {
        String reason = NativeLibrary.load().reason();
        if (reason != null) {
            assertNotEquals("required", System.getProperty("djlmamba.test.native"), reason);
            abort("the native ops are not tested: " + reason);
        }
        return OpsProviders.named(NativeOps.NAME);
    }
}
