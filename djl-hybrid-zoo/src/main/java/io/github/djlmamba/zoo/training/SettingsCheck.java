/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.training;

import org.apiguardian.api.API;

/** Checks of the settings of a training. Thread safe. */
@API(status = API.Status.INTERNAL)
public final class SettingsCheck {

    private SettingsCheck() {}

    /**
     * Checks that a setting is in its range.
     *
     * @param holds whether it is
     * @param name what it is called
     * @param value its value
     * @param expected the range
     * @throws IllegalArgumentException if it is not
     */
    public static void require(boolean holds, String name, Object value, String expected) {
        if (!holds) {
            throw new IllegalArgumentException(name + " is " + value + "; expected " + expected);
        }
    }

    /**
     * Checks that a run goes on with what it began with.
     *
     * @param name what the setting is called
     * @param begun its value at the beginning
     * @param now its value now
     * @throws IllegalArgumentException if they differ
     */
    public static void requireSame(String name, Object begun, Object now) {
        if (!begun.equals(now)) {
            throw new IllegalArgumentException(
                    "the run began with "
                            + name
                            + " "
                            + begun
                            + " but is to go on with "
                            + now
                            + "; give the same, or begin another run");
        }
    }
}
