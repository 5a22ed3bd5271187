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
import io.github.djlmamba.ops.CausalAttention;
import java.util.List;
import java.util.Map;

/**
 * Causal attention. It cannot be faster than a product of matrices with as many operations: those
 * of the scores and of the weighted values, of which the causal half is counted; backward five
 * products in place of two.
 *
 * @param batch B
 * @param length L
 * @param heads H
 * @param keyHeads K
 * @param headSize P
 */
record AttentionOp(long batch, long length, long heads, long keyHeads, long headSize)
        implements BenchmarkedOp {

    @Override
    public String name() {
        return "causal_attention";
    }

    @Override
    public String shape() {
        return String.format("B%d L%d H%d K%d P%d", batch, length, heads, keyHeads, headSize);
    }

    @Override
    public BenchmarkedOp reduced() {
        return new AttentionOp(1, Math.min(length, 50), heads, keyHeads, headSize);
    }

    @Override
    public NDList newInputs(NDManager manager, DataType type) {
        Shape keys = new Shape(batch, length, keyHeads, headSize);
        return new NDList(
                manager.randomUniform(-1, 1, outputShape(), type),
                manager.randomUniform(-1, 1, keys, type),
                manager.randomUniform(-1, 1, keys, type));
    }

    @Override
    public boolean isActivation(int index) {
        return true;
    }

    @Override
    public Shape outputShape() {
        return new Shape(batch, length, heads, headSize);
    }

    @Override
    public NDList run(NDList inputs) {
        return new NDList(CausalAttention.of(inputs.get(0), inputs.get(1), inputs.get(2)).run());
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
        double product = (double) batch * length * (length + 1) * heads * headSize;
        return (backward ? 5 : 2) * product / 1e9;
    }
}
