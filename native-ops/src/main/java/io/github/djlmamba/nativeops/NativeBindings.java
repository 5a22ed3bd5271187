/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.nativeops;

/**
 * The functions of the library. A handle is that of a {@link ai.djl.pytorch.engine.PtNDArray}; 0
 * stands for an argument that is left out. Handles returned belong to the caller. Usable once
 * {@link NativeLibrary} has loaded the library.
 */
final class NativeBindings {

    private NativeBindings() {}

    /** Returns the version of the libtorch that runs, or an empty text if it does not say. */
    static native String runningLibtorchVersion();

    /** Returns the instruction set of the kernels in use. */
    static native String instructionSet();

    /** Returns how the products of linear's output and gradients are computed. */
    static native String linearChoice();

    /** Takes over such a choice; returns whether it holds now. */
    static native boolean repeatLinearChoice(String choice);

    /** Switches the calling thread to bfloat16 or float32; returns what leavePrecision needs. */
    static native long enterPrecision(boolean bfloat16);

    static native void leavePrecision(long before);

    static native boolean isBfloat16(long array);

    static native long cast(long array, boolean bfloat16);

    static native long linear(long input, long weight, long bias);

    static native long[] selectiveScan(
            long u,
            long delta,
            long a,
            long b,
            long c,
            long skip,
            long gate,
            long deltaBias,
            long initialState,
            boolean deltaSoftplus,
            long[] offsets);

    static native long[] causalConv1d(
            long x, long weight, long bias, long initialState, boolean silu, long[] offsets);

    /**
     * The arguments are x, delta, a, b, c, skip, gate, deltaBias and the initial state. Offsets of
     * packed sequences are row after row, or null.
     */
    static native long[] stateSpaceDual(
            long[] arguments,
            long[] sequenceOffsets,
            boolean deltaSoftplus,
            double deltaMinimum,
            double deltaMaximum,
            int chunkSize);

    /** The arguments are the arrays of a {@code FusedMamba} in their order. */
    static native long[] fusedMamba(
            long[] arguments, double aroundEpsilon, double aroundMultiplier);

    /** The arguments are the arrays of a {@code FusedMamba2} in their order. */
    static native long[] fusedMamba2(
            long[] arguments,
            long heads,
            long groups,
            boolean gateFirst,
            long normGroups,
            double normEpsilon,
            double deltaMinimum,
            double deltaMaximum,
            double aroundEpsilon,
            double aroundMultiplier);

    /** The arguments are those of the state space dual, with the state that is changed last. */
    static native long stateSpaceDualStep(
            long[] arguments,
            long slots,
            boolean deltaSoftplus,
            double deltaMinimum,
            double deltaMaximum);

    static native long selectiveScanStep(
            long state,
            long u,
            long delta,
            long a,
            long b,
            long c,
            long skip,
            long gate,
            long deltaBias,
            long slots,
            boolean deltaSoftplus);

    static native long causalConv1dStep(
            long state, long x, long weight, long bias, long slots, boolean silu);

    /** Returns the output and, with a residual, the sum with it. */
    static native long[] rmsNorm(
            long x,
            long residual,
            long gate,
            long weight,
            long groups,
            boolean gateFirst,
            double epsilon,
            boolean bfloat16Output);

    static native long causalAttention(
            long queries, long keys, long values, double scale, long window);

    static native long rotaryEmbedding(
            long x, long rotated, long position, double base, boolean interleaved);

    static native long sequenceAppend(long past, long more);

    static native long gatedProduct(long gate, long x);

    static native double adamStep(
            long[] parameters,
            long[] firstMoments,
            long[] secondMoments,
            boolean[] decay,
            long step,
            double learningRate,
            double beta1,
            double beta2,
            double epsilon,
            double weightDecay,
            boolean decoupled,
            double maxGradientNorm,
            double gradientScale);
}
