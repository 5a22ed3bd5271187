/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.training;

import ai.djl.ndarray.NDArray;
import io.github.djlmamba.ops.AdamStep;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apiguardian.api.API;

/**
 * What an {@link AdamTrainer} carries from step to step beside the parameters themselves: to look
 * at, to store, or to begin from.
 *
 * <p>Obtained by {@link AdamTrainer#getOptimizerState} as copies, and written back by {@link
 * AdamTrainer#setOptimizerState}. A parameter that several blocks share stands under the first of
 * its paths. The record is immutable; its arrays belong to the manager that they were made in.
 *
 * @param steps the number of completed steps
 * @param gradientNorm the global norm of the gradients in the last of them, before clipping; NaN
 *     before the first
 * @param moments the moments by the paths of the parameters, as {@link
 *     ai.djl.nn.Block#getParameters} names them, in its order
 */
@API(status = API.Status.EXPERIMENTAL)
public record OptimizerState(long steps, double gradientNorm, Map<String, Moments> moments) {

    /**
     * Checks the number of steps, and copies the map.
     *
     * @throws IllegalArgumentException if the number of steps is negative
     */
    public OptimizerState {
        if (steps < 0) {
            throw new IllegalArgumentException("steps is " + steps + "; expected at least 0");
        }
        moments = Collections.unmodifiableMap(new LinkedHashMap<>(moments));
    }

    /**
     * Checks that a trainer can go on from this state.
     *
     * @param slots the trainer's parameters with their own moments, by their paths
     * @throws IllegalArgumentException if a parameter's moments are missing or have another shape
     *     or type, or there are moments of no parameter
     */
    void checkFits(Map<String, AdamStep.Slot> slots) {
        slots.forEach(
                (path, slot) -> {
                    Moments found = moments.get(path);
                    if (found == null) {
                        throw new IllegalArgumentException(
                                "the state has no moments of the parameter " + path);
                    }
                    checkLike(slot.parameter(), "first", path, found.first());
                    checkLike(slot.parameter(), "second", path, found.second());
                });
        Set<String> others = new TreeSet<>(moments.keySet());
        others.removeAll(slots.keySet());
        if (!others.isEmpty()) {
            throw new IllegalArgumentException(
                    "the state has moments of "
                            + others.iterator().next()
                            + ", but the model has no such parameter");
        }
    }

    private static void checkLike(NDArray parameter, String which, String path, NDArray moment) {
        if (moment == null
                || !moment.getShape().equals(parameter.getShape())
                || moment.getDataType() != parameter.getDataType()) {
            throw new IllegalArgumentException(
                    "the "
                            + which
                            + " moment of "
                            + path
                            + " is "
                            + (moment == null
                                    ? "missing"
                                    : moment.getDataType() + " of shape " + moment.getShape())
                            + "; expected "
                            + parameter.getDataType()
                            + " of shape "
                            + parameter.getShape());
        }
    }

    /**
     * The moments of one parameter, of its shape and type.
     *
     * @param first m, the running mean of the gradient
     * @param second v, the running mean of the squared gradient
     */
    public record Moments(NDArray first, NDArray second) {}
}
