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
import org.apiguardian.api.API;

/**
 * What a provider of ops offers to compute in less than float32, which DJL itself cannot. Behind
 * {@link Precision}, which is what users call. Implementations are thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public interface ReducedPrecision {

    /**
     * Returns whether an array holds bfloat16 numbers.
     *
     * @param array an array
     * @return true for bfloat16
     */
    boolean isBfloat16(NDArray array);

    /**
     * Converts an array, differentiably.
     *
     * @param array a floating array
     * @param precision the precision of the result
     * @return a new array in the same manager
     */
    NDArray cast(NDArray array, Precision precision);

    /**
     * Switches the calling thread to a precision.
     *
     * @param precision the precision
     * @return what {@link #leave} needs to restore the one before
     */
    long enter(Precision precision);

    /**
     * Restores the precision before the matching {@link #enter}, on the same thread.
     *
     * @param restore what that call returned
     */
    void leave(long restore);
}
