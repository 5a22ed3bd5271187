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
import io.github.djlmamba.ops.SelectiveScan;
import java.util.List;
import java.util.Map;

/**
 * The selective scan with softplus, delta bias, skip and gate. It cannot be faster than the
 * exponentials that it takes: one for each entry of (B, L, D, N), in the backward pass as well,
 * which computes the decays again.
 *
 * @param batch B
 * @param length L
 * @param channels D
 * @param states N
 */
record ScanOp(long batch, long length, long channels, long states) implements BenchmarkedOp {

    @Override
    public String name() {
        return "selective_scan";
    }

    @Override
    public String shape() {
        return "B" + batch + " L" + length + " D" + channels + " N" + states;
    }

    @Override
    public BenchmarkedOp reduced() {
        return new ScanOp(Math.min(batch, 2), Math.min(length, 50), channels, states);
    }

    @Override
    public NDList newInputs(NDManager manager, DataType type) {
        Shape sequence = new Shape(batch, length, channels);
        Shape projection = new Shape(batch, length, states);
        // As the initialisation of Mamba leaves them: A is -1 to -N, and softplus(delta +
        // deltaBias)
        // is log-uniform from 0.001 to 0.1. The decays' sizes decide how they are computed.
        NDArray a = manager.arange(1f, states + 1f, 1f).toType(type, false).neg();
        NDArray deltaBias = manager.randomUniform(-1, 0, new Shape(channels), type);
        NDArray step =
                manager.randomUniform(
                                (float) Math.log(0.001), (float) Math.log(0.1), sequence, type)
                        .exp();
        return new NDList(
                manager.randomUniform(-1, 1, sequence, type),
                step.exp().sub(1).log().sub(deltaBias),
                a.broadcast(new Shape(channels, states)).add(0),
                manager.randomUniform(-1, 1, projection, type),
                manager.randomUniform(-1, 1, projection, type),
                manager.randomUniform(-1, 1, new Shape(channels), type),
                manager.randomUniform(-2, 2, sequence, type),
                deltaBias);
    }

    private static SelectiveScan scan(NDList inputs) {
        return SelectiveScan.of(
                        inputs.get(0), inputs.get(1), inputs.get(2), inputs.get(3), inputs.get(4))
                .withSkip(inputs.get(5))
                .withGate(inputs.get(6))
                .withDeltaBias(inputs.get(7))
                .withDeltaSoftplus(true);
    }

    @Override
    public boolean isActivation(int index) {
        // A, skip and delta's bias are parameters.
        return index != 2 && index != 5 && index != 7;
    }

    @Override
    public Shape outputShape() {
        return new Shape(batch, length, channels);
    }

    @Override
    public NDList run(NDList inputs) {
        SelectiveScan.Result result = scan(inputs).run();
        return new NDList(result.output(), result.finalState());
    }

    @Override
    public long[] timeNative(NDList inputs, NDArray outputGradient, int repetitions) {
        return NativeBenchmarks.selectiveScan(scan(inputs), outputGradient, repetitions);
    }

    @Override
    public List<MachineLoad> loads(NDList inputs, NDArray outputGradient) {
        return List.of(MachineLoad.exp2());
    }

    @Override
    public double boundMs(boolean backward, int threads, Map<MachineLoad, Times> rates) {
        return work(backward) / MachineLoad.bestPerMs(threads, rates);
    }

    @Override
    public double work(boolean backward) {
        return batch * length * channels * states / 1e9;
    }
}
