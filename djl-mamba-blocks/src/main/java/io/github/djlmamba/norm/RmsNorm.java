/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.norm;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import io.github.djlmamba.ops.RmsNormalization;
import org.apiguardian.api.API;

/**
 * RMS norm over the last axis (Zhang and Sennrich, 2019), by the {@link RmsNormalization} op:
 *
 * <pre>
 *   y = weight x / sqrt(mean(x^2) + epsilon)
 * </pre>
 *
 * <p>Shapes: x and y (..., M); weight (M), initially 1. Thread safe as long as the weight does not
 * change.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class RmsNorm extends AbstractBlock {

    private static final byte VERSION = 1;

    private final float epsilon;
    private final Parameter weight;

    private RmsNorm(Builder builder) {
        super(VERSION);
        if (builder.size <= 0) {
            throw new IllegalArgumentException(
                    "RMS norm: the size is "
                            + builder.size
                            + "; set the size of the last axis with setSize");
        }
        NormOptions.checkEpsilon(builder.epsilon);
        epsilon = builder.epsilon;
        weight =
                addParameter(
                        Parameter.builder()
                                .setName("weight")
                                .setType(Parameter.Type.GAMMA)
                                .optShape(new Shape(builder.size))
                                .build());
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
     * Returns the parameter that scales each channel.
     *
     * @return the weight, (M)
     */
    public Parameter weight() {
        return weight;
    }

    /**
     * Returns what is added to the mean square.
     *
     * @return epsilon
     */
    public float epsilon() {
        return epsilon;
    }

    /** {@inheritDoc} */
    @Override
    protected NDList forwardInternal(
            ParameterStore parameterStore,
            NDList inputs,
            boolean training,
            PairList<String, Object> params) {
        NDArray x = inputs.singletonOrThrow();
        int last = x.getShape().dimension() - 1;
        long size = weight.getShape().get(0);
        if (last < 0 || x.getShape().get(last) != size) {
            throw new IllegalArgumentException(
                    "RMS norm: the input has shape "
                            + x.getShape()
                            + "; expected (..., M) with M = "
                            + size);
        }
        NDArray scale = parameterStore.getValue(weight, x.getDevice(), training);
        return new NDList(
                RmsNormalization.of(x).withWeight(scale).withEpsilon(epsilon).run().output());
    }

    /** {@inheritDoc} */
    @Override
    public Shape[] getOutputShapes(Shape[] shapes) {
        return new Shape[] {shapes[0]};
    }

    /** Builds an {@link RmsNorm}. */
    public static final class Builder {

        private long size;
        private float epsilon = NormOptions.DEFAULT_EPSILON;

        private Builder() {}

        /**
         * Sets the size of the last axis.
         *
         * @param newSize M
         * @return this builder
         */
        public Builder setSize(long newSize) {
            size = newSize;
            return this;
        }

        /**
         * Sets what is added to the mean square; 1e-5 unless set.
         *
         * @param newEpsilon a positive number
         * @return this builder
         */
        public Builder optEpsilon(float newEpsilon) {
            epsilon = newEpsilon;
            return this;
        }

        /**
         * Builds the block.
         *
         * @return the block
         * @throws IllegalArgumentException if a setting is out of range
         */
        public RmsNorm build() {
            return new RmsNorm(this);
        }
    }
}
