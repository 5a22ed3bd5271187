/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import ai.djl.pytorch.jni.JniUtils;
import java.util.function.Supplier;
import org.apiguardian.api.API;

/**
 * Whether operations on the calling thread are recorded for a gradient.
 *
 * <p>The mode belongs to the thread, and a new thread records; so whatever serves predictions turns
 * it off around what it computes: {@code GradientMode.off(() -> block.forward(...))}. Thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class GradientMode {

    private GradientMode() {}

    /**
     * Computes something without recording it, and restores the mode.
     *
     * @param <T> what is computed
     * @param computation the computation
     * @return its result
     */
    public static <T> T off(Supplier<T> computation) {
        return with(false, computation);
    }

    /**
     * Computes something while recording it, and restores the mode.
     *
     * @param <T> what is computed
     * @param computation the computation
     * @return its result
     */
    public static <T> T on(Supplier<T> computation) {
        return with(true, computation);
    }

    /** Returns whether the calling thread records. */
    static boolean isOn() {
        return JniUtils.isGradMode();
    }

    private static <T> T with(boolean mode, Supplier<T> computation) {
        boolean before = isOn();
        if (before == mode) {
            return computation.get();
        }
        JniUtils.setGradMode(mode);
        try {
            return computation.get();
        } finally {
            JniUtils.setGradMode(before);
        }
    }
}
