/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.task;

import org.apiguardian.api.API;

/** Writes one prompt of a batch while it is being drawn. For the use of one thread. */
@API(status = API.Status.EXPERIMENTAL)
public final class PromptWriter {

    private final IclPrompts prompts;
    private final int index;

    PromptWriter(IclPrompts prompts, int index) {
        this.prompts = prompts;
        this.index = index;
    }

    /**
     * Returns the number of points to write.
     *
     * @return the current points of the prompt
     */
    public int points() {
        return prompts.points();
    }

    /**
     * Sets one coordinate of one input.
     *
     * @param point the position i
     * @param coordinate the axis of x_i
     * @param value the value
     */
    public void setX(int point, int coordinate, float value) {
        prompts.xs().values()[(index * prompts.points() + point) * prompts.dims() + coordinate] =
                value;
    }

    /**
     * Sets one answer.
     *
     * @param point the position i
     * @param value y_i
     */
    public void setY(int point, float value) {
        prompts.ys().values()[index * prompts.points() + point] = value;
    }

    /**
     * Sets one value of a further array.
     *
     * @param name the array's name
     * @param offset the row-major offset inside this prompt's part
     * @param value the value
     */
    public void setOther(String name, int offset, float value) {
        float[] values = prompts.others().get(name).values();
        values[index * (values.length / prompts.count()) + offset] = value;
    }
}
