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
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import ai.djl.training.initializer.Initializer;
import ai.djl.training.initializer.NormalInitializer;
import ai.djl.training.initializer.UniformInitializer;
import ai.djl.util.PairList;
import io.github.djlmamba.ops.Linear;
import org.apiguardian.api.API;

/**
 * The linear projection y = x W<sup>T</sup> + b over the last axis, computed by the {@link Linear}
 * op.
 *
 * <p>Shapes: x (..., I), weight (O, I), bias (O), y (..., O). With G groups there are as many
 * projections side by side, as one with a block-diagonal weight: x (..., G, I), weight (G, O, I),
 * bias (G, O), y (..., G, O). Unless set otherwise the weight starts uniform in +-1/sqrt(I) (He et
 * al., 2015, with a slope of sqrt(5)) and the bias at 0. Thread safe as long as no parameter
 * changes.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class Projection extends AbstractBlock {

    private static final byte VERSION = 1;

    private final long inputs;
    private final long outputs;
    private final int groups;
    private final Parameter weight;
    private final Parameter bias;

    private Projection(Builder builder) {
        super(VERSION);
        inputs = builder.inputs;
        outputs = builder.outputs;
        if (inputs <= 0 || outputs <= 0) {
            throw new IllegalArgumentException(
                    "projection: from "
                            + inputs
                            + " to "
                            + outputs
                            + " values; set positive sizes with setInputs and setOutputs");
        }
        groups = builder.groups;
        if (groups <= 0) {
            throw new IllegalArgumentException(
                    "projection: the number of groups is " + groups + "; expected 1 or more");
        }
        weight =
                addParameter(
                        Parameter.builder()
                                .setName("weight")
                                .setType(Parameter.Type.WEIGHT)
                                .optShape(grouped(outputs, inputs))
                                .optInitializer(
                                        builder.initializer == null
                                                ? uniformWeights(inputs, 1)
                                                : builder.initializer)
                                .build());
        bias =
                builder.bias
                        ? addParameter(
                                Parameter.builder()
                                        .setName("bias")
                                        .setType(Parameter.Type.BIAS)
                                        .optShape(grouped(outputs))
                                        .build())
                        : null;
    }

    private Shape grouped(long... axes) {
        return groups == 1 ? new Shape(axes) : new Shape(groups).addAll(new Shape(axes));
    }

    /**
     * Returns a builder.
     *
     * @return a new builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Returns the initial weights of a projection that are uniform in +-scale / sqrt(inputs).
     *
     * @param inputs the number of inputs
     * @param scale a factor
     * @return the initialiser
     */
    public static Initializer uniformWeights(long inputs, double scale) {
        return new UniformInitializer((float) (scale / Math.sqrt(inputs)));
    }

    /**
     * Returns the initial weights of a projection by a setting in which 0 stands for {@link
     * #uniformWeights} and anything else is the deviation of a normal distribution.
     *
     * @param deviation the standard deviation, or 0
     * @param inputs the number of inputs
     * @param scale a factor on either
     * @return the initialiser
     */
    public static Initializer weights(double deviation, long inputs, double scale) {
        return deviation == 0
                ? uniformWeights(inputs, scale)
                : new NormalInitializer((float) (deviation * scale));
    }

    /**
     * Returns the weight.
     *
     * @return the parameter, (O, I), or one such for each group
     */
    public Parameter weight() {
        return weight;
    }

    /**
     * Returns the bias.
     *
     * @return the parameter, (O); null if there is none
     */
    public Parameter bias() {
        return bias;
    }

    /**
     * Projects an array.
     *
     * @param parameterStore where the parameters' values come from
     * @param x the input, of shape (..., I)
     * @param training whether a gradient may be wanted
     * @return the projection, of shape (..., O), in x's manager
     */
    public NDArray project(ParameterStore parameterStore, NDArray x, boolean training) {
        NDArray weights = parameterStore.getValue(weight, x.getDevice(), training);
        NDArray biases = parameterStore.getValue(bias, x.getDevice(), training);
        if (groups == 1) {
            return Linear.of(x, weights).withBias(biases).run();
        }
        int axis = x.getShape().dimension() - 2;
        NDList results = new NDList();
        for (int group = 0; group < groups; group++) {
            results.add(
                    Linear.of(x.get("..., {}, :", group), weights.get(group))
                            .withBias(biases == null ? null : biases.get(group))
                            .run());
        }
        return NDArrays.stack(results, axis);
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
    protected void prepare(Shape[] shapes) {
        Shape shape = shapes[0];
        Shape expected = grouped(inputs);
        int first = shape.dimension() - expected.dimension();
        if (first < 0 || !shape.slice(first).equals(expected)) {
            throw new IllegalArgumentException(
                    "projection: the input has shape "
                            + shape
                            + "; expected (..., "
                            + (groups == 1 ? "" : "G, ")
                            + "I) with I = "
                            + inputs
                            + (groups == 1 ? "" : " and G = " + groups));
        }
    }

    /** Builds a {@link Projection}. */
    public static final class Builder {

        private long inputs;
        private long outputs;
        private int groups = 1;
        private boolean bias = true;
        private Initializer initializer;

        private Builder() {}

        /**
         * Sets the number of inputs.
         *
         * @param newInputs I
         * @return this builder
         */
        public Builder setInputs(long newInputs) {
            inputs = newInputs;
            return this;
        }

        /**
         * Sets the number of outputs.
         *
         * @param newOutputs O
         * @return this builder
         */
        public Builder setOutputs(long newOutputs) {
            outputs = newOutputs;
            return this;
        }

        /**
         * Sets the number of projections side by side; 1 unless set.
         *
         * @param newGroups G
         * @return this builder
         */
        public Builder optGroups(int newGroups) {
            groups = newGroups;
            return this;
        }

        /**
         * Sets whether there is a bias; there is unless set.
         *
         * @param newBias true for a bias
         * @return this builder
         */
        public Builder optBias(boolean newBias) {
            bias = newBias;
            return this;
        }

        /**
         * Sets the initial weights.
         *
         * @param newInitializer the initialiser; null for the usual one
         * @return this builder
         */
        public Builder optInitializer(Initializer newInitializer) {
            initializer = newInitializer;
            return this;
        }

        /**
         * Builds the block.
         *
         * @return the block
         * @throws IllegalArgumentException if a size is missing or not positive
         */
        public Projection build() {
            return new Projection(this);
        }
    }
}
