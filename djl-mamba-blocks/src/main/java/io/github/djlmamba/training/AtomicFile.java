/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.training;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/**
 * Replaces a file as a whole: the new content is written beside it, forced to the disk and renamed
 * over it. A crash at any moment leaves the old file or the new one, and perhaps a partial file
 * beside it, which the next write removes. One process at a time may write a file.
 */
@API(status = API.Status.INTERNAL)
public final class AtomicFile {

    private static final String PARTIAL = ".part";
    private static final int BUFFER_BYTES = 1 << 20;

    private static final Set<PosixFilePermission> READ_AND_WRITE =
            PosixFilePermissions.fromString("rw-rw-rw-");

    private AtomicFile() {}

    /**
     * Writes or replaces a file.
     *
     * @param file the file; its folder is created
     * @param content what writes the content
     * @throws IOException if it cannot be written; an older file is then left as it was
     */
    public static void write(Path file, Content content) throws IOException {
        Path folder = file.toAbsolutePath().getParent();
        Files.createDirectories(folder);
        String prefix = file.getFileName() + ".";
        removePartial(folder, prefix);
        Path partial = Files.createTempFile(folder, prefix, PARTIAL, permissions(folder));
        try {
            try (FileChannel channel = FileChannel.open(partial, StandardOpenOption.WRITE);
                    OutputStream out =
                            new BufferedOutputStream(
                                    Channels.newOutputStream(channel), BUFFER_BYTES)) {
                content.writeTo(out);
                out.flush();
                channel.force(true);
            }
            Files.move(
                    partial,
                    file,
                    StandardCopyOption.ATOMIC_MOVE,
                    StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(partial);
        }
        forceFolder(folder);
    }

    /**
     * Lets those read a file whom the process's mask lets; temporary files are private otherwise.
     */
    private static FileAttribute<?>[] permissions(Path folder) {
        return folder.getFileSystem().supportedFileAttributeViews().contains("posix")
                ? new FileAttribute<?>[] {PosixFilePermissions.asFileAttribute(READ_AND_WRITE)}
                : new FileAttribute<?>[0];
    }

    /** Removes what earlier writes have left that were killed on their way. */
    private static void removePartial(Path folder, String prefix) throws IOException {
        List<Path> partial;
        try (Stream<Path> files = Files.list(folder)) {
            partial =
                    files.filter(
                                    path -> {
                                        String name = path.getFileName().toString();
                                        return name.startsWith(prefix) && name.endsWith(PARTIAL);
                                    })
                            .collect(Collectors.toList());
        }
        for (Path path : partial) {
            Files.deleteIfExists(path);
        }
    }

    /** Makes the renaming outlast a loss of power, where the system lets a folder be opened. */
    private static void forceFolder(Path folder) {
        try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
            channel.force(true);
        } catch (IOException e) {
            // Windows does not; it keeps the order of such changes by itself.
        }
    }

    /** Writes the content of a file. */
    @FunctionalInterface
    public interface Content {

        /**
         * Writes it.
         *
         * @param out where to
         * @throws IOException if it cannot be written
         */
        void writeTo(OutputStream out) throws IOException;
    }
}
