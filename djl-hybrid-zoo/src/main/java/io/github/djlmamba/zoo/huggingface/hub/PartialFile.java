/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface.hub;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A file on its way into the cache, under a name of its own beside the blob that it becomes. It is
 * locked while it is written: one that nobody has locked was left by a process that died.
 */
final class PartialFile implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(PartialFile.class);
    private static final String SUFFIX = ".djl.incomplete";

    /** Opening a file that this process has locked, and closing it, would end the lock. */
    private static final Set<Path> OPEN = ConcurrentHashMap.newKeySet();

    private final Path path;
    private final FileChannel channel;

    private PartialFile(Path path, FileChannel channel) {
        this.path = path;
        this.channel = channel;
    }

    /** Creates one for a blob, in whose folder it is. */
    static PartialFile create(Path blob) throws IOException {
        Files.createDirectories(blob.getParent());
        String unique = UUID.randomUUID().toString().substring(0, 8);
        Path path = blob.resolveSibling(blob.getFileName() + "." + unique + SUFFIX);
        OPEN.add(path);
        try {
            FileChannel channel =
                    FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
            try {
                channel.tryLock();
            } catch (IOException e) {
                LOG.debug("no lock on {}", path, e);
            }
            return new PartialFile(path, channel);
        } catch (IOException | RuntimeException e) {
            OPEN.remove(path);
            throw e;
        }
    }

    /** Removes those of a blob that dead processes have left. */
    static void removeAbandoned(Path blob) {
        for (Path path : of(blob)) {
            if (!OPEN.contains(path) && isAbandoned(path)) {
                try {
                    Files.deleteIfExists(path);
                } catch (IOException e) {
                    LOG.warn("cannot remove {}: {}", path, e.toString());
                }
            }
        }
    }

    private static boolean isAbandoned(Path path) {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE);
                FileLock lock = channel.tryLock()) {
            return lock != null;
        } catch (IOException | OverlappingFileLockException e) {
            return false;
        }
    }

    /** Returns the bytes in all those of a blob, whoever writes them. */
    static long bytesOf(Path blob) {
        return of(blob).stream().mapToLong(PartialFile::size).sum();
    }

    private static List<Path> of(Path blob) {
        String prefix = blob.getFileName() + ".";
        try (Stream<Path> files = Files.list(blob.getParent())) {
            return files.filter(
                            file -> {
                                String name = file.getFileName().toString();
                                return name.startsWith(prefix) && name.endsWith(SUFFIX);
                            })
                    .toList();
        } catch (IOException e) {
            return List.of();
        }
    }

    private static long size(Path file) {
        try {
            return Files.size(file);
        } catch (IOException e) {
            return 0;
        }
    }

    Path path() {
        return path;
    }

    /**
     * Appends bytes.
     *
     * @throws FileSystemException if they cannot be written: not the network's fault
     */
    void write(ByteBuffer buffer) throws FileSystemException {
        try {
            while (buffer.hasRemaining()) {
                channel.write(buffer);
            }
        } catch (IOException e) {
            FileSystemException failure =
                    new FileSystemException(path.toString(), null, e.getMessage());
            failure.initCause(e);
            throw failure;
        }
    }

    /** Begins again. */
    void clear() throws IOException {
        channel.truncate(0);
    }

    /** Writes what the system still holds back to the disk, and ends the writing. */
    void complete() throws IOException {
        channel.force(true);
        channel.close();
    }

    /** Removes the file, unless it has been renamed. */
    @Override
    public void close() throws IOException {
        try {
            channel.close();
            Files.deleteIfExists(path);
        } finally {
            OPEN.remove(path);
        }
    }
}
