/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.task;

import java.util.List;
import org.apiguardian.api.API;

/**
 * A family of hidden functions to be learnt in context, from which prompts are drawn.
 *
 * <p>Prompt k of a seed is a pure function of the task's configuration, the seed and k: it does not
 * depend on the machine, the JDK, the batch it is drawn in or the number of threads. Smaller
 * current sizes only take away from it: they zero coordinates and drop the last points.
 *
 * <p>Implementations are immutable and safe for use by several threads; {@link AbstractIclTask}
 * does all but the drawing of one prompt.
 */
@API(status = API.Status.EXPERIMENTAL)
public interface IclTask {

    /**
     * Returns the name that {@link IclTasks#of(String)} knows the task by.
     *
     * @return lower-case words joined by hyphens
     */
    String name();

    /**
     * Returns the dimensions of an x.
     *
     * @return d
     */
    int dims();

    /**
     * Returns the number of examples of a full prompt.
     *
     * @return N
     */
    int points();

    /**
     * Draws prompts at a curriculum's current size.
     *
     * @param seed any number
     * @param first the index of the first prompt, not negative
     * @param count how many prompts, B
     * @param currentDims coordinates of x from this one on are 0; 1 to d
     * @param currentPoints the points of each prompt; 1 to N
     * @return the prompts first to first + count - 1, with xs of shape (B, currentPoints, d)
     * @throws IllegalArgumentException if an argument is out of range or the batch has more values
     *     than an array can hold
     */
    IclPrompts sample(long seed, long first, int count, int currentDims, int currentPoints);

    /**
     * Draws prompts of full size.
     *
     * @param seed any number
     * @param first the index of the first prompt, not negative
     * @param count how many prompts, B
     * @return the prompts first to first + count - 1, with xs of shape (B, N, d)
     * @throws IllegalArgumentException if an argument is out of range or the batch has more values
     *     than an array can hold
     */
    default IclPrompts sample(long seed, long first, int count) {
        return sample(seed, first, count, dims(), points());
    }

    /**
     * Returns how predictions of this task are scored.
     *
     * @return the metric
     */
    IclMetric metric();

    /**
     * Returns the names of the baselines that this task is compared with.
     *
     * @return names that {@link io.github.djlmamba.icl.baseline.Baselines#of(String)} knows
     */
    List<String> baselines();
}
