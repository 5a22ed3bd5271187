/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.stream.Collectors;

/** Safetensors files of named arrays. */
final class TensorFiles {

    private TensorFiles() {}

    /** Reads a file, or says that it is none. */
    static NDList read(Path file, NDManager manager) throws IOException {
        try (InputStream in = new BufferedInputStream(Files.newInputStream(file))) {
            return NDList.decode(manager, in);
        } catch (RuntimeException e) {
            throw new IOException(file + " is no safetensors file: " + e.getMessage(), e);
        }
    }

    /** Returns an array of a file, or names those that are there. */
    static NDArray require(NDList arrays, String name, Path file) throws IOException {
        NDArray array = arrays.get(name);
        if (array == null) {
            throw new IOException(
                    file
                            + " holds no array \""
                            + name
                            + "\"; it holds "
                            + arrays.stream()
                                    .map(NDArray::getName)
                                    .collect(Collectors.joining(", ")));
        }
        return array;
    }

    /** Writes a file beside its place, then renames it. */
    static void write(NDList arrays, Path file) throws IOException {
        Path folder = file.toAbsolutePath().getParent();
        Files.createDirectories(folder);
        Path temporary = Files.createTempFile(folder, file.getFileName().toString(), ".part");
        try {
            try (OutputStream out = Files.newOutputStream(temporary)) {
                arrays.encode(out, NDList.Encoding.SAFETENSORS);
            }
            Files.move(temporary, file, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(temporary);
        }
    }
}
