/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.nativeops;

import ai.djl.ndarray.NDArray;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import io.github.djlmamba.ops.CausalConv1d;
import io.github.djlmamba.ops.Linear;
import io.github.djlmamba.ops.SelectiveScan;
import java.util.List;
import org.apiguardian.api.API;

/**
 * Timings made in C++: of the rates that bound the ops on this machine, and of the ops themselves,
 * to compare with those of the Java calls.
 *
 * <p>Each method runs what it times once before, then repeatedly, on the engine's number of
 * threads, and returns the nanoseconds of each repetition. Thread safe, but timings at the same
 * time disturb each other.
 */
@API(status = API.Status.INTERNAL)
public final class NativeBenchmarks {

    /** The exponentials of one round on one thread. */
    public static final int EXPONENTIALS_PER_ROUND = 4096;

    /**
     * The implementations of a product of matrices that libtorch has: what at::mm calls, oneDNN,
     * and oneDNN's micro-kernel over blocks packed before.
     */
    public static final List<String> PRODUCT_IMPLEMENTATIONS = List.of("aten", "onednn", "brgemm");

    private NativeBenchmarks() {}

    /**
     * Times the vector exponential of the kernels on every thread, in its first-level cache.
     *
     * @param rounds how often each thread computes {@value #EXPONENTIALS_PER_ROUND} exponentials
     * @param repetitions the number of timings
     * @return the nanoseconds of each
     * @throws IllegalStateException if the native ops do not work here
     */
    public static long[] exp2(long rounds, int repetitions) {
        NativeLibrary.require();
        return timeExp2(rounds, repetitions);
    }

    /**
     * Times a copy of an array by all threads together.
     *
     * @param bytes the size of the array
     * @param repetitions the number of timings
     * @return the nanoseconds of each
     * @throws IllegalStateException if the native ops do not work here
     */
    public static long[] copy(long bytes, int repetitions) {
        NativeLibrary.require();
        return timeCopy(bytes, repetitions);
    }

    /**
     * Times a sum over an array by all threads together, which does nothing but read it.
     *
     * @param bytes the size of the array
     * @param repetitions the number of timings
     * @return the nanoseconds of each
     * @throws IllegalStateException if the native ops do not work here
     */
    public static long[] read(long bytes, int repetitions) {
        NativeLibrary.require();
        return timeRead(bytes, repetitions);
    }

    /**
     * Computes a product of float32 matrices, which is not recorded for a gradient.
     *
     * @param implementation one of {@link #PRODUCT_IMPLEMENTATIONS}
     * @param a the first factor, (M, K), of any strides
     * @param b the transpose of the second factor, (N, K), of any strides
     * @return the product, (M, N), in a's manager; null if libtorch lacks the implementation
     * @throws IllegalStateException if the native ops do not work here
     */
    public static NDArray product(String implementation, NDArray a, NDArray b) {
        NativeLibrary.require();
        long result =
                multiply(
                        implementation,
                        NativeOps.handle("product", "a", a),
                        NativeOps.handle("product", "b", b));
        return result == 0 ? null : new PtNDArray((PtNDManager) a.getManager(), result);
    }

    /**
     * Times {@link #product}; that of the micro-kernel without the packing of the blocks.
     *
     * @param implementation one of {@link #PRODUCT_IMPLEMENTATIONS}
     * @param a the first factor
     * @param b the transpose of the second factor
     * @param repetitions the number of timings
     * @return the nanoseconds of each; empty if libtorch lacks the implementation
     * @throws IllegalStateException if the native ops do not work here
     */
    public static long[] product(String implementation, NDArray a, NDArray b, int repetitions) {
        NativeLibrary.require();
        return timeProduct(
                implementation,
                NativeOps.handle("product", "a", a),
                NativeOps.handle("product", "b", b),
                repetitions);
    }

    /**
     * Times a selective scan called from C++.
     *
     * @param scan the inputs
     * @param outputGradient the gradient of the output, to time the backward pass alone, towards
     *     every input; null to time the forward pass without recording
     * @param repetitions the number of timings
     * @return the nanoseconds of each
     * @throws IllegalStateException if the native ops do not work here
     */
    public static long[] selectiveScan(
            SelectiveScan scan, NDArray outputGradient, int repetitions) {
        return time(
                "selective_scan",
                new NDArray[] {
                    scan.u(),
                    scan.delta(),
                    scan.a(),
                    scan.b(),
                    scan.c(),
                    scan.skip(),
                    scan.gate(),
                    scan.deltaBias(),
                    scan.initialState()
                },
                scan.deltaSoftplus(),
                outputGradient,
                repetitions);
    }

    /**
     * Times a causal convolution called from C++.
     *
     * @param convolution the inputs
     * @param outputGradient as in {@link #selectiveScan}
     * @param repetitions the number of timings
     * @return the nanoseconds of each
     * @throws IllegalStateException if the native ops do not work here
     */
    public static long[] causalConv1d(
            CausalConv1d convolution, NDArray outputGradient, int repetitions) {
        return time(
                "causal_conv1d",
                new NDArray[] {
                    convolution.x(),
                    convolution.weight(),
                    convolution.bias(),
                    convolution.initialState()
                },
                convolution.silu(),
                outputGradient,
                repetitions);
    }

    /**
     * Times a linear projection called from C++.
     *
     * @param linear the inputs
     * @param outputGradient as in {@link #selectiveScan}
     * @param repetitions the number of timings
     * @return the nanoseconds of each
     * @throws IllegalStateException if the native ops do not work here
     */
    public static long[] linear(Linear linear, NDArray outputGradient, int repetitions) {
        return time(
                "linear",
                new NDArray[] {linear.input(), linear.weight(), linear.bias()},
                false,
                outputGradient,
                repetitions);
    }

    private static long[] time(
            String op, NDArray[] inputs, boolean flag, NDArray outputGradient, int repetitions) {
        NativeLibrary.require();
        long[] handles = new long[inputs.length];
        for (int i = 0; i < inputs.length; i++) {
            handles[i] = NativeOps.optionalHandle(op, "input " + i, inputs[i]);
        }
        return timeOp(
                op,
                handles,
                flag,
                NativeOps.optionalHandle(op, "the output gradient", outputGradient),
                repetitions);
    }

    private static native long[] timeExp2(long rounds, int repetitions);

    private static native long[] timeCopy(long bytes, int repetitions);

    private static native long[] timeRead(long bytes, int repetitions);

    private static native long multiply(String implementation, long a, long b);

    private static native long[] timeProduct(
            String implementation, long a, long b, int repetitions);

    private static native long[] timeOp(
            String op, long[] inputs, boolean flag, long outputGradient, int repetitions);
}
