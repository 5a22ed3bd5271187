/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.NDScope;
import java.util.function.Supplier;

/** The surroundings of an op's naive form: what it creates on the way does not outlive it. */
final class NaiveForm {

    private NaiveForm() {}

    /**
     * Computes results by NDArray operations, and closes all other arrays that these create, each
     * of which DJL would keep in the manager of its first operand. A recorded graph keeps what it
     * needs.
     *
     * @param owner the manager that the results go to
     * @param computation what gives the results, each an array of its own
     * @return the results
     */
    static NDList compute(NDManager owner, Supplier<NDList> computation) {
        NDList results;
        try (NDScope scope = new NDScope()) {
            scope.suppressNotUsedWarning();
            results = computation.get();
            NDScope.unregister(results);
            results.attach(owner);
        }
        // A scope of the caller's sees the results as it sees those of a single operation.
        results.forEach(NDScope::register);
        return results;
    }
}
