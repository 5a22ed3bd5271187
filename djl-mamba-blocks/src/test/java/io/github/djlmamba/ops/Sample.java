/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.Arrays;
import java.util.function.DoubleSupplier;

/**
 * The values of a test array, with its shape and the way that it lies in memory. The values are
 * numbers that float32 holds exactly, so that all types start from the same.
 *
 * @param shape the shape
 * @param layout how {@link #array} lays the array out
 * @param values the values, row by row
 */
public record Sample(Shape shape, Layout layout, double[] values) {

    /** Columns that a slice leaves out on its left; odd, so that the slice is not aligned. */
    private static final int LEFT = 3;

    /** Columns that a slice leaves out on its right. */
    private static final int RIGHT = 5;

    /** Draws the values of an array; an expanded one repeats them along its expanded axis. */
    public static Sample draw(Shape shape, Layout layout, DoubleSupplier source) {
        double[] values = new double[Math.toIntExact(shape.size())];
        int columns = columns(shape);
        int block = shape.dimension() == 0 || values.length == 0 ? 1 : rowsBelowFirst(shape);
        for (int i = 0; i < values.length; i++) {
            if (layout == Layout.EXPANDED_FIRST && i >= block) {
                values[i] = values[i - block];
            } else if (layout == Layout.EXPANDED_LAST && i % columns != 0) {
                values[i] = values[i - 1];
            } else {
                values[i] = (float) source.getAsDouble();
            }
        }
        return new Sample(shape, layout, values);
    }

    /** Returns a contiguous copy with one value replaced. */
    public Sample with(int index, double value) {
        double[] changed = values.clone();
        changed[index] = value;
        return new Sample(shape, Layout.CONTIGUOUS, changed);
    }

    /** Returns a contiguous sample of other values. */
    public Sample with(double[] newValues) {
        return new Sample(shape, Layout.CONTIGUOUS, newValues);
    }

    /** Returns the same with values that bfloat16 holds exactly: each the nearest, ties to even. */
    public Sample roundedToBfloat16() {
        double[] rounded = new double[values.length];
        for (int i = 0; i < rounded.length; i++) {
            int bits = Float.floatToIntBits((float) values[i]);
            int even = bits >>> 16 & 1;
            rounded[i] = Float.intBitsToFloat((bits + 0x7fff + even) & 0xffff0000);
        }
        return new Sample(shape, layout, rounded);
    }

    /** Creates the array, laid out as the layout says; the unknown type stands for bfloat16. */
    public NDArray array(NDManager manager, DataType type) {
        if (values.length == 0) {
            return create(manager, type, values, shape);
        }
        if (shape.dimension() == 0) {
            return create(manager, type, values, shape);
        }
        int axes = shape.dimension();
        return switch (layout) {
            case CONTIGUOUS -> create(manager, type, values, shape);
            case SLICED -> {
                int columns = columns(shape);
                NDArray wide =
                        create(
                                manager,
                                type,
                                surrounded(columns),
                                withLast(shape, columns + LEFT + RIGHT));
                yield wide.get("..., {}:{}", LEFT, LEFT + columns);
            }
            case TRANSPOSED -> {
                if (axes == 1) {
                    double[] pairs = new double[2 * values.length];
                    Arrays.fill(pairs, Double.NaN);
                    for (int i = 0; i < values.length; i++) {
                        pairs[2 * i + 1] = values[i];
                    }
                    yield create(manager, type, pairs, new Shape(values.length, 2)).get(":, 1");
                }
                yield create(manager, type, reversed(), reversed(shape)).transpose();
            }
            case EXPANDED_FIRST -> {
                long[] one = shape.getShape().clone();
                one[0] = 1;
                double[] first = Arrays.copyOf(values, rowsBelowFirst(shape));
                yield create(manager, type, first, new Shape(one)).broadcast(shape);
            }
            case EXPANDED_LAST -> {
                int columns = columns(shape);
                double[] first = new double[values.length / columns];
                Arrays.setAll(first, i -> values[i * columns]);
                yield create(manager, type, first, withLast(shape, 1)).broadcast(shape);
            }
        };
    }

    /** Creates the array as {@link #array} does, as a leaf that needs a gradient. */
    public NDArray leaf(NDManager manager, DataType type) {
        NDArray array = array(manager, type);
        array.setRequiresGradient(true);
        return array;
    }

    /** Creates a contiguous array; the unknown type stands for bfloat16. */
    public static NDArray create(NDManager manager, DataType type, double[] values, Shape shape) {
        if (type == DataType.UNKNOWN) {
            return Precision.BFLOAT16.cast(create(manager, DataType.FLOAT32, values, shape));
        }
        if (values.length == 0) {
            return manager.zeros(shape, type);
        }
        if (type == DataType.FLOAT64) {
            return manager.create(values, shape);
        }
        NDArray array = manager.create(floats(values), shape);
        return type == DataType.FLOAT32 ? array : array.toType(type, false);
    }

    /** Reads any floating array. */
    public static double[] read(NDArray array) {
        if (array.size() == 0) {
            return new double[0];
        }
        if (array.getDataType() == DataType.FLOAT64) {
            return array.toDoubleArray();
        }
        float[] floats;
        if (array.getDataType() == DataType.FLOAT32) {
            floats = array.toFloatArray();
        } else if (array.getDataType() == DataType.UNKNOWN) {
            try (NDArray wide = Precision.FLOAT32.cast(array)) {
                floats = wide.toFloatArray();
            }
        } else {
            try (NDArray wide = array.toType(DataType.FLOAT32, true)) {
                floats = wide.toFloatArray();
            }
        }
        double[] values = new double[floats.length];
        Arrays.setAll(values, i -> floats[i]);
        return values;
    }

    private static float[] floats(double[] values) {
        float[] floats = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            floats[i] = (float) values[i];
        }
        return floats;
    }

    private static int columns(Shape shape) {
        return shape.dimension() == 0 ? 1 : (int) shape.get(shape.dimension() - 1);
    }

    private static int rowsBelowFirst(Shape shape) {
        return (int) (shape.size() / shape.get(0));
    }

    private static Shape withLast(Shape shape, long columns) {
        long[] sizes = shape.getShape().clone();
        sizes[sizes.length - 1] = columns;
        return new Shape(sizes);
    }

    private static Shape reversed(Shape shape) {
        long[] sizes = shape.getShape();
        long[] reversed = new long[sizes.length];
        Arrays.setAll(reversed, i -> sizes[sizes.length - 1 - i]);
        return new Shape(reversed);
    }

    /** The values with NaN around each row. */
    private double[] surrounded(int columns) {
        int wide = columns + LEFT + RIGHT;
        double[] padded = new double[values.length / columns * wide];
        Arrays.fill(padded, Double.NaN);
        for (int row = 0; row < values.length / columns; row++) {
            System.arraycopy(values, row * columns, padded, row * wide + LEFT, columns);
        }
        return padded;
    }

    /** The values in the order of the reversed axes. */
    private double[] reversed() {
        long[] sizes = shape.getShape();
        double[] reversed = new double[values.length];
        for (int i = 0; i < values.length; i++) {
            long rest = i;
            long target = 0;
            long stride = values.length;
            for (int axis = sizes.length - 1; axis >= 0; axis--) {
                stride /= sizes[axis];
                target += rest % sizes[axis] * stride;
                rest /= sizes[axis];
            }
            reversed[(int) target] = values[i];
        }
        return reversed;
    }
}
