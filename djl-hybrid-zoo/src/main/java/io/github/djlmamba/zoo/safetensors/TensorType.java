/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.safetensors;

import ai.djl.ndarray.types.DataType;
import java.util.Arrays;
import java.util.Optional;
import org.apiguardian.api.API;

/**
 * The types of stored numbers that are read and written, in the order of the format's own list,
 * which is also the order, backwards, in which a file holds its tensors: numbers of more bytes come
 * first, so that all are aligned.
 */
@API(status = API.Status.EXPERIMENTAL)
public enum TensorType {
    /** Truth values, one byte each. */
    BOOL(1, DataType.BOOLEAN, DataType.BOOLEAN),
    /** Unsigned bytes. */
    U8(1, DataType.UINT8, DataType.UINT8),
    /** IEEE half precision; read as float32 unless another type is asked for. */
    F16(2, DataType.FLOAT16, DataType.FLOAT32),
    /**
     * The upper half of IEEE single precision; read as float32 unless another type is asked for.
     */
    BF16(2, DataType.BFLOAT16, DataType.FLOAT32),
    /** Signed integers of 32 bits. */
    I32(4, DataType.INT32, DataType.INT32),
    /** IEEE single precision. */
    F32(4, DataType.FLOAT32, DataType.FLOAT32),
    /** IEEE double precision. */
    F64(8, DataType.FLOAT64, DataType.FLOAT64),
    /** Signed integers of 64 bits. */
    I64(8, DataType.INT64, DataType.INT64);

    private final int bytes;
    private final DataType storedAs;
    private final DataType readAs;

    TensorType(int bytes, DataType storedAs, DataType readAs) {
        this.bytes = bytes;
        this.storedAs = storedAs;
        this.readAs = readAs;
    }

    /**
     * Returns the bytes of one number.
     *
     * @return 1, 2, 4 or 8
     */
    public int bytes() {
        return bytes;
    }

    /**
     * Returns the type of the arrays that hold these numbers after reading.
     *
     * @return DJL's type; float32 for both kinds of half precision
     */
    public DataType dataType() {
        return readAs;
    }

    /**
     * Returns whether these are floating numbers.
     *
     * @return true for F16, BF16, F32 and F64
     */
    public boolean isFloating() {
        return storedAs.isFloating();
    }

    /**
     * Returns the type that stores an array's numbers as they are.
     *
     * @param type DJL's type
     * @return the type
     * @throws IllegalArgumentException if there is none
     */
    public static TensorType of(DataType type) {
        return Arrays.stream(values())
                .filter(candidate -> candidate.storedAs == type)
                .findFirst()
                .orElseThrow(
                        () ->
                                new IllegalArgumentException(
                                        "arrays of type "
                                                + type
                                                + " are neither read from safetensors nor written;"
                                                + " expected float64, float32, float16, int64,"
                                                + " int32, uint8 or boolean"));
    }

    /** Returns the type of a name in a file, if it is one of these. */
    static Optional<TensorType> named(String name) {
        return Arrays.stream(values()).filter(type -> type.name().equals(name)).findFirst();
    }
}
