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
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import io.github.djlmamba.feedforward.Projection;
import io.github.djlmamba.ops.Scalars;
import io.github.djlmamba.state.MixerOutput;
import io.github.djlmamba.state.MixerState;
import io.github.djlmamba.state.SequenceMixer;
import java.util.Objects;
import org.apiguardian.api.API;

/**
 * Multi-head causal self-attention (Vaswani et al., 2017, section 3.2), with grouped queries if
 * wanted (Ainslie et al., 2023):
 *
 * <pre>
 *   [q; k; v] = qkv_proj(x)                                        (heads of size P = M / H)
 *   w_ts      = softmax over s at most t of q_t . k_s / sqrt(P)
 *   output    = out_proj(sum over s of w_ts v_s, the heads side by side)
 * </pre>
 *
 * <p>Shapes: x and the output (B, L, M); q (B, H, L, P); k and v (B, K, T, P) with T the tokens so
 * far and query head h reading key head h / (H / K); qkv_proj.weight ((H + 2 K) P, M);
 * out_proj.weight (M, M). No positions are added. Predictions are thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class CausalSelfAttentionBlock extends SequenceMixer {

    private static final byte VERSION = 1;

    private final long heads;
    private final long keyValueHeads;
    private final long headSize;
    private final Projection inProjection;
    private final Projection outProjection;

    private CausalSelfAttentionBlock(Builder builder) {
        super(VERSION, builder.modelSize);
        AttentionOptions options = builder.options;
        long size = builder.modelSize;
        heads = options.heads();
        keyValueHeads = options.keyValueHeads() == 0 ? heads : options.keyValueHeads();
        if (size % heads != 0) {
            throw new IllegalArgumentException(
                    "attention: "
                            + heads
                            + " heads do not divide the model size "
                            + size
                            + "; choose a number of heads that does");
        }
        headSize = size / heads;
        inProjection =
                addChildBlock(
                        "qkv_proj",
                        Projection.builder()
                                .setInputs(size)
                                .setOutputs((heads + 2 * keyValueHeads) * headSize)
                                .optBias(options.bias())
                                .optInitializer(
                                        Projection.weights(options.initialDeviation(), size, 1))
                                .build());
        outProjection =
                addChildBlock(
                        "out_proj",
                        Projection.builder()
                                .setInputs(size)
                                .setOutputs(size)
                                .optBias(options.bias())
                                .optInitializer(
                                        Projection.weights(
                                                options.initialDeviation(),
                                                size,
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
    protected MixerOutput compute(
            ParameterStore parameterStore,
            NDArray x,
            MixerState before,
            boolean keepState,
            boolean training) {
        AttentionState past = continued(AttentionState.class, before, x);
        long batch = x.getShape().get(0);
        long length = x.getShape().get(1);
        long pastLength = past == null ? 0 : checkedLength(past, batch);
        NDList parts =
                inProjection
                        .project(parameterStore, x, training)
                        .split(
                                new long[] {heads * headSize, (heads + keyValueHeads) * headSize},
                                2);
        NDArray scale = Scalars.like(x, 1 / Math.sqrt(headSize));
        NDArray query = perHead(parts.get(0).mul(scale), heads);
        NDArray keys = perHead(parts.get(1), keyValueHeads);
        NDArray values = perHead(parts.get(2), keyValueHeads);
        if (past != null) {
            keys = past.keys().concat(keys, 2);
            values = past.values().concat(values, 2);
        } else if (keepState) {
            // Copies, since views would keep the queries in memory for as long as the state lives;
            // by a sum, since duplicate() cuts the gradient.
            keys = keys.add(0);
            values = values.add(0);
        }
        NDArray mixed = attend(query, keys, values, length, pastLength);
        NDArray joined =
                mixed.transpose(0, 2, 1, 3).reshape(new Shape(batch, length, heads * headSize));
        NDArray output = outProjection.project(parameterStore, joined, training);
        return new MixerOutput(output, keepState ? new AttentionState(keys, values) : null);
    }

    /**
     * Gives the weighted values of each query: (B, H, L, P). The queries that share a key head are
     * rows of one matrix product.
     */
    private NDArray attend(
            NDArray query, NDArray keys, NDArray values, long length, long pastLength) {
        long batch = query.getShape().get(0);
        long group = heads / keyValueHeads;
        NDArray rows =
                group == 1
                        ? query
                        : query.reshape(new Shape(batch, keyValueHeads, group * length, headSize));
        NDArray scores = rows.matMul(keys.transpose(0, 1, 3, 2));
        if (length > 1) {
            DataType type = query.getDataType();
            // DJL cannot make bfloat16 arrays, but adds float32 ones to them.
            DataType maskType = type == DataType.UNKNOWN ? DataType.FLOAT32 : type;
            scores.addi(mask(query.getManager(), group, length, pastLength, maskType));
        }
        NDArray weights = scores.softmax(3);
        // The largest arrays of a layer: not both are needed at once.
        scores.close();
        NDArray weighted = weights.matMul(values);
        return group == 1 ? weighted : weighted.reshape(new Shape(batch, heads, length, headSize));
    }

    /** Gives 0 where a query may read a key, else minus infinity: (H / K L, T). */
    private static NDArray mask(
            NDManager manager, long group, long length, long pastLength, DataType dataType) {
        int total = Math.toIntExact(pastLength + length);
        Shape shape = new Shape(length, total);
        NDArray keys = manager.arange(0, total, 1, DataType.INT64);
        NDArray queries =
                manager.arange((int) pastLength, total, 1, DataType.INT64)
                        .reshape(new Shape(length, 1));
        NDArray mask =
                NDArrays.where(
                        keys.gt(queries),
                        manager.full(shape, Float.NEGATIVE_INFINITY, dataType),
                        manager.zeros(shape, dataType));
        return group == 1 ? mask : mask.tile(new long[] {group, 1});
    }

    /** Splits the last axis into heads: (B, L, n P) to (B, n, L, P). */
    private NDArray perHead(NDArray array, long number) {
        Shape shape = array.getShape();
        return array.reshape(new Shape(shape.get(0), shape.get(1), number, headSize))
                .transpose(0, 2, 1, 3);
    }

    private long checkedLength(AttentionState past, long batch) {
        Shape shape = past.keys().getShape();
        long length = shape.dimension() == 4 ? shape.get(2) : -1;
        Shape expected = new Shape(batch, keyValueHeads, length, headSize);
        if (!shape.equals(expected) || !past.values().getShape().equals(expected)) {
            throw new IllegalArgumentException(
                    "attention: the state has keys "
                            + shape
                            + " and values "
                            + past.values().getShape()
                            + "; expected (B, K, T, P) = "
                            + new Shape(batch, keyValueHeads, -1, headSize)
                            + " for both; give the state that this block left");
        }
        return length;
    }

    /** {@inheritDoc} */
    @Override
    protected void initializeChildBlocks(NDManager manager, DataType dataType, Shape... shapes) {
        inProjection.initialize(manager, dataType, shapes[0]);
        outProjection.initialize(manager, dataType, shapes[0]);
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
