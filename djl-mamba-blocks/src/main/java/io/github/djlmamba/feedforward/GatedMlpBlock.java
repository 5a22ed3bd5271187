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
import ai.djl.training.ParameterStore;
import io.github.djlmamba.ops.Scalars;
import io.github.djlmamba.state.EmptyState;
import io.github.djlmamba.state.MixerInput;
import io.github.djlmamba.state.MixerOutput;
import io.github.djlmamba.state.SequenceMixer;
import java.util.Objects;
import org.apiguardian.api.API;

/**
 * The position-wise feed-forward layer with a gate (Shazeer, 2020, section 2), which is SwiGLU for
 * the function SiLU and GEGLU for GELU:
 *
 * <pre>
 *   [gate; up] = gate_up_proj(x)
 *   y          = o down_proj(act(g gate) up)     (g and o fixed factors, usually 1)
 * </pre>
 *
 * <p>Shapes: x and y (B, L, M); gate and up (B, L, F); gate_up_proj.weight (2 F, M), the gate's
 * rows first; down_proj.weight (M, F). It carries nothing between tokens. Predictions are thread
 * safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class GatedMlpBlock extends SequenceMixer {

    private static final byte VERSION = 1;

    private final long hidden;
    private final MlpActivation activation;
    private final double gateMultiplier;
    private final double outputMultiplier;
    private final Projection inProjection;
    private final Projection outProjection;

    private GatedMlpBlock(Builder builder) {
        super(VERSION, builder.modelSize);
        GatedMlpOptions options = builder.options;
        long size = builder.modelSize;
        hidden = options.hiddenSizeFor(size);
        activation = options.activation();
        gateMultiplier = options.gateMultiplier();
        outputMultiplier = options.outputMultiplier();
        double deviation = options.initialDeviation();
        inProjection =
                addChildBlock(
                        "gate_up_proj",
                        Projection.builder()
                                .setInputs(size)
                                .setOutputs(2 * hidden)
                                .optBias(options.bias())
                                .optInitializer(Projection.weights(deviation, size, 1))
                                .build());
        outProjection =
                addChildBlock(
                        "down_proj",
                        Projection.builder()
                                .setInputs(hidden)
                                .setOutputs(size)
                                .optBias(options.bias())
                                .optInitializer(
                                        Projection.weights(deviation, hidden, builder.outputScale))
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
     * Returns the hidden size.
     *
     * @return F
     */
    public long hiddenSize() {
        return hidden;
    }

    /** {@inheritDoc} */
    @Override
    protected MixerOutput compute(MixerInput input) {
        NDArray x = input.x();
        ParameterStore parameterStore = input.parameterStore();
        boolean training = input.training();
        continued(EmptyState.class, input.before(), x);
        NDList halves =
                inProjection.project(parameterStore, x, training).split(new long[] {hidden}, 2);
        NDArray gate = scaled(halves.get(0), gateMultiplier);
        NDArray product = activation.gated(gate, halves.get(1));
        NDArray output = outProjection.project(parameterStore, product, training);
        output = scaled(output, outputMultiplier);
        return new MixerOutput(output, input.keepState() ? EmptyState.INSTANCE : null);
    }

    private static NDArray scaled(NDArray x, double factor) {
        return factor == 1 ? x : x.mul(Scalars.like(x, factor));
    }

    /** {@inheritDoc} */
    @Override
    protected void initializeChildBlocks(NDManager manager, DataType dataType, Shape... shapes) {
        inProjection.initialize(manager, dataType, shapes[0]);
        outProjection.initialize(manager, dataType, shapes[0].slice(0, 2).add(hidden));
    }

    /** Builds a {@link GatedMlpBlock}. */
    public static final class Builder {

        private long modelSize;
        private GatedMlpOptions options = GatedMlpOptions.DEFAULTS;
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
         * Sets everything but the model size; {@link GatedMlpOptions#DEFAULTS} unless set.
         *
         * @param newOptions the settings
         * @return this builder
         */
        public Builder optOptions(GatedMlpOptions newOptions) {
            options = Objects.requireNonNull(newOptions, "options");
            return this;
        }

        /**
         * Sets the factor on the initial weights of the projection down; 1 unless set.
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
        public GatedMlpBlock build() {
            return new GatedMlpBlock(this);
        }
    }
}
