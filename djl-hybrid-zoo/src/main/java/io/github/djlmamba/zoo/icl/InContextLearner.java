/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.icl;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import io.github.djlmamba.feedforward.Projection;
import io.github.djlmamba.hybrid.HybridStack;
import io.github.djlmamba.ops.GradientMode;
import io.github.djlmamba.ops.Precision;
import org.apiguardian.api.API;

/**
 * The model of the in-context-learning study (Garg et al. 2022, section 4; Park et al. 2024,
 * section 3): a prompt's xs and ys, interleaved as tokens x_0, [y_0, 0, ...], x_1, ..., pass one
 * linear read-in, a hybrid stack and a linear read-out, which at the token of x_i predicts y_i.
 *
 * <p>Inputs: xs (B, N, d) and ys (B, N); output: predictions (B, N). The stack is causal, so
 * prediction i depends on nothing but x_0 to x_i and y_0 to y_{i-1}. Predictions are thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class InContextLearner extends AbstractBlock {

    private static final byte VERSION = 1;

    private final InContextSettings settings;
    private final Projection readIn;
    private final HybridStack stack;
    private final Projection readOut;

    /**
     * Makes the block.
     *
     * @param settings the settings
     * @throws IllegalArgumentException if the architecture is unknown or a setting does not fit it
     */
    public InContextLearner(InContextSettings settings) {
        super(VERSION);
        this.settings = settings;
        readIn =
                addChildBlock(
                        "readIn",
                        Projection.builder()
                                .setInputs(settings.dims())
                                .setOutputs(settings.modelSize())
                                .build());
        stack = addChildBlock("stack", new HybridStack(settings.stackOptions()));
        readOut =
                addChildBlock(
                        "readOut",
                        Projection.builder().setInputs(settings.modelSize()).setOutputs(1).build());
    }

    /**
     * Returns what the block is made of.
     *
     * @return the settings
     */
    public InContextSettings getSettings() {
        return settings;
    }

    /** {@inheritDoc} */
    @Override
    protected NDList forwardInternal(
            ParameterStore parameterStore,
            NDList inputs,
            boolean training,
            PairList<String, Object> params) {
        if (inputs.size() != 2) {
            throw new IllegalArgumentException(
                    "an in-context learner takes xs (B, N, d) and ys (B, N), but got "
                            + inputs.size()
                            + " arrays");
        }
        check(inputs.get(0).getShape(), inputs.get(1).getShape());
        if (training) {
            return predict(parameterStore, inputs, true);
        }
        return GradientMode.off(() -> predict(parameterStore, inputs, false));
    }

    private NDList predict(ParameterStore parameterStore, NDList inputs, boolean training) {
        NDArray xs = inputs.get(0);
        Shape shape = xs.getShape();
        long batch = shape.get(0);
        long points = shape.get(1);
        NDArray ys = inputs.get(1).expandDims(2);
        if (shape.get(2) > 1) {
            Shape rest = new Shape(batch, points, shape.get(2) - 1);
            ys = ys.concat(xs.getManager().zeros(rest, ys.getDataType()), 2);
        }
        NDArray tokens =
                NDArrays.stack(new NDList(xs, ys), 2).reshape(batch, 2 * points, shape.get(2));
        // In every precision the residual stream and the predictions are float32.
        NDArray hidden =
                Precision.FLOAT32.within(() -> readIn.project(parameterStore, tokens, training));
        hidden = stack.forward(parameterStore, new NDList(hidden), training).singletonOrThrow();
        // The odd tokens are ys, after which nothing is predicted.
        NDArray atXs =
                hidden.reshape(batch, points, 2L * settings.modelSize())
                        .get(":, :, :{}", settings.modelSize());
        NDArray predictions =
                Precision.FLOAT32.within(() -> readOut.project(parameterStore, atXs, training));
        return new NDList(predictions.squeeze(2));
    }

    /** {@inheritDoc} */
    @Override
    public Shape[] getOutputShapes(Shape[] shapes) {
        return new Shape[] {shapes[1]};
    }

    /** {@inheritDoc} */
    @Override
    protected void prepare(Shape[] shapes) {
        check(shapes[0], shapes[1]);
    }

    /** {@inheritDoc} */
    @Override
    protected void initializeChildBlocks(NDManager manager, DataType dataType, Shape... shapes) {
        long batch = shapes[0].get(0);
        long tokens = 2 * shapes[0].get(1);
        readIn.initialize(manager, dataType, new Shape(batch, tokens, settings.dims()));
        Shape hidden = new Shape(batch, tokens, settings.modelSize());
        stack.initialize(manager, dataType, hidden);
        readOut.initialize(manager, dataType, hidden);
    }

    private void check(Shape xs, Shape ys) {
        if (xs.dimension() != 3 || ys.dimension() != 2 || !xs.slice(0, 2).equals(ys)) {
            throw new IllegalArgumentException(
                    "an in-context learner takes xs (B, N, d) and ys (B, N), but got "
                            + xs
                            + " and "
                            + ys);
        }
        settings.checkPrompt(xs.get(2), xs.get(1));
    }
}
