/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.hybrid;

import io.github.djlmamba.attention.AttentionOptions;
import io.github.djlmamba.feedforward.MlpOptions;
import io.github.djlmamba.norm.NormOptions;
import io.github.djlmamba.ssm.Mamba2Options;
import io.github.djlmamba.ssm.MambaOptions;
import io.github.djlmamba.state.MixerOptions;
import java.util.EnumMap;
import java.util.Map;
import org.apiguardian.api.API;

/**
 * The settings of a {@link HybridStack}. The factory methods give the models of Park et al. (2024),
 * "Can Mamba Learn How to Learn?", with that study's settings: layer normalisation with an epsilon
 * of 1e-5, eight heads with bias, no dropout, and learned positions where there is no Mamba layer
 * before the first attention layer. Immutable and thread safe.
 *
 * @param modelSize the size M of the vectors
 * @param pattern the kinds of the layers
 * @param mixers the settings of each kind of layer; kinds that the pattern lacks are ignored
 * @param norm the normalisation before each layer and at the end
 * @param positions the number of learned positions, which bounds the length; 0 for none
 * @param rescaleOutputs whether the initial weights of each layer's output projection are divided
 *     by the square root of the number of layers (Radford et al., 2019, section 2.3)
 * @param residualMultiplier the factor f on what each layer adds, usually 1
 * @param shared the transformer blocks that layers of the kind {@link LayerSymbol#SHARED} share;
 *     ignored, and perhaps null, where the pattern has none
 */
@API(status = API.Status.EXPERIMENTAL)
public record HybridStackOptions(
        long modelSize,
        LayerPattern pattern,
        Map<LayerSymbol, MixerOptions> mixers,
        NormOptions norm,
        long positions,
        boolean rescaleOutputs,
        double residualMultiplier,
        SharedTransformerOptions shared) {

    private static final Map<LayerSymbol, MixerOptions> MIXERS =
            Map.of(
                    LayerSymbol.MAMBA, MambaOptions.DEFAULTS,
                    LayerSymbol.ATTENTION, AttentionOptions.DEFAULTS,
                    LayerSymbol.MLP, MlpOptions.DEFAULTS,
                    LayerSymbol.SHARED, MambaOptions.DEFAULTS);

    /**
     * Checks and copies the settings.
     *
     * @throws IllegalArgumentException if one is missing or out of range, or if the pattern has a
     *     kind of layer without settings
     */
    public HybridStackOptions {
        if (modelSize <= 0) {
            throw new IllegalArgumentException(
                    "hybrid stack: the model size is " + modelSize + "; expected 1 or more");
        }
        if (pattern == null || mixers == null || norm == null) {
            throw new IllegalArgumentException(
                    "hybrid stack: the pattern, the mixers and the norm are all needed, but one is"
                            + " null");
        }
        for (LayerSymbol kind : pattern.layers()) {
            if (mixers.get(kind) == null) {
                throw new IllegalArgumentException(
                        "hybrid stack: the pattern \""
                                + pattern
                                + "\" has '"
                                + kind.symbol()
                                + "' at index "
                                + pattern.layers().indexOf(kind)
                                + " but there are no settings for "
                                + kind.title()
                                + " layers; give them with withMixer, or leave the symbol out");
            }
        }
        if (shared == null && pattern.count(LayerSymbol.SHARED) > 0) {
            throw new IllegalArgumentException(
                    "hybrid stack: the pattern \""
                            + pattern
                            + "\" has layers with a shared transformer block but there are no"
                            + " settings for it; give them with withSharedTransformer");
        }
        if (positions < 0) {
            throw new IllegalArgumentException(
                    "hybrid stack: the number of positions is "
                            + positions
                            + "; expected 1 or more, or 0 for no learned positions");
        }
        if (!Double.isFinite(residualMultiplier) || residualMultiplier == 0) {
            throw new IllegalArgumentException(
                    "hybrid stack: the residual multiplier is "
                            + residualMultiplier
                            + "; expected a finite number other than 0, such as 1 for none");
        }
        mixers = Map.copyOf(mixers);
    }

    /**
     * Makes settings without shared transformer blocks.
     *
     * @param modelSize the size M of the vectors
     * @param pattern the kinds of the layers
     * @param mixers the settings of each kind of layer
     * @param norm the normalisation before each layer and at the end
     * @param positions the number of learned positions; 0 for none
     * @param rescaleOutputs whether output projections start smaller in deeper stacks
     */
    public HybridStackOptions(
            long modelSize,
            LayerPattern pattern,
            Map<LayerSymbol, MixerOptions> mixers,
            NormOptions norm,
            long positions,
            boolean rescaleOutputs) {
        this(modelSize, pattern, mixers, norm, positions, rescaleOutputs, 1, null);
    }

    /**
     * Returns the usual settings for a pattern of Mamba, attention and MLP layers, and of Mamba
     * layers with a shared transformer block, without positions.
     *
     * @param modelSize the size of the vectors
     * @param pattern the kinds of the layers
     * @return the settings
     */
    public static HybridStackOptions of(long modelSize, LayerPattern pattern) {
        return new HybridStackOptions(
                modelSize,
                pattern,
                MIXERS,
                NormOptions.LAYER_NORM,
                0,
                true,
                1,
                SharedTransformerOptions.DEFAULTS);
    }

    /**
     * Returns the settings of a pure Mamba model.
     *
     * @param modelSize the size of the vectors
     * @param layers the number of layers
     * @return the settings
     */
    public static HybridStackOptions mamba(long modelSize, int layers) {
        return of(modelSize, LayerPattern.mamba(layers));
    }

    /**
     * Returns the settings of a model of Mamba-2, attention and MLP layers, such as the
     * Mamba-2-Hybrid of Waleffe et al. (2024), whose layers {@link LayerPattern#allocate}
     * distributes: root mean square norms, and no positions.
     *
     * @param modelSize the size of the vectors
     * @param pattern the kinds of the layers, of which those of M are Mamba-2
     * @return the settings
     */
    public static HybridStackOptions mamba2Hybrid(long modelSize, LayerPattern pattern) {
        return of(modelSize, pattern)
                .withMixer(LayerSymbol.MAMBA, Mamba2Options.DEFAULTS)
                .withNorm(NormOptions.RMS_NORM);
    }

    /**
     * Returns the settings of a GPT-2 transformer (Radford et al., 2019), its initial weights
     * included.
     *
     * @param modelSize the size of the vectors
     * @param layers the number of pairs of attention and MLP
     * @param positions the number of learned positions
     * @return the settings
     */
    public static HybridStackOptions transformer(long modelSize, int layers, long positions) {
        return of(modelSize, LayerPattern.transformer(layers))
                .withMixer(LayerSymbol.ATTENTION, AttentionOptions.GPT2)
                .withMixer(LayerSymbol.MLP, MlpOptions.GPT2)
                .withPositions(positions);
    }

    /**
     * Returns the settings of the standard hybrid of attention and Mamba.
     *
     * @param modelSize the size of the vectors
     * @param layers the number of layers, even
     * @param positions the number of learned positions
     * @return the settings
     */
    public static HybridStackOptions standardHybrid(long modelSize, int layers, long positions) {
        return of(modelSize, LayerPattern.standardHybrid(layers)).withPositions(positions);
    }

    /**
     * Returns the settings of MambaFormer.
     *
     * @param modelSize the size of the vectors
     * @param layers the number of layers without the first Mamba layer, even
     * @return the settings
     */
    public static HybridStackOptions mambaFormer(long modelSize, int layers) {
        return of(modelSize, LayerPattern.mambaFormer(layers));
    }

    /**
     * Returns these settings with other settings for one kind of layer.
     *
     * @param kind the kind
     * @param options its settings
     * @return the settings
     */
    public HybridStackOptions withMixer(LayerSymbol kind, MixerOptions options) {
        Map<LayerSymbol, MixerOptions> changed = new EnumMap<>(LayerSymbol.class);
        changed.putAll(mixers);
        changed.put(kind, options);
        return new HybridStackOptions(
                modelSize,
                pattern,
                changed,
                norm,
                positions,
                rescaleOutputs,
                residualMultiplier,
                shared);
    }

    /**
     * Returns these settings with another normalisation.
     *
     * @param options the normalisation
     * @return the settings
     */
    public HybridStackOptions withNorm(NormOptions options) {
        return new HybridStackOptions(
                modelSize,
                pattern,
                mixers,
                options,
                positions,
                rescaleOutputs,
                residualMultiplier,
                shared);
    }

    /**
     * Returns these settings with another number of learned positions.
     *
     * @param number the number, or 0 for none
     * @return the settings
     */
    public HybridStackOptions withPositions(long number) {
        return new HybridStackOptions(
                modelSize,
                pattern,
                mixers,
                norm,
                number,
                rescaleOutputs,
                residualMultiplier,
                shared);
    }

    /**
     * Returns these settings with or without the rescaling of output projections.
     *
     * @param rescale true to rescale
     * @return the settings
     */
    public HybridStackOptions withRescaleOutputs(boolean rescale) {
        return new HybridStackOptions(
                modelSize, pattern, mixers, norm, positions, rescale, residualMultiplier, shared);
    }

    /**
     * Returns these settings with another factor on what each layer adds.
     *
     * @param factor a finite number, not 0
     * @return the settings
     */
    public HybridStackOptions withResidualMultiplier(double factor) {
        return new HybridStackOptions(
                modelSize, pattern, mixers, norm, positions, rescaleOutputs, factor, shared);
    }

    /**
     * Returns these settings with transformer blocks that layers of the kind {@link
     * LayerSymbol#SHARED} share.
     *
     * @param options the settings of the blocks
     * @param mixer the settings of the mixers of those layers
     * @return the settings
     */
    public HybridStackOptions withSharedTransformer(
            SharedTransformerOptions options, MixerOptions mixer) {
        Map<LayerSymbol, MixerOptions> changed = new EnumMap<>(LayerSymbol.class);
        changed.putAll(mixers);
        changed.put(LayerSymbol.SHARED, mixer);
        return new HybridStackOptions(
                modelSize,
                pattern,
                changed,
                norm,
                positions,
                rescaleOutputs,
                residualMultiplier,
                options);
    }
}
