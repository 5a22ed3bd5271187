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
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import io.github.djlmamba.feedforward.Projection;
import io.github.djlmamba.ops.CausalAttention;
import io.github.djlmamba.ops.PackedSequences;
import io.github.djlmamba.ops.RotaryEmbedding;
import io.github.djlmamba.ops.SequenceAppend;
import io.github.djlmamba.state.MixerInput;
import io.github.djlmamba.state.MixerOutput;
import io.github.djlmamba.state.SequenceMixer;
import io.github.djlmamba.state.SequencePositions;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
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

    private final long heads;
    private final long keyValueHeads;
    private final long headSize;
    private final double scale;
    private final long window;
    private final RotaryOptions rotary;
    private final Projection inProjection;
    private final Projection outProjection;

    private CausalSelfAttentionBlock(Builder builder) {
        super(VERSION, builder.modelSize);
        AttentionOptions options = builder.options;
        long size = builder.modelSize;
        heads = options.heads();
        keyValueHeads = options.keyValueHeads() == 0 ? heads : options.keyValueHeads();
        if (options.headSize() == 0 && size % heads != 0) {
            throw new IllegalArgumentException(
                    "attention: "
                            + heads
                            + " heads do not divide the model size "
                            + size
                            + "; choose a number of heads that does, or set the head size");
        }
        headSize = options.headSize() == 0 ? size / heads : options.headSize();
        scale = options.scale() == 0 ? 1 / Math.sqrt(headSize) : options.scale();
        window = options.window();
        rotary = options.rotary();
        if (rotary != null) {
            rotary.rotated(headSize);
        }
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
                                .setInputs(heads * headSize)
                                .setOutputs(size)
                                .optBias(options.bias())
                                .optInitializer(
                                        Projection.weights(
                                                options.initialDeviation(),
                                                heads * headSize,
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
        long batch = x.getShape().get(0);
        long length = x.getShape().get(1);
        SequencePositions seen =
                past == null
                        ? SequencePositions.alike(batch, 0)
                        : checkedPositions(past, Math.toIntExact(batch));
        NDArray projected = inProjection.project(parameterStore, x, training);
        if (input.sequences() != null && x.getShape().size() > 0) {
            NDArray mixed = eachByItself(projected, input.sequences());
            return new MixerOutput(outProjection.project(parameterStore, mixed, training), null);
        }
        NDList parts = queriesKeysValues(projected, seen);
        NDArray keys = parts.get(1);
        NDArray values = parts.get(2);
        if (past != null) {
            keys = SequenceAppend.of(past.keys(), keys).run();
            values = SequenceAppend.of(past.values(), values).run();
        }
        NDArray mixed = attended(parts.get(0), keys, values, seen);
        NDArray output = outProjection.project(parameterStore, mixed, training);
        if (!input.keepState()) {
            return new MixerOutput(output, null);
        }
        boolean shared = past == null;
        return new MixerOutput(
                output,
                new AttentionState(kept(keys, shared), kept(values, shared), seen.plus(length)));
    }

    /** Attends from each sequence to itself alone, its positions counted from 0. */
    private NDArray eachByItself(NDArray projected, PackedSequences sequences) {
        SequencePositions start = SequencePositions.of(0);
        NDList rows = new NDList();
        for (int row = 0; row < sequences.batch(); row++) {
            NDList mixed = new NDList();
            for (int s = 0; s < sequences.sequences(); s++) {
                long begin = sequences.begin(row, s);
                long end = sequences.end(row, s);
                if (end > begin) {
                    NDIndex one = new NDIndex("{}:{}, {}:{}", row, row + 1, begin, end);
                    NDList parts = queriesKeysValues(projected.get(one), start);
                    mixed.add(attended(parts.get(0), parts.get(1), parts.get(2), start));
                }
            }
            rows.add(joined(mixed, 1));
        }
        return joined(rows, 0);
    }

    private static NDArray joined(NDList arrays, int axis) {
        return arrays.size() == 1 ? arrays.head() : NDArrays.concat(arrays, axis);
    }

    /** Splits what is projected into heads, (B, L, H or K, P), and turns queries and keys. */
    private NDList queriesKeysValues(NDArray projected, SequencePositions seen) {
        Shape shape = projected.getShape();
        NDArray all =
                projected.reshape(shape.get(0), shape.get(1), heads + 2 * keyValueHeads, headSize);
        if (rotary == null) {
            return all.split(new long[] {heads, heads + keyValueHeads}, 2);
        }
        NDList parts = all.split(new long[] {heads + keyValueHeads}, 2);
        NDArray turned =
                byRun(
                        seen,
                        run ->
                                RotaryEmbedding.of(rows(parts.get(0), run, 0))
                                        .withRotated(rotary.rotated(headSize))
                                        .withBase(rotary.base())
                                        .withInterleaved(rotary.interleaved())
                                        .withPosition(run.position())
                                        .run());
        NDList result = turned.split(new long[] {heads}, 2);
        result.add(parts.get(1));
        return result;
    }

    /** Attends over the keys that each sequence has, those at the end, and joins the heads. */
    private NDArray attended(
            NDArray queries, NDArray keys, NDArray values, SequencePositions seen) {
        Shape shape = queries.getShape();
        long before = keys.getShape().get(1) - shape.get(1);
        return byRun(
                        seen,
                        run -> {
                            long hidden = Math.max(0, before - run.position());
                            return CausalAttention.of(
                                            rows(queries, run, 0),
                                            rows(keys, run, hidden),
                                            rows(values, run, hidden))
                                    .withScale(scale)
                                    .withWindow(window)
                                    .run();
                        })
                .reshape(shape.get(0), shape.get(1), heads * headSize);
    }

    /** Computes something for each group of sequences with one position, and joins the results. */
    private static NDArray byRun(
            SequencePositions seen, Function<SequencePositions.Run, NDArray> function) {
        List<SequencePositions.Run> runs = seen.runs();
        if (runs.isEmpty()) {
            return function.apply(new SequencePositions.Run(0, 0, 0));
        }
        NDList results = new NDList();
        for (SequencePositions.Run run : runs) {
            results.add(function.apply(run));
        }
        return joined(results, 0);
    }

    /** The rows of a group, without the first tokens; the array itself where that is all of it. */
    private static NDArray rows(NDArray array, SequencePositions.Run run, long skipped) {
        return run.to() - run.from() == array.getShape().get(0) && skipped == 0
                ? array
                : array.get("{}:{}, {}:", run.from(), run.to(), skipped);
    }

    /** What later queries may read, of keys or values that share memory with others or do not. */
    private NDArray kept(NDArray array, boolean shared) {
        long total = array.getShape().get(1);
        long read = window == 0 ? total : Math.min(total, window - 1);
        NDArray last = read == total ? array : array.get(":, {}:", total - read);
        // Copies, since views would keep the queries in memory for as long as the state lives;
        // by a sum, since duplicate() cuts the gradient.
        return shared ? last.add(0) : last;
    }

    /** Gives the numbers of tokens before, after checking that the state is of such a block. */
    private SequencePositions checkedPositions(AttentionState past, int batch) {
        Shape shape = past.keys().getShape();
        long length = shape.dimension() == 4 ? shape.get(1) : -1;
        Shape expected = new Shape(batch, length, keyValueHeads, headSize);
        if (!shape.equals(expected) || !past.values().getShape().equals(expected)) {
            throw new IllegalArgumentException(
                    "attention: the state has keys "
                            + shape
                            + " and values "
                            + past.values().getShape()
                            + "; expected (B, T, K, P) = "
                            + new Shape(batch, -1, keyValueHeads, headSize)
                            + " for both; give the state that this block left");
        }
        SequencePositions seen = past.positions();
        if (seen == null || seen.size() != batch) {
            throw new IllegalArgumentException(
                    "attention: the state has positions "
                            + seen
                            + " for a batch of "
                            + batch
                            + "; expected one for each sequence; give the state that this block"
                            + " left");
        }
        long most = seen.greatest();
        long least = window == 0 ? most : Math.min(most, window - 1);
        if (batch > 0 && (length < least || length > most)) {
            throw new IllegalArgumentException(
                    "attention: the state holds "
                            + length
                            + " of "
                            + most
                            + " tokens"
                            + (window == 0 ? "" : ", for a window of " + window)
                            + "; expected "
                            + least
                            + " or more; give the state that this block left");
        }
        return seen;
    }

    /** {@inheritDoc} */
    @Override
    protected void initializeChildBlocks(NDManager manager, DataType dataType, Shape... shapes) {
        inProjection.initialize(manager, dataType, shapes[0]);
        outProjection.initialize(manager, dataType, shapes[0].slice(0, 2).add(heads * headSize));
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
