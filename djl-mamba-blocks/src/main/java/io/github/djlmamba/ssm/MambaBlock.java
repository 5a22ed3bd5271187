/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ssm;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import ai.djl.training.initializer.Initializer;
import ai.djl.training.initializer.UniformInitializer;
import io.github.djlmamba.feedforward.Projection;
import io.github.djlmamba.ops.CausalConv1d;
import io.github.djlmamba.ops.FusedMamba;
import io.github.djlmamba.ops.OpsProviders;
import io.github.djlmamba.ops.ResidualNorm;
import io.github.djlmamba.ops.RmsNormalization;
import io.github.djlmamba.ops.SelectiveScan;
import io.github.djlmamba.state.MixerInput;
import io.github.djlmamba.state.MixerOutput;
import io.github.djlmamba.state.SequenceMixer;
import java.util.Objects;
import org.apiguardian.api.API;

/**
 * The Mamba block (Gu and Dao, 2023, section 3.4 and figure 3):
 *
 * <pre>
 *   [u; z]         = in_proj(x)
 *   u              = silu(causal_conv1d(u))
 *   [r; B; C]      = x_proj(u), each with an RMS norm of its own if wanted
 *   delta          = softplus(dt_proj(r) + dt_bias)
 *   y              = selective_scan(u, delta, A, B, C) + D u,   A = -exp(A_log)
 *   output         = out_proj(y silu(z))
 * </pre>
 *
 * <p>Shapes: x and the output (B, L, M), u, z, delta and y (B, L, D) with D = expansion M, r (B, L,
 * R), B and C (B, L, N). Parameters: in_proj.weight (2 D, M), conv1d_weight (D, W), conv1d_bias
 * (D), x_proj.weight (R + 2 N, D), dt_proj.weight (D, R), dt_bias (D), A_log (D, N), D (D),
 * out_proj.weight (M, D), the biases of in_proj and out_proj and the norms' weights dt_norm_weight
 * (R), B_norm_weight (N) and C_norm_weight (N) if wanted.
 *
 * <p>With H heads (Glorioso et al., 2024, "Zamba") the channels of each head, D / H neighbours, are
 * projected by themselves and have their own r, B and C, (B, L, H, R) and (B, L, H, N). The weights
 * of x_proj and dt_proj are then (H, R + 2 N, D / H) and (H, D / H, R).
 *
 * <p>Initial values are the paper's (section 3.6): A_log = log(1..N), D = 1, dt_bias such that the
 * step sizes are log-uniform between 0.001 and 0.1, dt_proj uniform in +-1/sqrt(R); other weights
 * are uniform in +-1/sqrt(fan in), other biases 0 but for the convolution's, which is drawn as its
 * weight is. Predictions are thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class MambaBlock extends SequenceMixer {

    private static final byte VERSION = 1;

    private final long channels;
    private final long stateSize;
    private final long deltaRank;
    private final Parameter convolutionWeight;
    private final Parameter convolutionBias;
    private final Parameter deltaBias;
    private final Parameter stateLog;
    private final Parameter skip;
    private final MambaOptions options;
    private final Parameter deltaNorm;
    private final Parameter inputNorm;
    private final Parameter outputNorm;
    private final Projection inProjection;
    private final Projection scanProjection;
    private final Projection deltaProjection;
    private final Projection outProjection;

    private MambaBlock(Builder builder) {
        super(VERSION, builder.modelSize);
        options = builder.options;
        long size = builder.modelSize;
        channels = options.channelsFor(size);
        stateSize = options.stateSize();
        deltaRank = options.deltaRankFor(size);
        long width = options.convolutionWidth();
        Initializer taps = new UniformInitializer((float) (1 / Math.sqrt(width)));
        convolutionWeight =
                parameter("conv1d_weight", Parameter.Type.WEIGHT, new Shape(channels, width), taps);
        convolutionBias =
                options.convolutionBias()
                        ? parameter("conv1d_bias", Parameter.Type.BIAS, new Shape(channels), taps)
                        : null;
        deltaBias =
                parameter(
                        "dt_bias",
                        Parameter.Type.OTHER,
                        new Shape(channels),
                        StateSpaceInitializers::deltaBias);
        stateLog =
                parameter(
                        "A_log",
                        Parameter.Type.OTHER,
                        new Shape(channels, stateSize),
                        StateSpaceInitializers::logOfStateIndex);
        skip = parameter("D", Parameter.Type.OTHER, new Shape(channels), Initializer.ONES);
        deltaNorm = normWeight("dt_norm_weight", deltaRank);
        inputNorm = normWeight("B_norm_weight", stateSize);
        outputNorm = normWeight("C_norm_weight", stateSize);
        inProjection = projection("in_proj", size, 2 * channels, options.projectionBias(), size, 1);
        long headChannels = channels / options.heads();
        scanProjection = headProjection("x_proj", headChannels, deltaRank + 2 * stateSize);
        deltaProjection = headProjection("dt_proj", deltaRank, headChannels);
        outProjection =
                projection(
                        "out_proj",
                        channels,
                        size,
                        options.projectionBias(),
                        channels,
                        builder.outputScale);
    }

    private Parameter parameter(
            String name, Parameter.Type type, Shape shape, Initializer initializer) {
        return addParameter(StateSpaceInitializers.parameter(name, type, shape, initializer));
    }

    private Parameter normWeight(String name, long size) {
        return options.selectionNorm() == MambaOptions.SelectionNorm.WEIGHTED
                ? parameter(name, Parameter.Type.GAMMA, new Shape(size), Initializer.ONES)
                : null;
    }

    private Projection projection(
            String name, long inputs, long outputs, boolean bias, long fanIn, double scale) {
        return addChildBlock(
                name,
                Projection.builder()
                        .setInputs(inputs)
                        .setOutputs(outputs)
                        .optBias(bias)
                        .optInitializer(Projection.uniformWeights(fanIn, scale))
                        .build());
    }

    private Projection headProjection(String name, long inputs, long outputs) {
        return addChildBlock(
                name,
                Projection.builder()
                        .setInputs(inputs)
                        .setOutputs(outputs)
                        .optGroups(options.heads())
                        .optBias(false)
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
        MambaState state = continued(MambaState.class, input.before(), x);
        MixerOutput fused =
                input.isPlainPrediction() && hasLayerCall() ? fused(input, state, null) : null;
        if (fused != null) {
            return fused;
        }
        NDArray both = inProjection.project(parameterStore, x, training);
        NDList halves = both.split(new long[] {channels}, 2);
        CausalConv1d.Result convolved =
                CausalConv1d.of(halves.get(0), input.value(convolutionWeight))
                        .withBias(input.value(convolutionBias))
                        .withSilu(true)
                        .withSequences(input.sequences())
                        .withInitialState(state == null ? null : state.convolution())
                        .run();
        NDArray u = convolved.output();
        NDArray byHead = u.reshape(headShape(x.getShape(), channels));
        NDArray selection = scanProjection.project(parameterStore, byHead, training);
        int last = selection.getShape().dimension() - 1;
        NDList parts = selection.split(new long[] {deltaRank, deltaRank + stateSize}, last);
        NDArray rank = selectionNorm(parts.get(0), input.value(deltaNorm));
        NDArray delta =
                deltaProjection.project(parameterStore, rank, training).reshape(u.getShape());
        NDArray b = selectionNorm(parts.get(1), input.value(inputNorm));
        NDArray c = selectionNorm(parts.get(2), input.value(outputNorm));
        NDArray a = input.value(stateLog).exp().neg();
        SelectiveScan.Result scanned =
                SelectiveScan.of(u, delta, a, b, c)
                        .withSkip(input.value(skip))
                        .withGate(halves.get(1))
                        .withDeltaBias(input.value(deltaBias))
                        .withDeltaSoftplus(true)
                        .withSequences(input.sequences())
                        .withInitialState(state == null ? null : state.scan())
                        .run();
        NDArray output = outProjection.project(parameterStore, scanned.output(), training);
        MambaState after =
                input.keepState()
                        ? new MambaState(convolved.finalState(), scanned.finalState())
                        : null;
        return new MixerOutput(output, after);
    }

    /** {@inheritDoc} */
    @Override
    protected boolean hasLayerCall() {
        return options.heads() == 1 && options.selectionNorm() == MambaOptions.SelectionNorm.NONE;
    }

    /** {@inheritDoc} */
    @Override
    protected MixerOutput computeLayer(MixerInput input, ResidualNorm around) {
        return fused(input, continued(MambaState.class, input.before(), input.x()), around);
    }

    /** Predicts in one call, where the provider of ops has one; null where it has none. */
    private MixerOutput fused(MixerInput input, MambaState state, ResidualNorm around) {
        NDArray x = input.x();
        NDList results =
                OpsProviders.forArrays(x.getDevice(), x.getDataType())
                        .fusedMamba(
                                new FusedMamba(
                                        x,
                                        input.value(inProjection.weight()),
                                        input.value(inProjection.bias()),
                                        input.value(convolutionWeight),
                                        input.value(convolutionBias),
                                        input.value(scanProjection.weight()),
                                        input.value(deltaProjection.weight()),
                                        input.value(deltaBias),
                                        input.value(stateLog),
                                        input.value(skip),
                                        input.value(outProjection.weight()),
                                        input.value(outProjection.bias()),
                                        state == null ? null : state.convolution(),
                                        state == null ? null : state.scan(),
                                        around));
        if (results == null) {
            return null;
        }
        return new MixerOutput(
                results.get(0),
                input.keepState() ? new MambaState(results.get(1), results.get(2)) : null);
    }

    /** The shape of values of each token by heads: (B, L, values), or (B, L, H, values / H). */
    private Shape headShape(Shape shape, long values) {
        Shape tokens = shape.slice(0, 2);
        return options.heads() == 1
                ? tokens.add(values)
                : tokens.add(options.heads(), values / options.heads());
    }

    private NDArray selectionNorm(NDArray x, NDArray weight) {
        if (options.selectionNorm() == MambaOptions.SelectionNorm.NONE) {
            return x;
        }
        return RmsNormalization.of(x)
                .withWeight(weight)
                .withEpsilon(options.selectionEpsilon())
                .run()
                .output();
    }

    /** {@inheritDoc} */
    @Override
    protected void initializeChildBlocks(NDManager manager, DataType dataType, Shape... shapes) {
        Shape tokens = shapes[0].slice(0, 2);
        inProjection.initialize(manager, dataType, shapes[0]);
        scanProjection.initialize(manager, dataType, headShape(tokens, channels));
        deltaProjection.initialize(
                manager, dataType, headShape(tokens, options.heads() * deltaRank));
        outProjection.initialize(manager, dataType, tokens.add(channels));
    }

    /** Builds a {@link MambaBlock}. */
    public static final class Builder {

        private long modelSize;
        private MambaOptions options = MambaOptions.DEFAULTS;
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
         * Sets everything but the model size at once; {@link MambaOptions#DEFAULTS} unless set.
         *
         * @param newOptions the settings
         * @return this builder
         */
        public Builder optOptions(MambaOptions newOptions) {
            options = Objects.requireNonNull(newOptions, "options");
            return this;
        }

        /**
         * Sets the number of states of each channel; 16 unless set.
         *
         * @param size N
         * @return this builder
         */
        public Builder optStateSize(int size) {
            options = options.withStateSize(size);
            return this;
        }

        /**
         * Sets the width of the convolution; 4 unless set.
         *
         * @param width W
         * @return this builder
         */
        public Builder optConvolutionWidth(int width) {
            options = options.withConvolutionWidth(width);
            return this;
        }

        /**
         * Sets the number of channels; twice the model size unless set.
         *
         * @param factor the channels as a multiple of the model size
         * @return this builder
         */
        public Builder optExpansion(int factor) {
            options = options.withExpansion(factor);
            return this;
        }

        /**
         * Sets the number of heads; 1 unless set.
         *
         * @param number H
         * @return this builder
         */
        public Builder optHeads(int number) {
            options = options.withHeads(number);
            return this;
        }

        /**
         * Sets the rank of delta's projection; a sixteenth of the model size, rounded up, unless
         * set.
         *
         * @param rank R
         * @return this builder
         */
        public Builder optDeltaRank(int rank) {
            options = options.withDeltaRank(rank);
            return this;
        }

        /**
         * Sets whether the input and output projections have a bias; they have none unless set.
         *
         * @param bias true for a bias
         * @return this builder
         */
        public Builder optProjectionBias(boolean bias) {
            options = options.withProjectionBias(bias);
            return this;
        }

        /**
         * Sets whether the convolution has a bias; it has one unless set.
         *
         * @param bias true for a bias
         * @return this builder
         */
        public Builder optConvolutionBias(boolean bias) {
            options = options.withConvolutionBias(bias);
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
        public MambaBlock build() {
            return new MambaBlock(this);
        }
    }
}
