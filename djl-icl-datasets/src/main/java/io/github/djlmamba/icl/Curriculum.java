/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl;

import io.github.djlmamba.icl.task.IclTask;
import java.util.Objects;
import org.apiguardian.api.API;

/**
 * The size of the prompts as a pure function of the training step: training starts on few
 * dimensions and points and moves to all.
 *
 * <p>Steps count from 0. Source: Garg et al. 2022 (arXiv 2208.01066), appendix A. Immutable and
 * safe for use by several threads.
 *
 * @param dims the number of dimensions that are not zero
 * @param points the number of points of a prompt
 */
@API(status = API.Status.EXPERIMENTAL)
public record Curriculum(Ramp dims, Ramp points) {

    /**
     * Creates a curriculum.
     *
     * @param dims the number of dimensions that are not zero
     * @param points the number of points of a prompt
     */
    public Curriculum {
        Objects.requireNonNull(dims, "dims");
        Objects.requireNonNull(points, "points");
    }

    /**
     * The curriculum of Park et al. 2024 (arXiv 2402.04248) for linear regression with 20
     * dimensions and 41 points.
     *
     * @return dims 5 to 20 by 1, points 11 to 41 by 2, both every 2000 steps
     */
    public static Curriculum linearRegression() {
        return new Curriculum(new Ramp(5, 20, 1, 2000), new Ramp(11, 41, 2, 2000));
    }

    /**
     * Full size from the first step on.
     *
     * @param dims the number of dimensions
     * @param points the number of points
     * @return a curriculum that never changes
     * @throws IllegalArgumentException if one is not positive
     */
    public static Curriculum none(int dims, int points) {
        return new Curriculum(Ramp.constant(dims), Ramp.constant(points));
    }

    /**
     * The task's full size from the first step on.
     *
     * @param task the task
     * @return a curriculum that never changes
     */
    public static Curriculum none(IclTask task) {
        return none(task.dims(), task.points());
    }

    /**
     * Returns the number of dimensions at a step.
     *
     * @param step the step, from 0
     * @return the coordinates of x that are not zeroed
     * @throws IllegalArgumentException if the step is negative
     */
    public int dimsAt(long step) {
        return dims.at(step);
    }

    /**
     * Returns the number of points at a step.
     *
     * @param step the step, from 0
     * @return the points of a prompt
     * @throws IllegalArgumentException if the step is negative
     */
    public int pointsAt(long step) {
        return points.at(step);
    }

    /**
     * A whole number that grows by a fixed increment at fixed intervals up to its end.
     *
     * @param start the value at step 0, at least 1
     * @param end the last value, at least the start
     * @param increment how much it grows at a time; may be 0 only where start equals end
     * @param interval the number of steps between two increments, at least 1
     */
    public record Ramp(int start, int end, int increment, int interval) {

        /**
         * Checks the numbers.
         *
         * @param start the value at step 0
         * @param end the last value
         * @param increment how much it grows at a time
         * @param interval the number of steps between two increments
         * @throws IllegalArgumentException if one is out of range
         */
        public Ramp {
            if (start < 1 || end < start) {
                throw new IllegalArgumentException(
                        "A ramp must start at 1 or more and end at its start or above, but goes from "
                                + start
                                + " to "
                                + end
                                + ".");
            }
            if (increment < 0 || increment == 0 && end > start) {
                throw new IllegalArgumentException(
                        "A ramp from "
                                + start
                                + " to "
                                + end
                                + " needs a positive increment, but has "
                                + increment
                                + ".");
            }
            if (interval < 1) {
                throw new IllegalArgumentException(
                        "The interval of a ramp must be at least 1 step, but is " + interval + ".");
            }
        }

        /**
         * A value that never changes.
         *
         * @param value the value, at least 1
         * @return the ramp
         * @throws IllegalArgumentException if the value is not positive
         */
        public static Ramp constant(int value) {
            return new Ramp(value, value, 0, 1);
        }

        /**
         * Returns the value at a step.
         *
         * @param step the step, from 0
         * @return min(end, start + increment * floor(step / interval))
         * @throws IllegalArgumentException if the step is negative
         */
        public int at(long step) {
            if (step < 0) {
                throw new IllegalArgumentException(
                        "A step must not be negative, but is " + step + ".");
            }
            long increments = step / interval;
            // Compared before multiplying, which could overflow.
            long needed = increment == 0 ? 0 : ((long) end - start + increment - 1) / increment;
            return increments >= needed ? end : (int) (start + increments * increment);
        }
    }
}
