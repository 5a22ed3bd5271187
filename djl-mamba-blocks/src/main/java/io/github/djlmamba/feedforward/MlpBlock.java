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
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import io.github.djlmamba.state.EmptyState;
import io.github.djlmamba.state.MixerInput;
import io.github.djlmamba.state.MixerOutput;
import io.github.djlmamba.state.SequenceMixer;
import java.util.Objects;
import org.apiguardian.api.API;

/**
 * The position-wise feed-forward layer of a transformer (Vaswani et al., 2017, section 3.3), with a
 * choice of activation f:
 *
 * <pre>
 *   y = f(x W1^T + b1) W2^T + b2
 * </pre>
 *
 * <p>Shapes: x and y (B, L, M); W1 (F, M), b1 (F), W2 (M, F), b2 (M). It carries nothing between
 * tokens. Parameters are those of the children fc1 and fc2. Predictions are thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class MlpBlock extends SequenceMixer {

    private static final byte VERSION = 1;

    private final MlpActivation activation;
    private final long hidden;
    private final Projection first;
    private final Projection second;

    private MlpBlock(Builder builder) {
        super(VERSION, builder.modelSize);
        MlpOptions options = builder.options;
        long size = builder.modelSize;
        activation = options.activation();
        hidden = options.hiddenSizeFor(size);
        first =
                addChildBlock(
                        "fc1",
                        Projection.builder()
                                .setInputs(size)
                                .setOutputs(hidden)
                                .optBias(options.bias())
                                .optInitializer(
                                        Projection.weights(options.initialDeviation(), size, 1))
                                .build());
        second =
                addChildBlock(
                        "fc2",
                        Projection.builder()
                                .setInputs(hidden)
                                .setOutputs(size)
                                .optBias(options.bias())
                                .optInitializer(
                                        Projection.weights(
                                                options.initialDeviation(),
                                                hidden,
                                                builder.outputScale))
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

    /** {@inheritDoc} */
    @Override
    protected MixerOutput compute(MixerInput input) {
        NDArray x = input.x();
        ParameterStore parameterStore = input.parameterStore();
        boolean training = input.training();
        continued(EmptyState.class, input.before(), x);
        NDArray inner = first.project(parameterStore, x, training);
        NDArray active = activation.apply(inner);
        NDArray output = second.project(parameterStore, active, training);
        return new MixerOutput(output, input.keepState() ? EmptyState.INSTANCE : null);
    }

    /** {@inheritDoc} */
    @Override
    protected void initializeChildBlocks(NDManager manager, DataType dataType, Shape... shapes) {
        Shape shape = shapes[0];
        first.initialize(manager, dataType, shape);
        second.initialize(manager, dataType, shape.slice(0, 2).add(hidden));
    }

    /** Builds an {@link MlpBlock}. */
    public static final class Builder {

        private long modelSize;
        private MlpOptions options = MlpOptions.DEFAULTS;
        private double outputScale = 1;

        private Builder() {}

        /**
         * Sets the size of the vectors.
         *
         * @param size M
         * @return this builder
         */
        public Builder setModelSize(long size) {
            modelSize = size;
            return this;
        }

        /**
         * Sets everything but the model size; {@link MlpOptions#DEFAULTS} unless set.
         *
         * @param newOptions the settings
         * @return this builder
         */
        public Builder optOptions(MlpOptions newOptions) {
            options = Objects.requireNonNull(newOptions, "options");
            return this;
        }

        /**
         * Sets the factor on the initial weights of the second projection; 1 unless set.
         *
         * @param scale the factor
         * @return this builder
         */
        public Builder optOutputScale(double scale) {
            outputScale = scale;
            return this;
        }

        /**
         * Builds the block.
         *
         * @return the block
         * @throws IllegalArgumentException if a setting is missing or out of range
         */
        public MlpBlock build() {
            return new MlpBlock(this);
        }
    }
}
