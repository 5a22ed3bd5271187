/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.djlmamba.icl.baseline.Baselines;
import org.junit.jupiter.api.Test;

class IclTasksTest {

    @Test
    void knowsEachTaskByItsOwnName() {
        for (String name : IclTasks.names()) {
            IclTask task = IclTasks.of(name, 4, 9);
            assertEquals(name, task.name());
            assertEquals(4, task.dims());
            assertEquals(9, task.points());
            assertEquals(task.baselines().size(), Baselines.of(task).size());
        }
    }

    @Test
    void linearRegressionHasTheSizeOfThePaper() {
        IclTask task = IclTasks.of("linear-regression");
        assertEquals("linear-regression (dims 20, points 41)", task.toString());
        assertEquals("squared_error/d", task.metric().name());
        assertEquals(0.2, task.metric().score(1, -1), 1e-15);
    }

    @Test
    void listsTheKnownOnesForAnUnknownName() {
        assertEquals(
                "There is no task called linear. The known tasks are: linear-regression.",
                assertThrows(IllegalArgumentException.class, () -> IclTasks.of("linear"))
                        .getMessage());
        assertThrows(IllegalArgumentException.class, () -> IclTasks.of("linear", 2, 3));
        assertThrows(IllegalArgumentException.class, () -> IclMetric.squaredErrorPerDimension(0));
    }
}
