/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.util.NativeResource;

/**
 * The checks of one op's arrays, made before anything is computed, so that a wrong argument is
 * named in the error rather than met by a kernel. The first array checked sets the device and the
 * data type that the others must share.
 */
final class ArgumentCheck {

    private final String op;
    private final boolean bfloat16;
    private String leader;
    private Device device;
    private DataType dataType;

    ArgumentCheck(String op) {
        this(op, false);
    }

    /**
     * Checks the arrays of an op that takes activations in bfloat16, too, where the flag says so.
     */
    ArgumentCheck(String op, boolean bfloat16) {
        this.op = op;
        this.bfloat16 = bfloat16;
    }

    /**
     * Checks that an array is open, floating, addressable, and shares the first's device and type.
     */
    NDArray array(String name, NDArray array) {
        open(name, array);
        DataType type = array.getDataType();
        boolean floating =
                type == DataType.FLOAT32 || type == DataType.FLOAT64 || type == DataType.FLOAT16;
        if (!floating && !(bfloat16 && Precision.isBfloat16(array))) {
            throw failure(
                    name,
                    "has type "
                            + type
                            + "; expected float32, float64"
                            + (bfloat16 ? ", bfloat16" : "")
                            + " or float16");
        }
        if (leader == null) {
            leader = name;
            device = array.getDevice();
            dataType = type;
        }
        denseOnDevice(name, array);
        if (type != dataType) {
            throw failure(
                    name,
                    "has type "
                            + named(type)
                            + " but "
                            + leader
                            + " has "
                            + named(dataType)
                            + "; convert one with Precision.cast or toType");
        }
        return array;
    }

    /**
     * Checks a parameter or a state as {@link #array(String, NDArray)} does: it has the type of the
     * activations, but float32 beside bfloat16 ones.
     */
    NDArray parameter(String name, NDArray array) {
        open(name, array);
        DataType expected = dataType == DataType.UNKNOWN ? DataType.FLOAT32 : dataType;
        if (array.getDataType() != expected) {
            throw failure(
                    name,
                    "has type "
                            + array.getDataType()
                            + "; expected "
                            + expected
                            + ", since "
                            + leader
                            + " has type "
                            + named(dataType));
        }
        denseOnDevice(name, array);
        return array;
    }

    /**
     * Checks a parameter as {@link #parameter(String, NDArray)} does; it may also be stored in
     * bfloat16 where float32 is expected.
     */
    NDArray weight(String name, NDArray array) {
        open(name, array);
        boolean wide = dataType == DataType.UNKNOWN || dataType == DataType.FLOAT32;
        if (wide && Precision.isBfloat16(array)) {
            denseOnDevice(name, array);
            return array;
        }
        return parameter(name, array);
    }

    /** Checks a parameter or a state, and its shape. */
    NDArray parameter(String name, NDArray array, String letters, long... expected) {
        parameter(name, array);
        shape(name, array, letters, expected);
        return array;
    }

    /** Checks an array of int64, and its shape. */
    void integers(String name, NDArray array, String letters, long... expected) {
        open(name, array);
        if (array.getDataType() != DataType.INT64) {
            throw failure(name, "has type " + array.getDataType() + "; expected int64");
        }
        denseOnDevice(name, array);
        shape(name, array, letters, expected);
    }

    /** Checks that no gradient is wanted of a step that changes a state in place. */
    void notRecorded(String differentiableOp, NDArray... arrays) {
        if (!GradientMode.isOn()) {
            return;
        }
        for (NDArray array : arrays) {
            if (array != null && array.hasGradient()) {
                throw new IllegalArgumentException(
                        op
                                + ": a gradient is wanted of an input, but a step that changes a"
                                + " state in place records none; use the "
                                + differentiableOp
                                + " with L = 1, or turn recording off with GradientMode.off");
            }
        }
    }

    /** Checks that packed sequences fill rows of the given number and length. */
    void packed(PackedSequences packed, long batch, long length) {
        if (packed.batch() != batch || packed.length() != length) {
            throw failure(
                    "sequences",
                    "fill (B, L) = "
                            + new Shape(packed.batch(), packed.length())
                            + " but the input has "
                            + new Shape(batch, length));
        }
    }

    private static String named(DataType type) {
        return type == DataType.UNKNOWN ? Precision.BFLOAT16.toString() : type.toString();
    }

    private void open(String name, NDArray array) {
        if (array == null) {
            throw failure(name, "is null; an array is needed");
        }
        if (array instanceof NativeResource<?> resource && resource.isReleased()) {
            throw new IllegalStateException(
                    op
                            + ": "
                            + name
                            + " is closed; keep the manager that owns it open until the op has run");
        }
    }

    /**
     * Checks the rest, once the type is known to be one of numbers: others have no native array.
     */
    private void denseOnDevice(String name, NDArray array) {
        if (array.isSparse()) {
            throw failure(name, "is sparse; expected a dense array");
        }
        // An expanded array may claim more than any memory holds, and a kernel may copy it.
        elements(name, array.getShape().getShape());
        if (!device.equals(array.getDevice())) {
            throw failure(
                    name,
                    "is on "
                            + array.getDevice()
                            + " but "
                            + leader
                            + " is on "
                            + device
                            + "; move them to one device with toDevice");
        }
    }

    private void shape(String name, NDArray array, String letters, long... expected) {
        if (!array.getShape().equals(new Shape(expected))) {
            throw failure(
                    name,
                    "has shape "
                            + array.getShape()
                            + "; expected "
                            + letters
                            + " = "
                            + new Shape(expected));
        }
    }

    /**
     * Checks an array as {@link #array} does, and its shape; the letters name the axes in the
     * error.
     */
    NDArray array(String name, NDArray array, String letters, long... expected) {
        array(name, array);
        shape(name, array, letters, expected);
        return array;
    }

    /** Checks the number of axes alone. */
    void axes(String name, NDArray array, String letters, int... allowed) {
        int actual = array.getShape().dimension();
        for (int axes : allowed) {
            if (axes == actual) {
                return;
            }
        }
        throw failure(name, "has shape " + array.getShape() + "; expected " + letters);
    }

    /** Checks that a product of sizes can be addressed at all. */
    void elements(String name, long... sizes) {
        long product = 1;
        try {
            for (long size : sizes) {
                if (size < 0) {
                    throw failure(name, "has a negative size: " + new Shape(sizes));
                }
                product = Math.multiplyExact(product, size);
            }
            Math.multiplyExact(product, 8L);
        } catch (ArithmeticException e) {
            throw failure(
                    name, "has shape " + new Shape(sizes) + ", more bytes than can be addressed");
        }
    }

    IllegalArgumentException failure(String name, String what) {
        return new IllegalArgumentException(op + ": " + name + " " + what);
    }
}
