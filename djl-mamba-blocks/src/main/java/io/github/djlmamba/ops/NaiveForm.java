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
import ai.djl.ndarray.types.DataType;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;

/** The surroundings of an op's naive form: what it creates on the way does not outlive it. */
final class NaiveForm {

    private NaiveForm() {}

    /**
     * Computes results by NDArray operations, and closes all other arrays that these create.
     *
     * @param owner the manager that the results go to
     * @param computation what gives the results, each an array of its own
     * @return the results
     */
    static NDList compute(NDManager owner, Supplier<NDList> computation) {
        try (ResultScope scope = new ResultScope(owner)) {
            NDList results = computation.get();
            scope.keep(results);
            return results;
        }
    }

    /**
     * Computes results of bfloat16 activations as the other providers do, in float32.
     *
     * @param leader an activation, whose type the results of the computation that are activations
     *     shall have
     * @param owner the manager that the results go to
     * @param computation what gives the results from the function that it is given, to be applied
     *     to each activation: it makes a float32 array of a bfloat16 one
     * @param activations the number of results, the first ones, that are activations
     * @return the results
     */
    static NDList compute(
            NDArray leader,
            NDManager owner,
            int activations,
            Function<UnaryOperator<NDArray>, NDList> computation) {
        if (leader.getDataType() != DataType.UNKNOWN) {
            return compute(owner, () -> computation.apply(UnaryOperator.identity()));
        }
        return compute(
                owner,
                () -> {
                    NDList results =
                            computation.apply(
                                    array -> array == null ? null : Precision.FLOAT32.cast(array));
                    for (int i = 0; i < activations; i++) {
                        results.set(i, Precision.BFLOAT16.cast(results.get(i)));
                    }
                    return results;
                });
    }
}
