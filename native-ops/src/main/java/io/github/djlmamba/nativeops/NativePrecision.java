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
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.ops.ReducedPrecision;

/** Bfloat16 by libtorch's automatic casting. */
final class NativePrecision implements ReducedPrecision {

    static final NativePrecision INSTANCE = new NativePrecision();

    private NativePrecision() {}

    @Override
    public boolean isBfloat16(NDArray array) {
        NativeLibrary.require();
        return NativeBindings.isBfloat16(NativeOps.handle("precision", "the array", array));
    }

    @Override
    public NDArray cast(NDArray array, Precision precision) {
        NativeLibrary.require();
        return NativeOps.array(
                "cast",
                array,
                NativeBindings.cast(
                        NativeOps.handle("cast", "the array", array),
                        precision == Precision.BFLOAT16));
    }

    @Override
    public long enter(Precision precision) {
        NativeLibrary.require();
        return NativeBindings.enterPrecision(precision == Precision.BFLOAT16);
    }

    @Override
    public void leave(long restore) {
        NativeBindings.leavePrecision(restore);
    }
}
