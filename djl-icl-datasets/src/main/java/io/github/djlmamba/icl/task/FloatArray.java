/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.task;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.Arrays;
import java.util.Objects;
import org.apiguardian.api.API;

/**
 * Floats on the Java heap with a shape, row-major.
 *
 * <p>The values are not copied, neither in nor out: whoever holds the array must not write to it.
 * As long as nobody does, instances may be shared between threads. Two are equal when shape and
 * values (compared as {@link Float#equals}) are.
 *
 * @param values the entries, the last axis contiguous
 * @param shape the shape; its size is the number of values
 */
@API(status = API.Status.EXPERIMENTAL)
public record FloatArray(float[] values, Shape shape) {

    /**
     * Checks that the shape describes the values.
     *
     * @param values the entries
     * @param shape the shape
     * @throws IllegalArgumentException if the shape's size is not the number of values
     */
    public FloatArray {
        Objects.requireNonNull(values, "values");
        Objects.requireNonNull(shape, "shape");
        if (shape.size() != values.length) {
            throw new IllegalArgumentException(
                    "The shape "
                            + shape
                            + " needs "
                            + shape.size()
                            + " values, but there are "
                            + values.length
                            + ".");
        }
    }

    /**
     * Copies an NDArray to the heap.
     *
     * @param array an array of type float32, on any device
     * @return its values and shape
     * @throws IllegalArgumentException if the array is of another type
     */
    public static FloatArray of(NDArray array) {
        if (array.getDataType() != DataType.FLOAT32) {
            throw new IllegalArgumentException(
                    "Expected an array of type float32, but got "
                            + array.getDataType()
                            + "; convert it first, for example by toType(DataType.FLOAT32, false).");
        }
        return new FloatArray(array.toFloatArray(), array.getShape());
    }

    /**
     * Copies the values into a new NDArray.
     *
     * @param manager owns the result
     * @return a float32 array of this shape on the manager's device
     */
    public NDArray toNDArray(NDManager manager) {
        return manager.create(values, shape);
    }

    /**
     * Returns a copy of some rows of the first axis.
     *
     * @param from the first row
     * @param to one past the last row
     * @return an array of shape (to - from, ...)
     * @throws IndexOutOfBoundsException if the rows are not all there
     */
    public FloatArray rows(int from, int to) {
        int rows = Math.toIntExact(shape.get(0));
        Objects.checkFromToIndex(from, to, rows);
        int width = rows == 0 ? 0 : values.length / rows;
        long[] dimensions = shape.getShape().clone();
        dimensions[0] = to - from;
        return new FloatArray(
                Arrays.copyOfRange(values, from * width, to * width), new Shape(dimensions));
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof FloatArray that
                && shape.equals(that.shape)
                && Arrays.equals(values, that.values);
    }

    @Override
    public int hashCode() {
        return 31 * shape.hashCode() + Arrays.hashCode(values);
    }

    /** Returns the shape only: the values can be millions. */
    @Override
    public String toString() {
        return "FloatArray" + shape;
    }
}
