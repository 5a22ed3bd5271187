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
import java.util.Map;
import java.util.TreeMap;
import org.apiguardian.api.API;

/** The tasks by name. */
@API(status = API.Status.EXPERIMENTAL)
public final class IclTasks {

    private interface Factory {
        IclTask create(int dims, int points);
    }

    private record Entry(int dims, int points, Factory factory) {}

    private static final Map<String, Entry> TASKS =
            new TreeMap<>(Map.of(LinearRegression.NAME, new Entry(20, 41, LinearRegression::new)));

    private IclTasks() {}

    /**
     * Returns the names of the tasks.
     *
     * @return the names in alphabetical order
     */
    public static List<String> names() {
        return List.copyOf(TASKS.keySet());
    }

    /**
     * Creates a task in the size of Park et al. 2024 (arXiv 2402.04248).
     *
     * @param name the task's name
     * @return the task, for linear regression with 20 dimensions and 41 points
     * @throws IllegalArgumentException if there is no such task
     */
    public static IclTask of(String name) {
        Entry entry = find(name);
        return entry.factory.create(entry.dims, entry.points);
    }

    /**
     * Creates a task.
     *
     * @param name the task's name
     * @param dims the dimensions of an x, d
     * @param points the examples of a full prompt, N
     * @return the task
     * @throws IllegalArgumentException if there is no such task, or a size is not positive
     */
    public static IclTask of(String name, int dims, int points) {
        return find(name).factory.create(dims, points);
    }

    private static Entry find(String name) {
        Entry entry = TASKS.get(name);
        if (entry == null) {
            throw new IllegalArgumentException(
                    "There is no task called "
                            + name
                            + ". The known tasks are: "
                            + String.join(", ", names())
                            + ".");
        }
        return entry;
    }
}
