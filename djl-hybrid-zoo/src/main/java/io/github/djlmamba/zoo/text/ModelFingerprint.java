/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDScope;
import ai.djl.nn.Parameter;
import ai.djl.util.Pair;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.ops.GradientMode;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** Tells whether two models are one: by the names, shapes and some values of their parameters. */
final class ModelFingerprint {

    /** How many values of each parameter count: its first ones. */
    private static final int SAMPLE = 32;

    private ModelFingerprint() {}

    /** Returns a hash of the model, in hexadecimal. */
    static String of(LanguageModel model) {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
        for (Pair<String, Parameter> entry : model.getParameters()) {
            NDArray array = entry.getValue().getArray();
            digest.update(
                    (entry.getKey() + array.getShape() + "\n").getBytes(StandardCharsets.UTF_8));
            for (float value : GradientMode.off(() -> sample(array))) {
                digest.update(ByteBuffer.allocate(Float.BYTES).putFloat(value).array());
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static float[] sample(NDArray array) {
        try (NDScope scope = new NDScope()) {
            scope.suppressNotUsedWarning();
            return Prefill.floats(array.reshape(-1).get(":{}", Math.min(SAMPLE, array.size())));
        }
    }
}
