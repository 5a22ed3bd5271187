/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.language;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.dataset.Batch;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ByteWindowsTest {

    private static final int BATCH = 3;
    private static final int LENGTH = 16;

    @TempDir private Path folder;

    @Test
    void labelsAreTheNextBytesAndLieInTheTrainingPart() throws IOException {
        ByteText text = text(0.1, 0.2);
        int end = Math.toIntExact(text.parts().validationFrom());
        Set<Integer> offsets = new TreeSet<>();
        ByteWindows windows = windows(text, 200, 0);
        for (long window = 0; window < 20_000; window++) {
            offsets.add(windows.offset(window));
        }
        // All places are reached, the first and the last among them, and none beyond.
        assertEquals(0, offsets.iterator().next());
        assertEquals(end - LENGTH, offsets.size());
        assertTrue(offsets.stream().allMatch(offset -> offset + LENGTH + 1 <= end));
        long[][] first = read(windows).get(0);
        int offset = windows.offset(0);
        for (int i = 0; i < LENGTH; i++) {
            assertEquals(Verses.BYTES[offset + i], first[0][i]);
            assertEquals(Verses.BYTES[offset + i + 1], first[1][i]);
        }
    }

    @Test
    void aRunThatResumesSeesTheSameWindows() throws IOException {
        ByteText text = text(0, 0);
        List<long[][]> whole = read(windows(text, 6, 0));
        List<long[][]> rest = read(windows(text, 2, 4));
        assertEquals(6, whole.size());
        assertArrayEquals(whole.get(4), rest.get(0));
        assertArrayEquals(whole.get(5), rest.get(1));
        assertFalse(Arrays.deepEquals(whole.get(0), whole.get(1)));
        assertNotEquals(
                windows(text, 1, 0).offset(0),
                ByteWindows.builder()
                        .setText(text)
                        .setBatches(1)
                        .optLength(LENGTH)
                        .optSeed(8)
                        .build()
                        .offset(0));
    }

    @Test
    void bytesAbove127AreNotNegative() throws IOException {
        Path file = folder.resolve("text");
        Files.write(file, new byte[] {(byte) 200, (byte) 255, (byte) 128, 0, 1});
        ByteText text = ByteText.read(file, 0, 0);
        for (long[][] arrays :
                read(
                        ByteWindows.builder()
                                .setText(text)
                                .setBatches(20)
                                .optBatchSize(1)
                                .optLength(2)
                                .build())) {
            assertTrue(Arrays.stream(arrays[0]).allMatch(id -> id >= 0 && id < 256));
        }
    }

    @Test
    void partsFollowEachOther() throws IOException {
        ByteText.Parts parts = text(0.1, 0.2).parts();
        int size = Verses.BYTES.length;
        assertEquals(size, parts.size());
        assertEquals(size - (long) Math.ceil(0.2 * size), parts.heldOutFrom());
        assertEquals(parts.heldOutFrom() - (long) Math.ceil(0.1 * size), parts.validationFrom());
        assertEquals(64, parts.sha256().length());
        assertArrayEquals(Verses.BYTES, text(0, 0).bytes());
    }

    @Test
    void whatDoesNotFitIsRefused() throws IOException {
        assertMessage("left to train on", () -> text(0.5, 0.5));
        assertMessage("0 to 1", () -> text(0, 1.5));
        assertMessage("setText", () -> ByteWindows.builder().setBatches(1).build());
        ByteText text = text(0, 0);
        assertMessage("0 batches", () -> ByteWindows.builder().setText(text).build());
        assertMessage(
                "shorter windows",
                () -> ByteWindows.builder().setText(text).setBatches(1).optLength(5000).build());
    }

    private ByteText text(double validation, double heldOut) throws IOException {
        Path file = folder.resolve("text");
        Files.write(file, Verses.BYTES);
        return ByteText.read(file, validation, heldOut);
    }

    private static ByteWindows windows(ByteText text, int batches, long startStep) {
        return ByteWindows.builder()
                .setText(text)
                .setBatches(batches)
                .optBatchSize(BATCH)
                .optLength(LENGTH)
                .optSeed(7)
                .optStartStep(startStep)
                .build();
    }

    private static List<long[][]> read(ByteWindows windows) {
        List<long[][]> batches = new ArrayList<>();
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            for (Batch batch : windows.getData(manager)) {
                Shape shape = batch.getData().singletonOrThrow().getShape();
                assertEquals(shape, batch.getLabels().singletonOrThrow().getShape());
                batches.add(
                        new long[][] {
                            batch.getData().singletonOrThrow().toLongArray(),
                            batch.getLabels().singletonOrThrow().toLongArray()
                        });
                batch.close();
            }
        }
        return batches;
    }

    private interface Action {
        void run() throws IOException;
    }

    private static void assertMessage(String part, Action action) {
        String message = assertThrows(IllegalArgumentException.class, action::run).getMessage();
        assertTrue(message.contains(part), message);
    }
}
