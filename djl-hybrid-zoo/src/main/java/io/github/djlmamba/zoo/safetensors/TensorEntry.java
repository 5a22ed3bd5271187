/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.safetensors;

import ai.djl.ndarray.types.Shape;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Objects;
import org.apiguardian.api.API;

/**
 * What a file says about one tensor.
 *
 * @param name its name
 * @param type the type of its numbers
 * @param shape its shape; () for a single number
 * @param begin where its bytes begin, counted from the first byte after the header
 * @param end where they end; the last byte is the one before
 */
@API(status = API.Status.EXPERIMENTAL)
public record TensorEntry(String name, TensorType type, Shape shape, long begin, long end) {

    /** The most axes that a tensor may have, which is PyTorch's limit. */
    static final int MAX_AXES = 64;

    /** The order in which the format's own writer stores tensors. */
    static final Comparator<TensorEntry> STORAGE_ORDER =
            Comparator.comparing(TensorEntry::type, Comparator.reverseOrder())
                    .thenComparing(TensorEntry::name, TensorEntry::compareCodePoints);

    /**
     * Checks that all is there and the range is that of the shape.
     *
     * @throws IllegalArgumentException if it is not
     */
    public TensorEntry {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(type, "type");
        Objects.requireNonNull(shape, "shape");
        long bytes = bytes(type, shape.getShape());
        if (begin < 0 || end - begin != bytes) {
            throw new IllegalArgumentException(
                    "its data go from "
                            + begin
                            + " to "
                            + end
                            + "; expected "
                            + bytes
                            + " bytes for "
                            + type
                            + " of shape "
                            + shape);
        }
    }

    /**
     * Returns the number of its bytes.
     *
     * @return the bytes
     */
    public long bytes() {
        return end - begin;
    }

    /**
     * Returns the number of its elements.
     *
     * @return the elements
     */
    public long size() {
        return bytes() / type.bytes();
    }

    /**
     * Returns the bytes of a tensor, or says that no file can hold it. Axes of length zero do not
     * excuse the others: strides must be numbers, too.
     */
    static long bytes(TensorType type, long[] shape) {
        if (shape.length > MAX_AXES) {
            throw new IllegalArgumentException(
                    "its shape has "
                            + shape.length
                            + " axes; at most "
                            + MAX_AXES
                            + " are allowed");
        }
        long bytes = type.bytes();
        boolean empty = false;
        try {
            for (long length : shape) {
                if (length < 0) {
                    throw new IllegalArgumentException(
                            "its shape has an axis of length " + length + "; expected 0 or more");
                }
                empty |= length == 0;
                bytes = Math.multiplyExact(bytes, Math.max(1, length));
            }
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException(
                    "its shape has more elements than can be counted", e);
        }
        return empty ? 0 : bytes;
    }

    /** Compares as UTF-8 bytes do, which Java's own order of strings does not. */
    private static int compareCodePoints(String left, String right) {
        int[] first = left.codePoints().toArray();
        int[] second = right.codePoints().toArray();
        return Arrays.compare(first, second);
    }
}
