/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.baseline;

import io.github.djlmamba.icl.task.IclTask;
import java.util.List;
import org.apiguardian.api.API;

/** The baselines by name. */
@API(status = API.Status.EXPERIMENTAL)
public final class Baselines {

    private static final List<Baseline> ALL =
            List.of(
                    new ZeroBaseline(),
                    new AveragingBaseline(),
                    new NearestNeighboursBaseline(3),
                    new LeastSquaresBaseline());

    private Baselines() {}

    /**
     * Returns the names of the baselines.
     *
     * @return the names, from the plainest estimator to the strongest
     */
    public static List<String> names() {
        return ALL.stream().map(Baseline::name).toList();
    }

    /**
     * Returns a baseline.
     *
     * @param name its name
     * @return the baseline
     * @throws IllegalArgumentException if there is no such baseline
     */
    public static Baseline of(String name) {
        return ALL.stream()
                .filter(baseline -> baseline.name().equals(name))
                .findFirst()
                .orElseThrow(
                        () ->
                                new IllegalArgumentException(
                                        "There is no baseline called "
                                                + name
                                                + ". The known baselines are: "
                                                + String.join(", ", names())
                                                + "."));
    }

    /**
     * Returns the baselines that a task is compared with.
     *
     * @param task the task
     * @return its baselines
     */
    public static List<Baseline> of(IclTask task) {
        return task.baselines().stream().map(Baselines::of).toList();
    }
}
