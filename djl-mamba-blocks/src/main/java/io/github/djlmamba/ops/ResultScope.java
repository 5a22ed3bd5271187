/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.NDScope;
import org.apiguardian.api.API;

/**
 * A scope that closes the arrays created in it, each of which DJL would keep in the manager of its
 * first operand, all but the results. Those go to a manager, and a scope around this one sees them
 * as it sees those of a single operation. A recorded graph keeps what it needs.
 *
 * <p>Belongs to the thread that makes it, which closes it before the scopes around it.
 */
@API(status = API.Status.INTERNAL)
public final class ResultScope implements AutoCloseable {

    private final NDManager owner;
    private final NDList results = new NDList();
    private final NDScope scope = new NDScope();

    /**
     * Opens a scope.
     *
     * @param owner the manager that the results go to
     */
    public ResultScope(NDManager owner) {
        this.owner = owner;
    }

    /**
     * Leaves an array open and where it is, since others keep it.
     *
     * @param array an array that may have been created in this scope
     */
    public void spare(NDArray array) {
        NDScope.unregister(array);
    }

    /**
     * Makes an array a result.
     *
     * @param result an array that was created in this scope
     */
    public void keep(NDArray result) {
        NDScope.unregister(result);
        if (result.getManager() != owner) {
            result.attach(owner);
        }
        results.add(result);
    }

    /**
     * Makes arrays results.
     *
     * @param arrays arrays that were created in this scope
     */
    public void keep(NDList arrays) {
        for (NDArray array : arrays) {
            keep(array);
        }
    }

    /** Closes all arrays created in this scope but the results. */
    @Override
    public void close() {
        scope.close();
        for (NDArray result : results) {
            NDScope.register(result);
        }
    }
}
