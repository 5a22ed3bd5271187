/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.safetensors;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import io.github.djlmamba.ops.Precision;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/** Reads tensors of one open file. Thread safe. */
final class TensorReader {

    /** The bytes that one call of the system reads, between which a thread may be interrupted. */
    private static final int READ_BYTES = 1 << 24;

    private final Path file;
    private final FileChannel channel;
    private final long dataStart;

    /** Buffers for stored numbers that are not in use, one for each thread that read at once. */
    private final Queue<ByteBuffer> scratches = new ConcurrentLinkedQueue<>();

    TensorReader(Path file, FileChannel channel, long dataStart) {
        this.file = file;
        this.channel = channel;
        this.dataStart = dataStart;
    }

    /** Checks that a tensor can become numbers of a type. */
    static void checkType(TensorEntry entry, TensorType type) {
        if (entry.type() != type && ElementConversion.of(entry.type(), type).isEmpty()) {
            throw new IllegalArgumentException(
                    entry.name()
                            + " holds "
                            + entry.type()
                            + ", which is not read as "
                            + type
                            + "; expected "
                            + entry.type().dataType());
        }
    }

    void readInto(TensorEntry entry, NDArray target) throws IOException {
        if (!target.getShape().equals(entry.shape())) {
            throw new IllegalArgumentException(
                    entry.name()
                            + " has shape "
                            + entry.shape()
                            + " in "
                            + file
                            + "; the array to fill has "
                            + target.getShape());
        }
        TensorType type = storedType(target);
        checkType(entry, type);
        if (entry.bytes() == 0) {
            return;
        }
        long start = dataStart + entry.begin();
        Optional<ElementConversion> conversion = ElementConversion.of(entry.type(), type);
        ArrayMemory.write(
                target,
                (first, memory) -> {
                    long position = start + first * entry.type().bytes();
                    if (conversion.isEmpty()) {
                        readFully(memory, position);
                    } else {
                        convert(entry.type(), type, conversion.get(), memory, position);
                    }
                });
    }

    /** Returns the type of an array's numbers; DJL has no name for bfloat16. */
    static TensorType storedType(NDArray array) {
        boolean bfloat16 = array.getDataType() == DataType.UNKNOWN && Precision.isBfloat16(array);
        return bfloat16 ? TensorType.BF16 : TensorType.of(array.getDataType());
    }

    private void convert(
            TensorType from,
            TensorType to,
            ElementConversion conversion,
            ByteBuffer memory,
            long position)
            throws IOException {
        ByteBuffer scratch = scratches.poll();
        if (scratch == null) {
            scratch =
                    ByteBuffer.allocateDirect(ElementConversion.CHUNK * Long.BYTES)
                            .order(ByteOrder.nativeOrder());
        }
        try {
            int total = memory.remaining() / to.bytes();
            for (int done = 0; done < total; done += ElementConversion.CHUNK) {
                int count = Math.min(ElementConversion.CHUNK, total - done);
                scratch.clear().limit(count * from.bytes());
                readFully(scratch, position + (long) done * from.bytes());
                scratch.flip();
                memory.position(done * to.bytes());
                conversion.convert(scratch, memory, count);
            }
        } finally {
            scratches.add(scratch);
        }
    }

    private void readFully(ByteBuffer target, long position) throws IOException {
        int end = target.limit();
        long at = position;
        while (target.position() < end) {
            target.limit(Math.min(end, target.position() + READ_BYTES));
            int read = channel.read(target, at);
            if (read < 0) {
                throw new EOFException(
                        file + " ends before byte " + at + "; it was cut since it was opened");
            }
            at += read;
            target.limit(end);
        }
    }
}
