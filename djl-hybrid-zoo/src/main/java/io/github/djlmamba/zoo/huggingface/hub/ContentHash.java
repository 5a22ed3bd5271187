/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface.hub;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.regex.Pattern;

/**
 * The hash that names a file's content: the SHA-256 of a large file (git LFS), else the SHA-1 of a
 * git blob, which is that of {@code "blob SIZE\0"} and the content.
 *
 * @param hex the hash, 64 or 40 digits
 */
record ContentHash(String hex) {

    private static final Pattern FORM = Pattern.compile("[0-9a-f]{40}|[0-9a-f]{64}");

    ContentHash {
        if (!isHash(hex)) {
            throw new IllegalArgumentException("not a hash: " + hex);
        }
    }

    static boolean isHash(String text) {
        return FORM.matcher(text).matches();
    }

    /** Begins the digest of a file of a size. */
    MessageDigest newDigest(long size) {
        try {
            if (hex.length() == 64) {
                return MessageDigest.getInstance("SHA-256");
            }
            MessageDigest digest = MessageDigest.getInstance("SHA-1");
            digest.update(("blob " + size + "\0").getBytes(StandardCharsets.US_ASCII));
            return digest;
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-1 and SHA-256", e);
        }
    }
}
