/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.state;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import org.apiguardian.api.API;

/**
 * What a {@link SequenceMixer} carries from one token to the next.
 *
 * <p>A state is never changed: each call that continues from it leaves a new one, so a caller may
 * continue from one state several times. It belongs to the caller, in the manager of the input that
 * produced it; a loop closes each state when it has the next, and memory stays flat. States made
 * with {@code training = true} are differentiable. Thread safe as long as nobody closes it.
 */
@API(status = API.Status.EXPERIMENTAL)
public interface MixerState extends AutoCloseable {

    /**
     * Returns the arrays of this state, not copied, in a fixed order. The first axis of each is the
     * batch.
     *
     * @return the arrays; none for a mixer that carries nothing
     */
    NDList arrays();

    /**
     * Moves this state to another manager, so that it outlives the one of the input.
     *
     * @param manager the manager that closes the state at the latest
     */
    default void attach(NDManager manager) {
        for (NDArray array : arrays()) {
            array.attach(manager);
        }
    }

    /** Frees the arrays of this state. Closing twice has no effect. */
    @Override
    default void close() {
        for (NDArray array : arrays()) {
            array.close();
        }
    }
}
