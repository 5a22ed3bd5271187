/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.safetensors;

import ai.djl.MalformedModelException;
import ai.djl.ndarray.NDArray;
import java.io.EOFException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.Map;
import java.util.stream.Collectors;
import org.apiguardian.api.API;

/**
 * A safetensors file. Opening it checks all of its header: what does not fit, to the last byte, is
 * an error that says so, and no tensor is read from such a file. Reading goes straight into the
 * memory of arrays, in bounded chunks, and needs next to no memory beside them.
 *
 * <p>A file is not mapped into memory: maps end at 2 GiB, and arrays that alias one bring the
 * process down when they are written, or when the file is cut.
 *
 * <p>Thread safe. Interrupting a thread that reads closes the file.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class SafetensorsFile implements TensorSource {

    private static final int NAMES_IN_MESSAGE = 10;

    private final Path file;
    private final FileChannel channel;
    private final SafetensorsHeader header;
    private final TensorReader reader;

    private SafetensorsFile(
            Path file, FileChannel channel, SafetensorsHeader header, long dataStart) {
        this.file = file;
        this.channel = channel;
        this.header = header;
        this.reader = new TensorReader(file, channel, dataStart);
    }

    /**
     * Opens a file and checks its header.
     *
     * @param file the file
     * @return the open file
     * @throws IOException if it cannot be read
     * @throws MalformedModelException if it is no valid safetensors file, or holds a type of
     *     numbers that {@link TensorType} does not
     */
    public static SafetensorsFile open(Path file) throws IOException, MalformedModelException {
        if (!Files.exists(file)) {
            throw new FileNotFoundException("there is no file " + file);
        }
        // Opening a pipe would wait for somebody to write to it.
        if (!Files.isRegularFile(file)) {
            throw new IOException(file + " is no regular file; expected a safetensors file");
        }
        FileChannel channel = FileChannel.open(file, StandardOpenOption.READ);
        try {
            long bytes = channel.size();
            ByteBuffer json = readHeader(file, channel, bytes);
            long dataStart = SafetensorsHeader.LENGTH_BYTES + json.remaining();
            SafetensorsHeader header =
                    SafetensorsHeader.parse(file.toString(), json, bytes - dataStart);
            return new SafetensorsFile(file, channel, header, dataStart);
        } catch (IOException | MalformedModelException | RuntimeException | Error e) {
            channel.close();
            throw e;
        }
    }

    private static ByteBuffer readHeader(Path file, FileChannel channel, long bytes)
            throws IOException, MalformedModelException {
        if (bytes < SafetensorsHeader.LENGTH_BYTES) {
            throw new MalformedModelException(
                    file
                            + " has "
                            + bytes
                            + " bytes; a safetensors file has at least "
                            + SafetensorsHeader.LENGTH_BYTES);
        }
        ByteBuffer prefix = ByteBuffer.allocate(SafetensorsHeader.LENGTH_BYTES);
        fill(file, channel, prefix, 0);
        long length = prefix.order(ByteOrder.LITTLE_ENDIAN).getLong(0);
        long room = bytes - SafetensorsHeader.LENGTH_BYTES;
        if (length < 0 || length > Math.min(room, SafetensorsHeader.MAX_BYTES)) {
            throw new MalformedModelException(
                    file
                            + " is no safetensors file, or is cut: it announces a header of "
                            + Long.toUnsignedString(length)
                            + " bytes, where the file has "
                            + room
                            + " and the format allows "
                            + SafetensorsHeader.MAX_BYTES);
        }
        ByteBuffer json = ByteBuffer.allocate((int) length);
        fill(file, channel, json, SafetensorsHeader.LENGTH_BYTES);
        return json.flip();
    }

    private static void fill(Path file, FileChannel channel, ByteBuffer target, long position)
            throws IOException {
        while (target.hasRemaining()) {
            if (channel.read(target, position + target.position()) < 0) {
                throw new EOFException(file + " was cut while it was read");
            }
        }
    }

    /** {@inheritDoc} */
    @Override
    public Map<String, TensorEntry> entries() {
        return Collections.unmodifiableMap(header.entries());
    }

    /** {@inheritDoc} */
    @Override
    public Map<String, String> metadata() {
        return Collections.unmodifiableMap(header.metadata());
    }

    /** {@inheritDoc} */
    @Override
    public TensorEntry entry(String name) {
        return require(header.entries(), name, file);
    }

    /** {@inheritDoc} */
    @Override
    public void readInto(String name, NDArray target) throws IOException {
        reader.readInto(entry(name), target);
    }

    /** {@inheritDoc} */
    @Override
    public void close() throws IOException {
        channel.close();
    }

    /** Returns the file. */
    @Override
    public String toString() {
        return file.toString();
    }

    /** Returns an entry, or names some that there are. */
    static TensorEntry require(Map<String, TensorEntry> entries, String name, Path where) {
        TensorEntry entry = entries.get(name);
        if (entry == null) {
            throw new IllegalArgumentException(
                    where
                            + " holds no tensor \""
                            + name
                            + "\"; it holds "
                            + entries.keySet().stream()
                                    .limit(NAMES_IN_MESSAGE)
                                    .map(StrictJson::shown)
                                    .collect(Collectors.joining(", "))
                            + (entries.size() > NAMES_IN_MESSAGE
                                    ? " and " + (entries.size() - NAMES_IN_MESSAGE) + " more"
                                    : ""));
        }
        return entry;
    }
}
