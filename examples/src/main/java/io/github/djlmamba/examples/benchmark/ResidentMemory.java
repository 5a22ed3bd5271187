/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.benchmark;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/**
 * The largest resident memory of the process during something, beyond what it was before, where the
 * system tells it (Linux). Not thread safe.
 */
final class ResidentMemory {

    private static final Path STATUS = Path.of("/proc/self/status");
    private static final Path RESET = Path.of("/proc/self/clear_refs");

    private long before;
    private long peak = -1;

    /** Begins, from the memory that is resident now. */
    void begin() {
        System.gc();
        try {
            // Makes the peak that the system keeps the present one.
            Files.writeString(RESET, "5");
            before = bytes("VmRSS:");
        } catch (IOException e) {
            before = -1;
        }
    }

    /** Ends; the largest of several is kept. */
    void end() {
        try {
            if (before >= 0) {
                peak = Math.max(peak, bytes("VmHWM:") - before);
            }
        } catch (IOException e) {
            before = -1;
        }
    }

    /** The peak as a multiple of a size, for people; nothing where it is not known. */
    String peakOf(long size) {
        return peak < 0
                ? ""
                : String.format(Locale.ROOT, ", at most x%.2f more resident", (double) peak / size);
    }

    private static long bytes(String key) throws IOException {
        List<String> lines = Files.readAllLines(STATUS);
        for (String line : lines) {
            if (line.startsWith(key)) {
                return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
            }
        }
        throw new IOException("there is no " + key + " in " + STATUS);
    }
}
