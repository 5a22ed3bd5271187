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
import ai.djl.ndarray.NDArrays;
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
import io.github.djlmamba.ops.FusedMamba2;
import io.github.djlmamba.ops.OpsProviders;
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.ops.ResidualNorm;
import io.github.djlmamba.ops.RmsNormalization;
import io.github.djlmamba.ops.Scalars;
import io.github.djlmamba.ops.StateSpaceDual;
import io.github.djlmamba.state.MixerInput;
import io.github.djlmamba.state.MixerOutput;
import io.github.djlmamba.state.SequenceMixer;
import java.util.Objects;
import org.apiguardian.api.API;

/**
 * The Mamba-2 block (Dao and Gu, 2024, section 7.1 and figure 6):
 *
 * <pre>
 *   [z; x; B; C; dt] = in_proj(input)
 *   [x; B; C]        = silu(causal_conv1d([x; B; C]))
 *   y                = state_space_dual(x, delta, A, B, C) + D x,   A = -exp(A_log),
 *                      delta = clamp(softplus(dt + dt_bias))
 *   output           = out_proj(norm(y silu(z)))
 * </pre>
 *
 * <p>The norm is that of root mean squares over all channels or those of each group of heads, times
 * a weight; it may stand before the gate instead, norm(y) silu(z), or be left out. The input, z, x,
 * B, C and dt may each have a fixed factor.
 *
 * <p>Shapes: the input and the output (B, L, M), z and y (B, L, D) with D = H P = expansion M, x
 * (B, L, H, P), B and C (B, L, G, N), dt and delta (B, L, H). Parameters: in_proj.weight (2 D + 2 G
 * N + H, M), conv1d_weight (D + 2 G N, W), conv1d_bias (D + 2 G N), dt_bias (H), A_log (H), D (H)
 * or (H, P), norm_weight (D), out_proj.weight (M, D), and the biases of in_proj and out_proj if
 * wanted.
 *
 * <p>Initial values are those of the authors' implementation: A uniform between -16 and -1, D = 1,
 * dt_bias such that the step sizes are log-uniform between 0.001 and 0.1, the norm's weight 1;
 * other weights are uniform in +-1/sqrt(fan in), other biases 0 but for the convolution's, which is
 * drawn as its weight is. Predictions are thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class Mamba2Block extends SequenceMixer {

    private static final byte VERSION = 1;

    private final Mamba2Options options;
    private final long channels;
    private final long heads;
    private final long matrices;
    private final Parameter convolutionWeight;
    private final Parameter convolutionBias;
    private final Parameter deltaBias;
    private final Parameter stateLog;
    private final Parameter skip;
    private final Parameter normWeight;
    private final Projection inProjection;
    private final Projection outProjection;

    private Mamba2Block(Builder builder) {
        super(VERSION, builder.modelSize);
        options = builder.options;
        long size = builder.modelSize;
        channels = options.channelsFor(size);
        heads = channels / options.headSize();
        matrices = Math.multiplyExact((long) options.groups(), options.stateSize());
        long convolved = channels + 2 * matrices;
        long width = options.convolutionWidth();
        Initializer taps = new UniformInitializer((float) (1 / Math.sqrt(width)));
        convolutionWeight =
                parameter(
                        "conv1d_weight", Parameter.Type.WEIGHT, new Shape(convolved, width), taps);
        convolutionBias =
                options.convolutionBias()
                        ? parameter("conv1d_bias", Parameter.Type.BIAS, new Shape(convolved), taps)
                        : null;
        Shape byHead = new Shape(heads);
        deltaBias =
                parameter(
                        "dt_bias", Parameter.Type.OTHER, byHead, StateSpaceInitializers::deltaBias);
        stateLog =
                parameter(
                        "A_log",
                        Parameter.Type.OTHER,
                        byHead,
                        StateSpaceInitializers::logOfUniform);
        skip =
                parameter(
                        "D",
                        Parameter.Type.OTHER,
                        options.skipByChannel() ? byHead.add(options.headSize()) : byHead,
                        Initializer.ONES);
        normWeight =
                options.norm() == Mamba2Options.Norm.NONE
                        ? null
                        : parameter(
                                "norm_weight",
                                Parameter.Type.GAMMA,
                                new Shape(channels),
                                Initializer.ONES);
        inProjection =
                addChildBlock(
                        "in_proj",
                        Projection.builder()
                                .setInputs(size)
                                .setOutputs(channels + convolved + heads)
                                .optBias(options.inputBias())
                                .build());
        outProjection =
                addChildBlock(
                        "out_proj",
                        Projection.builder()
                                .setInputs(channels)
                                .setOutputs(size)
                                .optBias(options.outputBias())
                                .optInitializer(
                                        Projection.uniformWeights(channels, builder.outputScale))
                                .build());
    }

    private Parameter parameter(
            String name, Parameter.Type type, Shape shape, Initializer initializer) {
        return addParameter(StateSpaceInitializers.parameter(name, type, shape, initializer));
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
     * Returns the settings.
     *
     * @return the settings
     */
    public Mamba2Options options() {
        return options;
    }

    /** {@inheritDoc} */
    @Override
    protected MixerOutput compute(MixerInput input) {
        NDArray x = input.x();
        ParameterStore parameterStore = input.parameterStore();
        boolean training = input.training();
        Mamba2State state = continued(Mamba2State.class, input.before(), x);
        MixerOutput fused =
                input.isPlainPrediction() && hasLayerCall() ? fused(input, state, null) : null;
        if (fused != null) {
            return fused;
        }
        Shape tokens = x.getShape().slice(0, 2);
        NDArray all = scaledProjection(input);
        // z, then what is convolved, then dt.
        NDList parts = all.split(new long[] {channels, 2 * (channels + matrices)}, 2);
        CausalConv1d.Result convolved =
                CausalConv1d.of(parts.get(1), input.value(convolutionWeight))
                        .withBias(input.value(convolutionBias))
                        .withSilu(true)
                        .withSequences(input.sequences())
                        .withInitialState(state == null ? null : state.convolution())
                        .run();
        NDList inputs = convolved.output().split(new long[] {channels, channels + matrices}, 2);
        Shape byHead = tokens.add(heads, options.headSize());
        Shape byGroup = tokens.add(options.groups(), options.stateSize());
        boolean normed = normWeight != null;
        StateSpaceDual.Result dual =
                StateSpaceDual.of(
                                inputs.get(0).reshape(byHead),
                                parts.get(2),
                                input.value(stateLog).exp().neg(),
                                inputs.get(1).reshape(byGroup),
                                inputs.get(2).reshape(byGroup))
                        .withSkip(input.value(skip))
                        .withGate(normed ? null : parts.get(0).reshape(byHead))
                        .withDeltaBias(input.value(deltaBias))
                        .withDeltaSoftplus(true)
                        .withDeltaLimits(options.deltaMinimum(), options.deltaMaximum())
                        .withSequences(input.sequences())
                        .withInitialState(state == null ? null : state.dual())
                        .run();
        NDArray y = dual.output().reshape(tokens.add(channels));
        if (normed) {
            y = gatedNorm(y, parts.get(0), input.value(normWeight));
        }
        NDArray output = outProjection.project(parameterStore, y, training);
        return new MixerOutput(
                output,
                input.keepState()
                        ? new Mamba2State(convolved.finalState(), dual.finalState())
                        : null);
    }

    /** {@inheritDoc} */
    @Override
    protected boolean hasLayerCall() {
        Mamba2Options.Multipliers factors = options.multipliers();
        return factors.input() == 1 && !factors.scaleProjection();
    }

    /** {@inheritDoc} */
    @Override
    protected MixerOutput computeLayer(MixerInput input, ResidualNorm around) {
        return fused(input, continued(Mamba2State.class, input.before(), input.x()), around);
    }

    /** Predicts in one call, where the provider of ops has one; null where it has none. */
    private MixerOutput fused(MixerInput input, Mamba2State state, ResidualNorm around) {
        NDArray x = input.x();
        NDList results =
                OpsProviders.forArrays(x.getDevice(), x.getDataType())
                        .fusedMamba2(
                                new FusedMamba2(
                                        x,
                                        input.value(inProjection.weight()),
                                        input.value(inProjection.bias()),
                                        input.value(convolutionWeight),
                                        input.value(convolutionBias),
                                        input.value(deltaBias),
                                        input.value(stateLog),
                                        input.value(skip),
                                        input.value(normWeight),
                                        input.value(outProjection.weight()),
                                        input.value(outProjection.bias()),
                                        state == null ? null : state.convolution(),
                                        state == null ? null : state.dual(),
                                        heads,
                                        options.groups(),
                                        options.norm() == Mamba2Options.Norm.AFTER_GATE,
                                        options.groupedNorm() ? options.groups() : 1,
                                        options.normEpsilon(),
                                        options.deltaMinimum(),
                                        options.deltaMaximum(),
                                        around));
        if (results == null) {
            return null;
        }
        return new MixerOutput(
                results.get(0),
                input.keepState() ? new Mamba2State(results.get(1), results.get(2)) : null);
    }

    /** Projects to z, x, B, C and dt side by side, times their factors. */
    private NDArray scaledProjection(MixerInput input) {
        Mamba2Options.Multipliers factors = options.multipliers();
        NDArray x = input.x();
        NDArray scaled = factors.input() == 1 ? x : x.mul(Scalars.like(x, factors.input()));
        NDArray all = inProjection.project(input.parameterStore(), scaled, input.training());
        if (!factors.scaleProjection()) {
            return all;
        }
        NDList byChannel =
                new NDList(
                        constant(all, channels, factors.gate()),
                        constant(all, channels, factors.x()),
                        constant(all, matrices, factors.b()),
                        constant(all, matrices, factors.c()),
                        constant(all, heads, factors.delta()));
        NDArray product = NDArrays.concat(byChannel);
        return all.mul(Precision.isBfloat16(all) ? Precision.BFLOAT16.cast(product) : product);
    }

    private static NDArray constant(NDArray like, long size, double value) {
        return Scalars.like(like, value).reshape(1).repeat(0, size);
    }

    private NDArray gatedNorm(NDArray y, NDArray gate, NDArray weight) {
        return RmsNormalization.of(y)
                .withGate(
                        gate,
                        options.norm() == Mamba2Options.Norm.AFTER_GATE
                                ? RmsNormalization.GateOrder.GATE_FIRST
                                : RmsNormalization.GateOrder.GATE_LAST)
                .withWeight(weight)
                .withGroups(options.groupedNorm() ? options.groups() : 1)
                .withEpsilon(options.normEpsilon())
                .run()
                .output();
    }

    /** {@inheritDoc} */
    @Override
    protected void initializeChildBlocks(NDManager manager, DataType dataType, Shape... shapes) {
        inProjection.initialize(manager, dataType, shapes[0]);
        outProjection.initialize(manager, dataType, shapes[0].slice(0, 2).add(channels));
    }

    /** Builds a {@link Mamba2Block}. */
    public static final class Builder {

        private long modelSize;
        private Mamba2Options options = Mamba2Options.DEFAULTS;
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
         * Sets everything but the model size; {@link Mamba2Options#DEFAULTS} unless set.
         *
         * @param newOptions the settings
         * @return this builder
         */
        public Builder optOptions(Mamba2Options newOptions) {
            options = Objects.requireNonNull(newOptions, "options");
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
        public Mamba2Block build() {
            return new Mamba2Block(this);
        }
    }
}
