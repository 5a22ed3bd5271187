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
import io.github.djlmamba.ops.Linear;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A linear projection without bias. It cannot be faster than the best implementation of the same
 * products of matrices: one forward; backward one for the gradient of the input and one for that of
 * the weight.
 *
 * @param rows M
 * @param inputSize I
 * @param outputSize O
 */
record LinearOp(long rows, long inputSize, long outputSize) implements BenchmarkedOp {

    private static final String OUTPUT = "gemm output";

    @Override
    public String name() {
        return "linear";
    }

    @Override
    public String shape() {
        return "M" + rows + " I" + inputSize + " O" + outputSize;
    }

    @Override
    public BenchmarkedOp reduced() {
        return new LinearOp(Math.min(rows, 50), inputSize, outputSize);
    }

    @Override
    public NDList newInputs(NDManager manager, DataType type) {
        return new NDList(
                manager.randomUniform(-1, 1, new Shape(rows, inputSize), type),
                manager.randomUniform(-1, 1, new Shape(outputSize, inputSize), type));
    }

    private static Linear linear(NDList inputs) {
        return Linear.of(inputs.get(0), inputs.get(1));
    }

    @Override
    public boolean isActivation(int index) {
        return index == 0;
    }

    @Override
    public Shape outputShape() {
        return new Shape(rows, outputSize);
    }

    @Override
    public NDList run(NDList inputs) {
        return new NDList(linear(inputs).run());
    }

    @Override
    public long[] timeNative(NDList inputs, NDArray outputGradient, int repetitions) {
        return NativeBenchmarks.linear(linear(inputs), outputGradient, repetitions);
    }

    @Override
    public List<MachineLoad> loads(NDList inputs, NDArray outputGradient) {
        NDArray x = inputs.get(0);
        NDArray weight = inputs.get(1);
        List<MachineLoad> loads = new ArrayList<>(MachineLoad.products(OUTPUT, x, weight));
        loads.addAll(
                MachineLoad.products("gemm input gradient", outputGradient, weight.transpose()));
        loads.addAll(
                MachineLoad.products(
                        "gemm weight gradient", outputGradient.transpose(), x.transpose()));
        return loads;
    }

    /** Takes the fastest implementation of each product. */
    @Override
    public double boundMs(boolean backward, int threads, Map<MachineLoad, Times> rates) {
        Map<String, Double> fastest = new LinkedHashMap<>();
        rates.forEach(
                (load, times) -> fastest.merge(load.name(), times.undisturbedMs(), Math::min));
        double sum = fastest.values().stream().mapToDouble(Double::doubleValue).sum();
        return backward ? sum - fastest.get(OUTPUT) : fastest.get(OUTPUT);
    }

    @Override
    public double work(boolean backward) {
        return (backward ? 4.0 : 2.0) * rows * inputSize * outputSize / 1e9;
    }
}
