/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.safetensors;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;

/**
 * Copies models' folders with a fault in one of their files: in the bytes, in the JSON, in a header
 * of safetensors, or in what the file is. What must not be read lies beside the copy, as {@value
 * #OUTSIDE}: faulty names and links lead there.
 */
public final class ModelFolderMutations {

    /** The name of the file beside the folder that nothing may read. */
    public static final String OUTSIDE = "outside.safetensors";

    private static final long[] LENGTHS = {
        0, 1, 7, 8, 1 << 20, Integer.MAX_VALUE, 1L << 32, Long.MAX_VALUE, Long.MIN_VALUE, -1
    };

    private ModelFolderMutations() {}

    /**
     * Copies a folder and puts a fault in.
     *
     * @param source the folder, without folders in it
     * @param target the copy, which is replaced
     * @param random where the choices come from
     * @return what was done, for messages
     */
    public static String mutate(Path source, Path target, SplittableRandom random)
            throws IOException {
        clear(target);
        List<Path> files = list(source);
        for (Path file : files) {
            Files.copy(file, target.resolve(file.getFileName().toString()));
        }
        Path file =
                target.resolve(files.get(random.nextInt(files.size())).getFileName().toString());
        Path other =
                target.resolve(files.get(random.nextInt(files.size())).getFileName().toString());
        String kind = change(file, other, random);
        return kind + " in " + file.getFileName();
    }

    private static String change(Path file, Path other, SplittableRandom random)
            throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        boolean json = file.getFileName().toString().endsWith(".json");
        switch (random.nextInt(16)) {
            case 0:
                Files.write(file, Arrays.copyOf(bytes, random.nextInt(bytes.length)));
                return "cut";
            case 1:
                Files.write(file, Arrays.copyOf(bytes, bytes.length + 1 + random.nextInt(9)));
                return "zeros at the end";
            case 2, 3:
                flipBits(bytes, bytes.length, random);
                Files.write(file, bytes);
                return "bits flipped";
            case 4:
                flipBits(bytes, Math.min(bytes.length, 16), random);
                Files.write(file, bytes);
                return "bits flipped at the start";
            case 5:
                if (!json) {
                    ByteBuffer.wrap(bytes)
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .putLong(length(bytes, random));
                    Files.write(file, bytes);
                    return "other length of the header";
                }
                Files.write(file, new byte[0]);
                return "emptied";
            case 6:
                return replaceFile(file, random);
            case 7:
                byte[] swapped = Files.readAllBytes(other);
                Files.write(other, bytes);
                Files.write(file, swapped);
                return "swapped with " + other.getFileName();
            default:
                if (json) {
                    String text = new String(bytes, StandardCharsets.UTF_8);
                    Files.writeString(file, JsonMutations.mutate(text, random));
                    return "JSON changed";
                }
                Files.write(file, changeHeader(bytes, random));
                return "header changed";
        }
    }

    /** Changes a header's JSON and writes its new length, so that the JSON itself is looked at. */
    private static byte[] changeHeader(byte[] bytes, SplittableRandom random) {
        ByteBuffer file = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int length = Math.toIntExact(file.getLong());
        String json = new String(bytes, Long.BYTES, length, StandardCharsets.UTF_8);
        byte[] changed = JsonMutations.mutate(json, random).getBytes(StandardCharsets.UTF_8);
        int data = bytes.length - Long.BYTES - length;
        return ByteBuffer.allocate(Long.BYTES + changed.length + data)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(changed.length)
                .put(changed)
                .put(bytes, Long.BYTES + length, data)
                .array();
    }

    private static long length(byte[] bytes, SplittableRandom random) {
        long length = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong();
        return random.nextBoolean()
                ? LENGTHS[random.nextInt(LENGTHS.length)]
                : length + random.nextInt(-8, 9);
    }

    private static String replaceFile(Path file, SplittableRandom random) throws IOException {
        Files.delete(file);
        Path name = file.getFileName();
        switch (random.nextInt(7)) {
            case 0:
                return "deleted";
            case 1:
                Files.createDirectory(file);
                return "replaced by a folder";
            case 2:
                Files.createSymbolicLink(file, name);
                return "replaced by a link to itself";
            case 3:
                Path second = file.resolveSibling("second.safetensors");
                Files.createSymbolicLink(file, second.getFileName());
                Files.createSymbolicLink(second, name);
                return "replaced by a circle of links";
            case 4:
                Files.createSymbolicLink(file, Path.of("..", OUTSIDE));
                return "replaced by a link to the parent folder";
            case 5:
                Files.createSymbolicLink(
                        file, file.getParent().resolveSibling(OUTSIDE).toAbsolutePath());
                return "replaced by an absolute link";
            default:
                Files.createSymbolicLink(file, Path.of("/dev/zero"));
                return "replaced by a link to a device";
        }
    }

    private static void flipBits(byte[] bytes, int end, SplittableRandom random) {
        int count = 1 + random.nextInt(4);
        for (int i = 0; i < count && end > 0; i++) {
            bytes[random.nextInt(end)] ^= (byte) (1 << random.nextInt(Byte.SIZE));
        }
    }

    private static void clear(Path folder) throws IOException {
        Files.createDirectories(folder);
        for (Path file : list(folder)) {
            Files.delete(file);
        }
    }

    private static List<Path> list(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.sorted().toList();
        }
    }
}
