/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.benchmark;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.nn.Parameter;
import ai.djl.util.Pair;
import io.github.djlmamba.nativeops.NativeOps;
import io.github.djlmamba.zoo.huggingface.HuggingFaceCheckpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Times the loading of a checkpoint that was written once, beside the reading of its file to
 * nowhere and into new memory, and tells the memory that it takes at most. All find the file in the
 * system's cache.
 *
 * @param checkpoint the model
 */
record LoadBenchmark(RandomCheckpoint checkpoint) implements Benchmark {

    private static final String READ = "read file";
    private static final String LOAD = "load";

    @Override
    public String title() {
        return checkpoint.name() + ' ' + LOAD;
    }

    /** Compares each parameter that is loaded with the one that was written. */
    @Override
    public void check(NDManager parent) {
        try (NDManager manager = parent.newSubManager()) {
            HuggingFaceCheckpoint written = checkpoint.make(manager);
            Path folder = RandomCheckpoint.write(written);
            try {
                var parameters = RandomCheckpoint.load(folder, manager).getParameters();
                for (Pair<String, Parameter> expected : written.model().getParameters()) {
                    NDArray loaded = parameters.get(expected.getKey()).getArray();
                    if (!loaded.contentEquals(expected.getValue().getArray())) {
                        throw new IllegalStateException(
                                title() + ": " + expected.getKey() + " is not what was written");
                    }
                }
            } finally {
                RandomCheckpoint.delete(folder);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public List<BenchmarkResult> run(NDManager parent, int threads, Efforts efforts) {
        try {
            Path folder;
            try (NDManager manager = parent.newSubManager()) {
                folder = RandomCheckpoint.write(checkpoint.make(manager));
            }
            try {
                return run(parent, folder, threads, efforts);
            } finally {
                RandomCheckpoint.delete(folder);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private List<BenchmarkResult> run(NDManager parent, Path folder, int threads, Efforts efforts)
            throws IOException {
        Path file = folder.resolve("model.safetensors");
        long bytes = Files.size(file);
        ResidentMemory memory = new ResidentMemory();
        Map<String, Times> times =
                new Rounds()
                        .add(READ, new ReadFile(file)::time)
                        .add(LOAD, new Load(parent, folder, memory)::time)
                        .run(efforts.slow());
        String size = String.format(Locale.ROOT, "%.1f MB", bytes / 1e6);
        double gigabytes = bytes / 1e9;
        return List.of(
                BenchmarkResult.of(
                        checkpoint.name() + ' ' + READ,
                        "FileChannel",
                        size,
                        threads,
                        times.get(READ),
                        gigabytes,
                        null),
                BenchmarkResult.of(
                        checkpoint.name() + ' ' + LOAD,
                        NativeOps.NAME,
                        size + memory.peakOf(bytes),
                        threads,
                        times.get(LOAD),
                        gigabytes,
                        times.get(READ).undisturbedMs()));
    }

    /** The reading of a file into a buffer, as fast as the system gives it. */
    private static final class ReadFile extends Stopwatch<ByteBuffer> {

        private static final int CHUNK = 1 << 20;

        private final Path file;

        ReadFile(Path file) {
            this.file = file;
        }

        @Override
        ByteBuffer prepare() {
            return ByteBuffer.allocateDirect(CHUNK);
        }

        @Override
        void call(ByteBuffer buffer) {
            try (FileChannel channel = FileChannel.open(file)) {
                while (channel.read(buffer) >= 0) {
                    buffer.clear();
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    private static final class Load extends Stopwatch<NDManager> {

        private final NDManager parent;
        private final Path folder;
        private final ResidentMemory memory;

        Load(NDManager parent, Path folder, ResidentMemory memory) {
            this.parent = parent;
            this.folder = folder;
            this.memory = memory;
        }

        @Override
        NDManager prepare() {
            memory.begin();
            return parent.newSubManager();
        }

        @Override
        void call(NDManager manager) {
            try {
                RandomCheckpoint.load(folder, manager);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        @Override
        void release(NDManager manager) {
            memory.end();
            manager.close();
        }
    }
}
