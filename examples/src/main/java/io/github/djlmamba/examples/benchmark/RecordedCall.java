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
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.github.djlmamba.ops.GradientMode;
import io.github.djlmamba.ops.Precision;

/**
 * A forward pass recorded for a gradient, from fresh leaves in place of the inputs, so that the
 * backward pass adds to no earlier gradient. Not thread safe.
 */
final class RecordedCall implements AutoCloseable {

    private final NDManager scope;
    private final NDList leaves = new NDList();
    private final NDArray output;

    /** Runs the forward pass. */
    RecordedCall(BenchmarkedOp op, Precision precision, NDList inputs) {
        scope = inputs.get(0).getManager().newSubManager();
        for (NDArray input : inputs) {
            NDArray leaf = input.stopGradient();
            leaf.attach(scope);
            leaf.setRequiresGradient(true);
            leaves.add(leaf);
        }
        output = GradientMode.on(() -> precision.within(() -> op.run(leaves))).get(0);
    }

    NDArray output() {
        return output;
    }

    /** Runs the backward pass: autograd's call alone. */
    void backward(NDArray outputGradient) {
        JniUtils.backward((PtNDArray) output, (PtNDArray) outputGradient, false, false);
    }

    /** Returns the gradients of the inputs, which this call owns. */
    NDList gradients() {
        NDList gradients = new NDList();
        for (NDArray leaf : leaves) {
            NDArray gradient = leaf.getGradient();
            gradient.attach(scope);
            gradients.add(gradient);
        }
        return gradients;
    }

    @Override
    public void close() {
        scope.close();
    }
}
