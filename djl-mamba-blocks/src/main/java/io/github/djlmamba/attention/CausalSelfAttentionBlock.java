/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.attention;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import io.github.djlmamba.feedforward.Projection;
import io.github.djlmamba.ops.CausalAttention;
import io.github.djlmamba.state.MixerInput;
import io.github.djlmamba.state.MixerOutput;
import io.github.djlmamba.state.SequenceMixer;
import java.util.Objects;
import org.apiguardian.api.API;

/**
 * Multi-head causal self-attention (Vaswani et al., 2017, section 3.2), by the {@link
 * CausalAttention} op, with grouped queries (Ainslie et al., 2023), a window and rotary positions
 * (Su et al., 2021) if wanted:
 *
 * <pre>
 *   [q; k; v] = qkv_proj(x)                                        (heads of size P)
 *   q, k      = turned by their positions                          (if rotary)
 *   w_ts      = softmax over s of scale q_t . k_s                  (s at most t, after t - window)
 *   output    = out_proj(sum over s of w_ts v_s, the heads side by side)
 * </pre>
 *
 * <p>Shapes: x and the output (B, L, M); q (B, L, H, P); k and v (B, T, K, P) with T the tokens
 * that may be read and query head h reading key head h / (H / K); qkv_proj.weight ((H + 2 K) P, M);
 * out_proj.weight (M, H P). Predictions are thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class CausalSelfAttentionBlock extends SequenceMixer {

    private static final byte VERSION = 1;

    private final AttentionHeads heads;
    private final Projection inProjection;
    private final Projection outProjection;

    private CausalSelfAttentionBlock(Builder builder) {
        super(VERSION, builder.modelSize);
        AttentionOptions options = builder.options;
        long size = builder.modelSize;
        heads = new AttentionHeads(options, size);
        inProjection =
                addChildBlock(
                        "qkv_proj",
                        Projection.builder()
                                .setInputs(size)
                                .setOutputs(heads.projectedSize())
                                .optBias(options.bias())
                                .optInitializer(
                                        Projection.weights(options.initialDeviation(), size, 1))
                                .build());
        outProjection =
                addChildBlock(
                        "out_proj",
                        Projection.builder()
                                .setInputs(heads.mixedSize())
                                .setOutputs(size)
                                .optBias(options.bias())
                                .optInitializer(
                                        Projection.weights(
                                                options.initialDeviation(),
                                                heads.mixedSize(),
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
        AttentionState past = continued(AttentionState.class, input.before(), x);
        NDArray projected = inProjection.project(parameterStore, x, training);
        MixerOutput mixed = heads.mix(projected, input, past);
        return new MixerOutput(
                outProjection.project(parameterStore, mixed.output(), training), mixed.state());
    }

    /** {@inheritDoc} */
    @Override
    protected void initializeChildBlocks(NDManager manager, DataType dataType, Shape... shapes) {
        inProjection.initialize(manager, dataType, shapes[0]);
        outProjection.initialize(manager, dataType, shapes[0].slice(0, 2).add(heads.mixedSize()));
    }

    /** Builds a {@link CausalSelfAttentionBlock}. */
    public static final class Builder {

        private long modelSize;
        private AttentionOptions options = AttentionOptions.DEFAULTS;
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
         * Sets everything but the model size at once; {@link AttentionOptions#DEFAULTS} unless set.
         *
         * @param newOptions the settings
         * @return this builder
         */
        public Builder optOptions(AttentionOptions newOptions) {
            options = Objects.requireNonNull(newOptions, "options");
            return this;
        }

        /**
         * Sets the number of query heads; 8 unless set.
         *
         * @param number H
         * @return this builder
         */
        public Builder optHeads(int number) {
            options = options.withHeads(number);
            return this;
        }

        /**
         * Sets the number of key and value heads; as many as query heads unless set.
         *
         * @param number K
         * @return this builder
         */
        public Builder optKeyValueHeads(int number) {
            options = options.withKeyValueHeads(number);
            return this;
        }

        /**
         * Sets the size of a head; the model size divided by the number of heads unless set.
         *
         * @param size P
         * @return this builder
         */
        public Builder optHeadSize(int size) {
            options = options.withHeadSize(size);
            return this;
        }

        /**
         * Sets the factor of the products of queries and keys; 1/sqrt(P) unless set.
         *
         * @param scale the factor
         * @return this builder
         */
        public Builder optScale(double scale) {
            options = options.withScale(scale);
            return this;
        }

        /**
         * Sets the number of keys that a query reads at most, its own included; all unless set.
         *
         * @param window the number
         * @return this builder
         */
        public Builder optWindow(long window) {
            options = options.withWindow(window);
            return this;
        }

        /**
         * Sets how positions turn queries and keys; there are no positions unless set.
         *
         * @param rotary the settings
         * @return this builder
         */
        public Builder optRotary(RotaryOptions rotary) {
            options = options.withRotary(rotary);
            return this;
        }

        /**
         * Sets whether the projections have a bias; they have one unless set.
         *
         * @param bias true for a bias
         * @return this builder
         */
        public Builder optBias(boolean bias) {
            options = options.withBias(bias);
            return this;
        }

        /**
         * Sets the factor on the initial weights of the output projection; 1 unless set.
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
        public CausalSelfAttentionBlock build() {
            return new CausalSelfAttentionBlock(this);
        }
    }
}
