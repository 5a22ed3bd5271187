/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.safetensors;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDScope;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.ByteBuffer;

/** The memory of arrays as byte buffers, piece by piece, since a buffer ends at 2 GiB. */
final class ArrayMemory {

    /** The most elements of a piece: less than 2 GiB of any type, and whole chunks. */
    private static final long PIECE = 1 << 27;

    private ArrayMemory() {}

    /** Fills or reads the memory of an array. */
    @FunctionalInterface
    interface Piece {

        /**
         * Handles elements from a first one on.
         *
         * @param first the first element, counted over the whole array
         * @param memory their memory, in the machine's byte order
         */
        void accept(long first, ByteBuffer memory) throws IOException;
    }

    /** Writes an array's elements in order, by a copy where its own memory is not to be had. */
    static void write(NDArray target, Piece piece) throws IOException {
        // The scope closes the copies that DJL makes unseen of what is not contiguous.
        try (NDScope scope = new NDScope()) {
            scope.suppressNotUsedWarning();
            if (isDirect(target)) {
                forEachPiece(target, piece);
                return;
            }
            if (target.getDataType() == DataType.UNKNOWN) {
                throw new IllegalArgumentException(
                        "a bfloat16 array must be contiguous and on the CPU to be filled");
            }
            NDArray copy =
                    target.getManager()
                            .create(target.getShape(), target.getDataType(), Device.cpu());
            forEachPiece(copy, piece);
            // DJL's copyTo would give the target other memory, and a view would lose its array.
            target.set(new NDIndex("..."), copy.toDevice(target.getDevice(), false));
        }
    }

    /** Reads an array's elements in order. */
    static void read(NDArray source, Piece piece) throws IOException {
        try (NDScope scope = new NDScope()) {
            scope.suppressNotUsedWarning();
            forEachPiece(source.toDevice(Device.cpu(), false), piece);
        }
    }

    private static void forEachPiece(NDArray array, Piece piece) throws IOException {
        long size = array.size();
        NDArray flat = array.reshape(new Shape(size));
        for (long first = 0; first < size; first += PIECE) {
            long end = Math.min(size, first + PIECE);
            NDArray part = size <= PIECE ? flat : flat.get(new NDIndex(first + ":" + end));
            piece.accept(first, part.toByteBuffer(true));
        }
    }

    /**
     * Returns whether the buffers of an array are its own memory. DJL copies the elements of an
     * array that is not contiguous and does not tell: a change then does not show in a second
     * buffer.
     */
    private static boolean isDirect(NDArray array) {
        if (!array.getDevice().equals(Device.cpu())) {
            return false;
        }
        if (array.isEmpty()) {
            return true;
        }
        ByteBuffer first = firstPiece(array).toByteBuffer(true);
        ByteBuffer second = firstPiece(array).toByteBuffer(true);
        byte before = first.get(0);
        first.put(0, (byte) ~before);
        boolean direct = second.get(0) != before;
        first.put(0, before);
        return direct;
    }

    private static NDArray firstPiece(NDArray array) {
        NDArray flat = array.reshape(new Shape(array.size()));
        return array.size() <= PIECE ? flat : flat.get(new NDIndex("0:" + PIECE));
    }
}
