/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import java.util.Locale;
import java.util.function.Supplier;
import org.apiguardian.api.API;

/**
 * The precision of activations: what linear projections multiply, and what the ops read and write.
 *
 * <p>It belongs to a stretch of a thread, {@code Precision.BFLOAT16.within(() -> ...)}, not to a
 * model: parameters stay float32, and so do states and sums. DJL has no name for bfloat16 arrays:
 * their data type reads as unknown, and only the ops and {@link #cast} make them. Give them to ops,
 * to {@link #cast} and to plain arithmetic alone: a DJL operation that passes the data type on,
 * such as {@code softmax}, ends the JVM. Thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public enum Precision {
    /** 32 bits, as everything has unless asked otherwise. */
    FLOAT32,
    /** The upper 16 bits of float32: its range, with 8 bits of significand. */
    BFLOAT16;

    private static final ThreadLocal<Precision> ACTIVE = ThreadLocal.withInitial(() -> FLOAT32);

    /**
     * Returns the precision of what the calling thread computes now.
     *
     * @return that of the innermost {@link #within}; float32 outside of all
     */
    public static Precision active() {
        return ACTIVE.get();
    }

    /**
     * Returns whether an array holds bfloat16 numbers.
     *
     * @param array an array
     * @return true for bfloat16
     */
    public static boolean isBfloat16(NDArray array) {
        // Other types that DJL has no name for read as unknown, too.
        return array.getDataType() == DataType.UNKNOWN
                && OpsProviders.reducedPrecision().isBfloat16(array);
    }

    /**
     * Computes something in this precision, and restores the one before. Backward passes belong
     * outside: gradients have the precision of what they are gradients of.
     *
     * @param <T> what is computed
     * @param computation the computation, on the calling thread
     * @return its result
     * @throws IllegalStateException if no provider of ops offers this precision
     */
    public <T> T within(Supplier<T> computation) {
        Precision before = ACTIVE.get();
        if (this == before) {
            return computation.get();
        }
        ReducedPrecision precision = OpsProviders.reducedPrecision();
        long restore = precision.enter(this);
        ACTIVE.set(this);
        try {
            return computation.get();
        } finally {
            ACTIVE.set(before);
            precision.leave(restore);
        }
    }

    /**
     * Converts a floating array to this precision. Unlike DJL's {@code toType} this is
     * differentiable.
     *
     * @param array an array of float32, float64 or bfloat16 numbers
     * @return a new array in the same manager, or the array itself if it has this precision
     * @throws IllegalStateException if no provider of ops offers bfloat16
     */
    public NDArray cast(NDArray array) {
        boolean already =
                this == FLOAT32
                        ? array.getDataType() == DataType.FLOAT32
                        : Precision.isBfloat16(array);
        return already ? array : OpsProviders.reducedPrecision().cast(array, this);
    }

    /** {@inheritDoc} */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
