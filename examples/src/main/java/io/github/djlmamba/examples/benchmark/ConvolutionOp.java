/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.benchmark;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.github.djlmamba.nativeops.NativeBenchmarks;
import io.github.djlmamba.ops.CausalConv1d;
import java.util.List;
import java.util.Map;

/**
 * The causal convolution with bias and SiLU. It cannot be faster than a copy of the bytes it moves:
 * forward x and the output; backward x, the output's gradient and the input's.
 *
 * @param batch B
 * @param length L
 * @param channels D
 * @param width W
 */
record ConvolutionOp(long batch, long length, long channels, long width) implements BenchmarkedOp {

    @Override
    public String name() {
        return "causal_conv1d";
    }

    @Override
    public String shape() {
        return "B" + batch + " L" + length + " D" + channels + " W" + width;
    }

    @Override
    public BenchmarkedOp reduced() {
        return new ConvolutionOp(Math.min(batch, 2), Math.min(length, 50), channels, width);
    }

    @Override
    public NDList newInputs(NDManager manager, DataType type) {
        return new NDList(
                manager.randomUniform(-1, 1, new Shape(batch, length, channels), type),
                manager.randomUniform(-1, 1, new Shape(channels, width), type),
                manager.randomUniform(-1, 1, new Shape(channels), type));
    }

    private static CausalConv1d convolution(NDList inputs) {
        return CausalConv1d.of(inputs.get(0), inputs.get(1)).withBias(inputs.get(2)).withSilu(true);
    }

    @Override
    public boolean isActivation(int index) {
        return index == 0;
    }

    @Override
    public Shape outputShape() {
        return new Shape(batch, length, channels);
    }

    @Override
    public NDList run(NDList inputs) {
        CausalConv1d.Result result = convolution(inputs).run();
        return new NDList(result.output(), result.finalState());
    }

    @Override
    public long[] timeNative(NDList inputs, NDArray outputGradient, int repetitions) {
        return NativeBenchmarks.causalConv1d(convolution(inputs), outputGradient, repetitions);
    }

    @Override
    public List<MachineLoad> loads(NDList inputs, NDArray outputGradient) {
        return List.of(MachineLoad.copy(bytes()));
    }

    @Override
    public double boundMs(boolean backward, int threads, Map<MachineLoad, Times> rates) {
        double copy = rates.values().iterator().next().undisturbedMs();
        return backward ? 1.5 * copy : copy;
    }

    @Override
    public double work(boolean backward) {
        return (backward ? 3 : 2) * bytes() / 1e9;
    }

    private long bytes() {
        return batch * length * channels * Float.BYTES;
    }
}
