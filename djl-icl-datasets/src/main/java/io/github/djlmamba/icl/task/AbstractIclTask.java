/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.task;

import ai.djl.ndarray.types.Shape;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import org.apiguardian.api.API;

/**
 * A task that draws its prompts one by one, each from a generator of its own.
 *
 * <p>Subclasses say how one prompt is drawn and which further arrays it fills; arguments, memory
 * and seeding are here.
 */
@API(status = API.Status.EXPERIMENTAL)
public abstract class AbstractIclTask implements IclTask {

    private final int dims;
    private final int points;

    /**
     * Creates a task with scalar answers.
     *
     * @param dims the dimensions of an x, d
     * @param points the examples of a full prompt, N
     * @throws IllegalArgumentException if one is not positive
     */
    protected AbstractIclTask(int dims, int points) {
        this.dims = requireRange("dims", dims, Integer.MAX_VALUE);
        this.points = requireRange("points", points, Integer.MAX_VALUE);
    }

    @Override
    public final int dims() {
        return dims;
    }

    @Override
    public final int points() {
        return points;
    }

    /**
     * Returns the names of the further arrays of {@link IclPrompts#others()} with the size of one
     * prompt's part.
     *
     * @param currentPoints the points of each prompt
     * @return names and shapes without the leading axis of the prompts
     */
    protected abstract Map<String, Shape> otherShapes(int currentPoints);

    /**
     * Draws one prompt. The draws must come in an order in which fewer points only leave out the
     * last ones.
     *
     * @param random the prompt's own generator
     * @param currentDims coordinates of x from this one on are to be 0
     * @param prompt where to write to
     */
    protected abstract void samplePrompt(Random random, int currentDims, PromptWriter prompt);

    @Override
    public final IclPrompts sample(
            long seed, long first, int count, int currentDims, int currentPoints) {
        requireRange("current dims", currentDims, dims);
        requireRange("current points", currentPoints, points);
        requireRange("count of prompts", count, Integer.MAX_VALUE);
        if (first < 0 || first > Long.MAX_VALUE - count) {
            throw new IllegalArgumentException(
                    "The index of the first prompt must not be negative, but is " + first + ".");
        }
        FloatArray xs = allocate(new Shape(count, currentPoints, dims));
        FloatArray ys = allocate(new Shape(count, currentPoints));
        Map<String, FloatArray> others = new LinkedHashMap<>();
        otherShapes(currentPoints)
                .forEach(
                        (name, shape) ->
                                others.put(name, allocate(new Shape(count).addAll(shape))));
        IclPrompts prompts = new IclPrompts(xs, ys, others);
        for (int index = 0; index < count; index++) {
            samplePrompt(
                    PromptRandom.of(seed, first + index),
                    currentDims,
                    new PromptWriter(prompts, index));
        }
        return prompts;
    }

    private static FloatArray allocate(Shape shape) {
        long size = 1;
        for (long axis : shape.getShape()) {
            size = Math.multiplyHigh(size, axis) != 0 ? Long.MAX_VALUE : size * axis;
            // The longest array that every JVM grants.
            if (size < 0 || size > Integer.MAX_VALUE - 8) {
                throw new IllegalArgumentException(
                        "Prompts of shape "
                                + shape
                                + " do not fit in one array; draw fewer of them at a time.");
            }
        }
        return new FloatArray(new float[(int) size], shape);
    }

    private static int requireRange(String what, int value, int most) {
        if (value < 1 || value > most) {
            throw new IllegalArgumentException(
                    "The "
                            + what
                            + " must be "
                            + (most == Integer.MAX_VALUE ? "at least 1" : "from 1 to " + most)
                            + ", but is "
                            + value
                            + ".");
        }
        return value;
    }

    @Override
    public String toString() {
        return name() + " (dims " + dims + ", points " + points + ")";
    }
}
