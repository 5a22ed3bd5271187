/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.language;

import io.github.djlmamba.zoo.training.SettingsCheck;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import org.apiguardian.api.API;

/**
 * A text as bytes, cut into three parts that follow each other: what is trained on, what is looked
 * at while a training is chosen (validation), and what is held out until the end. Immutable and
 * thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class ByteText {

    private final byte[] bytes;
    private final Parts parts;

    private ByteText(byte[] bytes, Parts parts) {
        this.bytes = bytes;
        this.parts = parts;
    }

    /**
     * Reads a text and cuts it by shares of its end.
     *
     * @param file the text, in any encoding
     * @param validationShare the share of the bytes that is for validation, 0 or more
     * @param heldOutShare the share of the bytes that is held out, 0 or more
     * @return the text
     * @throws IOException if the file cannot be read, or holds more than 2^31 - 1 bytes
     * @throws IllegalArgumentException if a share is out of range or nothing is left to train on
     */
    public static ByteText read(Path file, double validationShare, double heldOutShare)
            throws IOException {
        SettingsCheck.require(
                validationShare >= 0 && validationShare < 1,
                "the share for validation",
                validationShare,
                "0 or more and less than 1");
        byte[] bytes = bytes(file);
        long heldOutFrom = heldOutFrom(bytes.length, heldOutShare);
        long validationFrom = heldOutFrom - (long) Math.ceil(bytes.length * validationShare);
        if (validationFrom < 2) {
            throw new IllegalArgumentException(
                    file
                            + " has "
                            + bytes.length
                            + " bytes, of which "
                            + Math.max(0, validationFrom)
                            + " are left to train on; give a longer text or smaller shares");
        }
        return new ByteText(
                bytes, new Parts(sha256(bytes), bytes.length, validationFrom, heldOutFrom));
    }

    /**
     * Returns where the part that is held out begins.
     *
     * @param size the number of bytes of the text
     * @param heldOutShare the share of them at the end that is held out, 0 to 1
     * @return the offset of its first byte
     * @throws IllegalArgumentException if the share is out of range
     */
    public static int heldOutFrom(int size, double heldOutShare) {
        SettingsCheck.require(
                heldOutShare >= 0 && heldOutShare <= 1,
                "the share that is held out",
                heldOutShare,
                "0 to 1");
        return size - (int) Math.ceil(size * heldOutShare);
    }

    /**
     * Reads the bytes of a text.
     *
     * @param file the text
     * @return its bytes
     * @throws IOException if the file cannot be read, or holds more than 2^31 - 1 bytes
     */
    static byte[] bytes(Path file) throws IOException {
        long size = Files.size(file);
        if (size > Integer.MAX_VALUE - 8) {
            throw new IOException(
                    file + " has " + size + " bytes; expected at most " + (Integer.MAX_VALUE - 8));
        }
        return Files.readAllBytes(file);
    }

    /**
     * Returns how the text is cut.
     *
     * @return the parts
     */
    public Parts parts() {
        return parts;
    }

    /**
     * Returns the bytes of the whole text.
     *
     * @return a copy
     */
    public byte[] bytes() {
        return bytes.clone();
    }

    /** Returns the bytes themselves, which nobody may change. */
    byte[] shared() {
        return bytes;
    }

    static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
    }

    /**
     * A text by its hash, and where it is cut.
     *
     * @param sha256 the SHA-256 of the whole text, in hexadecimal
     * @param size the number of bytes
     * @param validationFrom the offset of the first byte for validation, where training ends
     * @param heldOutFrom the offset of the first byte that is held out
     */
    public record Parts(String sha256, long size, long validationFrom, long heldOutFrom) {}
}
