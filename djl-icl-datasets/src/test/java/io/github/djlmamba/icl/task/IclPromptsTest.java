/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.task;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.Map;
import org.junit.jupiter.api.Test;

class IclPromptsTest {

    private static FloatArray zeros(long... shape) {
        Shape all = new Shape(shape);
        return new FloatArray(new float[(int) all.size()], all);
    }

    private static void assertRefused(
            FloatArray xs, FloatArray ys, Map<String, FloatArray> others, String message) {
        IllegalArgumentException error =
                assertThrows(IllegalArgumentException.class, () -> new IclPrompts(xs, ys, others));
        assertTrue(error.getMessage().contains(message), error.getMessage());
    }

    @Test
    void travelsToNDArraysAndBack() {
        IclPrompts prompts = new LinearRegression(3, 5).sample(1, 0, 4);
        try (NDManager manager = NDManager.newBaseManager()) {
            NDList list = prompts.toNDList(manager);
            assertEquals(new Shape(4, 5, 3), list.get("xs").getShape());
            assertEquals(new Shape(4, 5), list.get("ys").getShape());
            assertEquals(new Shape(4, 3), list.get("weights").getShape());
            assertArrayEquals(prompts.xs().values(), list.get("xs").toFloatArray());
            IclPrompts back = IclPrompts.of(list.get("xs"), list.get("ys"));
            assertEquals(prompts.xs(), back.xs());
            assertEquals(prompts.ys(), back.ys());
            assertThrows(
                    IllegalArgumentException.class,
                    () ->
                            IclPrompts.of(
                                    list.get("xs").toType(DataType.FLOAT64, false),
                                    list.get("ys")));
            // (5, 3) and (5): one prompt without the axis of the batch.
            assertThrows(
                    IllegalArgumentException.class,
                    () -> IclPrompts.of(list.get("xs").get(0), list.get("ys").get(0)));
        }
    }

    @Test
    void refusesShapesThatDoNotFit() {
        assertRefused(zeros(2, 3), zeros(2, 3), Map.of(), "xs must be of shape");
        assertRefused(zeros(2, 0, 3), zeros(2, 0), Map.of(), "xs must be of shape");
        assertRefused(zeros(2, 3, 4), zeros(2, 4), Map.of(), "ys must be of shape");
        assertRefused(zeros(2, 3, 4), zeros(1, 3), Map.of(), "ys must be of shape");
        assertRefused(zeros(2, 3, 4), zeros(2, 3, 0), Map.of(), "ys must be of shape");
        assertRefused(
                zeros(2, 3, 4), zeros(2, 3), Map.of("mask", zeros(2, 4)), "mask must be of shape");
        assertRefused(
                zeros(2, 3, 4),
                zeros(2, 3),
                Map.of("weights", zeros(3, 4)),
                "first axis of weights");
        assertRefused(
                zeros(2, 3, 4), zeros(2, 3), Map.of("xs", zeros(2, 4)), "may not be called xs");
        assertThrows(
                IllegalArgumentException.class,
                () -> new FloatArray(new float[5], new Shape(2, 3)));
        assertThrows(
                IllegalArgumentException.class,
                () -> IclPrompts.of(new float[6], new float[3], 1, 2, 3));
    }

    @Test
    void takesVectorAnswersAndAMask() {
        IclPrompts prompts =
                new IclPrompts(zeros(2, 3, 4), zeros(2, 3, 4), Map.of("mask", zeros(2, 3)));
        assertEquals(2, prompts.count());
        assertEquals(3, prompts.points());
        assertEquals(4, prompts.dims());
        assertEquals(new Shape(1, 3), prompts.slice(1, 2).mask().orElseThrow().shape());
        assertTrue(prompts.weights().isEmpty());
        assertThrows(IndexOutOfBoundsException.class, () -> prompts.slice(1, 3));
    }

    @Test
    void comparesByValue() {
        LinearRegression task = new LinearRegression(3, 5);
        assertEquals(task.sample(1, 0, 4), task.sample(1, 0, 4));
        assertEquals(task.sample(1, 0, 4).hashCode(), task.sample(1, 0, 4).hashCode());
        assertEquals("FloatArray(4, 5)", task.sample(1, 0, 4).ys().toString());
    }
}
