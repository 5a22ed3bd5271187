/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.feedforward;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import org.apiguardian.api.API;

/**
 * What is added to a projection that several places share, so that each has a little of its own: a
 * product of two narrow matrices (Hu et al., 2021, section 4.1), without a bias:
 *
 * <pre>
 *   y = up(down(x))
 * </pre>
 *
 * <p>Shapes: x (..., I), y (..., O), down.weight (R, I), up.weight (O, R). Both start uniform in
 * +-1/sqrt(inputs): the adapter learns beside what is shared from the first step. Thread safe as
 * long as no parameter changes.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class LowRankAdapter extends AbstractBlock {

    private static final byte VERSION = 1;

    private final long outputs;
    private final Projection down;
    private final Projection up;

    /**
     * Makes an adapter.
     *
     * @param inputs I
     * @param rank R
     * @param outputs O
     * @throws IllegalArgumentException if a size is not positive
     */
    public LowRankAdapter(long inputs, long rank, long outputs) {
        super(VERSION);
        this.outputs = outputs;
        down = addChildBlock("down", projection(inputs, rank));
        up = addChildBlock("up", projection(rank, outputs));
    }

    private static Projection projection(long inputs, long outputs) {
        return Projection.builder().setInputs(inputs).setOutputs(outputs).optBias(false).build();
    }

    /**
     * Projects an array.
     *
     * @param parameterStore where the parameters' values come from
     * @param x the input, of shape (..., I)
     * @param training whether a gradient may be wanted
     * @return what is to be added, of shape (..., O), in x's manager
     */
    public NDArray project(ParameterStore parameterStore, NDArray x, boolean training) {
        try (NDArray narrow = down.project(parameterStore, x, training)) {
            return up.project(parameterStore, narrow, training);
        }
    }

    /** {@inheritDoc} */
    @Override
    protected NDList forwardInternal(
            ParameterStore parameterStore,
            NDList arrays,
            boolean training,
            PairList<String, Object> params) {
        return new NDList(project(parameterStore, arrays.singletonOrThrow(), training));
    }

    /** {@inheritDoc} */
    @Override
    public Shape[] getOutputShapes(Shape[] shapes) {
        Shape shape = shapes[0];
        return new Shape[] {shape.slice(0, shape.dimension() - 1).add(outputs)};
    }

    /** {@inheritDoc} */
    @Override
    protected void initializeChildBlocks(NDManager manager, DataType dataType, Shape... shapes) {
        down.initialize(manager, dataType, shapes);
        up.initialize(manager, dataType, down.getOutputShapes(shapes));
    }
}
