/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/** What the compressor xz makes of a text, by the program of that name where it is installed. */
final class XzBaseline {

    private XzBaseline() {}

    /**
     * Returns by how many bits per byte the text compressed by {@code xz -9e} grows with the part
     * from an offset on; null where the program cannot be started.
     */
    static Double bitsPerByte(byte[] text, int from) throws IOException, InterruptedException {
        Long whole = size(text);
        Long before = from == 0 ? Long.valueOf(0) : size(Arrays.copyOf(text, from));
        return whole == null || before == null
                ? null
                : Double.valueOf(8.0 * (whole - before) / (text.length - from));
    }

    private static Long size(byte[] bytes) throws IOException, InterruptedException {
        Path input = Files.createTempFile("text", ".bin");
        Path output = Files.createTempFile("text", ".xz");
        try {
            Files.write(input, bytes);
            Process process = start(input, output);
            if (process == null) {
                return null;
            }
            int code = process.waitFor();
            if (code != 0) {
                throw new IOException("xz ended with code " + code);
            }
            return Files.size(output);
        } finally {
            Files.deleteIfExists(input);
            Files.deleteIfExists(output);
        }
    }

    private static Process start(Path input, Path output) {
        try {
            // One thread: several would compress blocks by themselves, and worse.
            return new ProcessBuilder("xz", "-9e", "--threads=1", "--stdout", input.toString())
                    .redirectOutput(output.toFile())
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
        } catch (IOException e) {
            return null;
        }
    }
}
