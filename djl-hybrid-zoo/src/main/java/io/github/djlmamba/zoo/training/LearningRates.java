/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.training;

import ai.djl.training.tracker.CosineTracker;
import ai.djl.training.tracker.Tracker;
import ai.djl.training.tracker.WarmUpTracker;
import org.apiguardian.api.API;

/** Schedules of the learning rate, on DJL's trackers. Thread safe. */
@API(status = API.Status.EXPERIMENTAL)
public final class LearningRates {

    private LearningRates() {}

    /**
     * Returns a learning rate that rises from 0 in a straight line and then falls along half a
     * cosine.
     *
     * @param highest the learning rate after warm-up
     * @param last the learning rate at the last step; the highest for a constant one
     * @param warmUpSteps the steps over which it rises, less than all
     * @param steps the number of steps
     * @return the schedule
     */
    public static Tracker warmUpThenCosine(
            double highest, double last, int warmUpSteps, long steps) {
        Tracker main =
                last == highest
                        ? Tracker.fixed((float) highest)
                        : CosineTracker.builder()
                                .setBaseValue((float) highest)
                                .optFinalValue((float) last)
                                .setMaxUpdates(Math.toIntExact(steps - warmUpSteps))
                                .build();
        if (warmUpSteps == 0) {
            return main;
        }
        return WarmUpTracker.builder()
                .setMainTracker(main)
                .optWarmUpSteps(warmUpSteps)
                .optWarmUpMode(WarmUpTracker.Mode.LINEAR)
                .build();
    }
}
