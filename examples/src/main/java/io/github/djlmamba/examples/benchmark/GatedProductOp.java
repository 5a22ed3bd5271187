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
import io.github.djlmamba.ops.GatedProduct;
import java.util.List;
import java.util.Map;

/**
 * The SiLU-gated product, of halves of one projection. It cannot be faster than a copy of the bytes
 * it moves: forward both inputs and the output; backward these, and both gradients.
 *
 * @param rows the vectors
 * @param size M
 */
record GatedProductOp(long rows, long size) implements BenchmarkedOp {

    @Override
    public String name() {
        return "gated_product";
    }

    @Override
    public String shape() {
        return "rows " + rows + " M" + size;
    }

    @Override
    public BenchmarkedOp reduced() {
        return new GatedProductOp(Math.min(rows, 50), size);
    }

    @Override
    public NDList newInputs(NDManager manager, DataType type) {
        Shape shape = new Shape(rows, size);
        return new NDList(
                manager.randomUniform(-2, 2, shape, type),
                manager.randomUniform(-1, 1, shape, type));
    }

    @Override
    public boolean isActivation(int index) {
        return true;
    }

    @Override
    public Shape outputShape() {
        return new Shape(rows, size);
    }

    @Override
    public NDList run(NDList inputs) {
        return new NDList(GatedProduct.of(inputs.get(0), inputs.get(1)).run());
    }

    @Override
    public List<MachineLoad> loads(NDList inputs, NDArray outputGradient) {
        return List.of(MachineLoad.copy(inputs.get(0).size() * Float.BYTES));
    }

    @Override
    public double boundMs(boolean backward, int threads, Map<MachineLoad, Times> rates) {
        return work(backward) / MachineLoad.bestPerMs(threads, rates);
    }

    @Override
    public double work(boolean backward) {
        return (backward ? 5.0 : 3.0) * rows * size * Float.BYTES / 1e9;
    }
}
