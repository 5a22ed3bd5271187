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
import io.github.djlmamba.ops.StateSpaceDual;
import java.util.List;
import java.util.Map;

/**
 * The state space dual with softplus, delta bias and skip, as Mamba-2 has it. It cannot be faster
 * than a product of matrices with as many operations. Counted are those that the chunks need that
 * the kernels choose at these sizes: of the scores within a chunk the half that is causal, and no
 * state before the first chunk or after the last.
 *
 * @param batch B
 * @param length L, a multiple of the chunks
 * @param heads H
 * @param headSize P
 * @param states N
 * @param groups G
 */
record StateSpaceDualOp(
        long batch, long length, long heads, long headSize, long states, long groups)
        implements BenchmarkedOp {

    private static final long FORWARD_CHUNK = 32;
    private static final long BACKWARD_CHUNK = 64;

    @Override
    public String name() {
        return "state_space_dual";
    }

    @Override
    public String shape() {
        return String.format(
                "B%d L%d H%d P%d N%d G%d", batch, length, heads, headSize, states, groups);
    }

    @Override
    public BenchmarkedOp reduced() {
        return new StateSpaceDualOp(
                1, Math.min(length, 2 * BACKWARD_CHUNK), groups, headSize, states, groups);
    }

    @Override
    public NDList newInputs(NDManager manager, DataType type) {
        // As the initialisation of Mamba-2 leaves them: A is from -16 to -1, and softplus(delta +
        // deltaBias) is log-uniform from 0.001 to 0.1.
        NDArray deltaBias = manager.randomUniform(-1, 0, new Shape(heads), type);
        NDArray step =
                manager.randomUniform(
                                (float) Math.log(0.001),
                                (float) Math.log(0.1),
                                new Shape(batch, length, heads),
                                type)
                        .exp();
        Shape matrix = new Shape(batch, length, groups, states);
        return new NDList(
                manager.randomUniform(-1, 1, new Shape(batch, length, heads, headSize), type),
                step.exp().sub(1).log().sub(deltaBias),
                manager.randomUniform(-16, -1, new Shape(heads), type),
                manager.randomUniform(-1, 1, matrix, type),
                manager.randomUniform(-1, 1, matrix, type),
                manager.randomUniform(-1, 1, new Shape(heads), type),
                deltaBias);
    }

    @Override
    public boolean isActivation(int index) {
        // A, skip and delta's bias are parameters.
        return index != 2 && index < 5;
    }

    @Override
    public Shape outputShape() {
        return new Shape(batch, length, heads, headSize);
    }

    @Override
    public NDList run(NDList inputs) {
        StateSpaceDual.Result result =
                StateSpaceDual.of(
                                inputs.get(0),
                                inputs.get(1),
                                inputs.get(2),
                                inputs.get(3),
                                inputs.get(4))
                        .withSkip(inputs.get(5))
                        .withDeltaBias(inputs.get(6))
                        .withDeltaSoftplus(true)
                        .run();
        return new NDList(result.output(), result.finalState());
    }

    @Override
    public List<MachineLoad> loads(NDList inputs, NDArray outputGradient) {
        return MachineLoad.products(inputs.get(0).getManager());
    }

    @Override
    public double boundMs(boolean backward, int threads, Map<MachineLoad, Times> rates) {
        return work(backward) / MachineLoad.bestPerMs(threads, rates);
    }

    @Override
    public double work(boolean backward) {
        // Of a sequence shorter than a chunk all of it is within one.
        long chunk = Math.max(1, Math.min(length, backward ? BACKWARD_CHUNK : FORWARD_CHUNK));
        double chunks = (double) length / chunk;
        double perState = 4.0 * chunk * states * headSize * heads * (chunks - 1);
        double causal = (double) length * (chunk + 1);
        double perHead = causal * heads * headSize;
        double perGroup = causal * groups * states;
        double operations =
                backward
                        ? 2.5 * perState + 2 * perHead + 3 * perGroup
                        : perState + perHead + perGroup;
        return batch * operations / 1e9;
    }
}
