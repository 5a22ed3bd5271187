/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.state;

import io.github.djlmamba.attention.AttentionOptions;
import io.github.djlmamba.attention.CausalSelfAttentionBlock;
import io.github.djlmamba.attention.RotaryOptions;
import io.github.djlmamba.feedforward.ExpertRouting;
import io.github.djlmamba.feedforward.GatedMlpOptions;
import io.github.djlmamba.feedforward.MixtureOfExpertsOptions;
import io.github.djlmamba.feedforward.MlpActivation;
import io.github.djlmamba.feedforward.MlpBlock;
import io.github.djlmamba.feedforward.MlpOptions;
import io.github.djlmamba.hybrid.HybridStack;
import io.github.djlmamba.hybrid.HybridStackOptions;
import io.github.djlmamba.hybrid.LayerPattern;
import io.github.djlmamba.hybrid.LayerSymbol;
import io.github.djlmamba.hybrid.ParallelMixerOptions;
import io.github.djlmamba.hybrid.SharedTransformerOptions;
import io.github.djlmamba.norm.NormOptions;
import io.github.djlmamba.ssm.Mamba2Options;
import io.github.djlmamba.ssm.MambaBlock;
import io.github.djlmamba.ssm.MambaOptions;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/** Every mixer and every pattern of the in-context-learning study, small enough for tests. */
public final class MixerCases {

    /** The model size of each case. */
    public static final long MODEL_SIZE = 8;

    private static final Mamba2Options MAMBA2 =
            Mamba2Options.DEFAULTS.withHeadSize(4).withStateSize(5);

    private static final SharedTransformerOptions SHARED =
            SharedTransformerOptions.DEFAULTS.withAttention(
                    SharedTransformerOptions.DEFAULTS.attention().withHeads(4));

    private static final SharedTransformerOptions ADAPTED =
            SharedTransformerOptions.DEFAULTS
                    .withBlocks(2)
                    .withAttention(
                            AttentionOptions.DEFAULTS
                                    .withHeads(2)
                                    .withKeyValueHeads(1)
                                    .withScale(0.7)
                                    .withRotary(RotaryOptions.DEFAULTS))
                    .withMlp(GatedMlpOptions.DEFAULTS.withHiddenSize(12).withBias(true))
                    .withAdapters(3, true);

    private MixerCases() {}

    /**
     * Returns the mixers by name.
     *
     * @return a builder of each
     */
    public static Map<String, Supplier<SequenceMixer>> all() {
        Map<String, Supplier<SequenceMixer>> cases = new LinkedHashMap<>();
        cases.put("Mamba", () -> MambaBlock.builder().setModelSize(MODEL_SIZE).build());
        cases.put(
                "Mamba with every option",
                () ->
                        MambaBlock.builder()
                                .setModelSize(MODEL_SIZE)
                                .optStateSize(3)
                                .optConvolutionWidth(2)
                                .optExpansion(3)
                                .optDeltaRank(2)
                                .optProjectionBias(true)
                                .optConvolutionBias(false)
                                .build());
        cases.put(
                "Mamba with a convolution of width 1",
                () -> MambaBlock.builder().setModelSize(MODEL_SIZE).optConvolutionWidth(1).build());
        for (MambaOptions.SelectionNorm norm : MambaOptions.SelectionNorm.values()) {
            MambaOptions options =
                    MambaOptions.DEFAULTS
                            .withStateSize(3)
                            .withDeltaRank(2)
                            .withChannels(12)
                            .withSelectionNorm(norm, 1e-4f);
            cases.put("Mamba with selection norm " + norm, () -> options.newMixer(MODEL_SIZE, 1));
        }
        cases.put(
                "Mamba with heads",
                () ->
                        MambaOptions.DEFAULTS
                                .withHeads(4)
                                .withStateSize(3)
                                .withDeltaRank(2)
                                .withSelectionNorm(MambaOptions.SelectionNorm.WEIGHTED, 1e-5f)
                                .newMixer(MODEL_SIZE, 1));
        for (Mamba2Options.Norm norm : Mamba2Options.Norm.values()) {
            cases.put(
                    "Mamba-2 with norm " + norm,
                    () ->
                            MAMBA2.withNorm(norm, false, 1e-5f)
                                    .withStateSize(3)
                                    .newMixer(MODEL_SIZE, 1));
        }
        cases.put(
                "Mamba-2 with every option",
                () ->
                        MAMBA2.withGroups(2)
                                .withHeadSize(2)
                                .withConvolutionWidth(2)
                                .withChannels(12 * 2)
                                .withProjectionBias(true)
                                .withConvolutionBias(false)
                                .withSkipByChannel(true)
                                .withDeltaLimits(0.002, 0.05)
                                .newMixer(MODEL_SIZE, 1));
        cases.put(
                "Mamba-2 with multipliers",
                () ->
                        MAMBA2.withProjectionBias(false, true)
                                .withMultipliers(
                                        new Mamba2Options.Multipliers(1.2, 0.9, 1.1, 0.8, 1.3, 0.7))
                                .newMixer(MODEL_SIZE, 1));
        cases.put(
                "Mamba-2 with a convolution of width 1",
                () -> MAMBA2.withConvolutionWidth(1).newMixer(MODEL_SIZE, 1));
        cases.put(
                "attention",
                () ->
                        CausalSelfAttentionBlock.builder()
                                .setModelSize(MODEL_SIZE)
                                .optHeads(4)
                                .build());
        cases.put(
                "grouped attention without bias",
                () ->
                        CausalSelfAttentionBlock.builder()
                                .setModelSize(MODEL_SIZE)
                                .optHeads(4)
                                .optKeyValueHeads(2)
                                .optBias(false)
                                .build());
        cases.put(
                "attention with rotary positions, a window and a head size of its own",
                () ->
                        CausalSelfAttentionBlock.builder()
                                .setModelSize(MODEL_SIZE)
                                .optHeads(4)
                                .optKeyValueHeads(2)
                                .optHeadSize(6)
                                .optScale(0.3)
                                .optWindow(4)
                                .optRotary(RotaryOptions.DEFAULTS.withFraction(0.7))
                                .build());
        cases.put(
                "attention with a window of 1",
                () ->
                        CausalSelfAttentionBlock.builder()
                                .setModelSize(MODEL_SIZE)
                                .optHeads(2)
                                .optWindow(1)
                                .build());
        for (MlpActivation activation : MlpActivation.values()) {
            GatedMlpOptions gated = GatedMlpOptions.DEFAULTS.withActivation(activation);
            cases.put("gated MLP " + activation, () -> gated.newMixer(MODEL_SIZE, 1));
            MlpOptions options = MlpOptions.DEFAULTS.withActivation(activation);
            cases.put("MLP " + activation, () -> options.newMixer(MODEL_SIZE, 1));
        }
        cases.putAll(experts());
        cases.put(
                "attention and Mamba-2 in parallel",
                () ->
                        new ParallelMixerOptions(
                                        List.of(
                                                new ParallelMixerOptions.Branch(
                                                        AttentionOptions.DEFAULTS.withHeads(2),
                                                        0.9,
                                                        1.1),
                                                ParallelMixerOptions.Branch.of(MAMBA2)))
                                .newMixer(MODEL_SIZE, 1));
        cases.putAll(stacks());
        return cases;
    }

    private static Map<String, Supplier<SequenceMixer>> experts() {
        MixtureOfExpertsOptions options = MixtureOfExpertsOptions.of(4, 2, 6);
        Map<String, MixtureOfExpertsOptions> kinds = new LinkedHashMap<>();
        kinds.put("softmax of the chosen", options);
        kinds.put("softmax", options.withRouting(ExpertRouting.SOFTMAX));
        kinds.put(
                "sigmoid, groups, plain experts, a shared one and a latent size",
                options.withRouting(ExpertRouting.SIGMOID.withGroups(2, 1).withScale(1.5))
                        .withExperts(false, MlpActivation.SQUARED_RELU)
                        .withShared(MlpOptions.DEFAULTS.withHiddenSize(5))
                        .withLatentSize(6, true));
        Map<String, Supplier<SequenceMixer>> cases = new LinkedHashMap<>();
        kinds.forEach(
                (name, kind) -> cases.put("experts: " + name, () -> kind.newMixer(MODEL_SIZE, 1)));
        return cases;
    }

    /**
     * Returns the stacks by name.
     *
     * @return a builder of each
     */
    public static Map<String, Supplier<SequenceMixer>> stacks() {
        Map<String, Supplier<SequenceMixer>> cases = new LinkedHashMap<>();
        cases.put("stack: Mamba", () -> stack(HybridStackOptions.mamba(MODEL_SIZE, 3)));
        cases.put(
                "stack: Mamba-2 hybrid",
                () ->
                        stack(
                                HybridStackOptions.mamba2Hybrid(
                                                MODEL_SIZE, LayerPattern.parse("M-M*-M"))
                                        .withMixer(LayerSymbol.MAMBA, MAMBA2)));
        cases.put(
                "stack: transformer",
                () -> stack(HybridStackOptions.transformer(MODEL_SIZE, 2, 40)));
        cases.put(
                "stack: standard hybrid",
                () -> stack(HybridStackOptions.standardHybrid(MODEL_SIZE, 4, 40)));
        cases.put("stack: MambaFormer", () -> stack(HybridStackOptions.mambaFormer(MODEL_SIZE, 4)));
        cases.put(
                "stack: attention and gated MLP",
                () ->
                        stack(
                                HybridStackOptions.of(MODEL_SIZE, LayerPattern.parse("*-*-"))
                                        .withNorm(NormOptions.RMS_NORM)
                                        .withMixer(LayerSymbol.MLP, GatedMlpOptions.DEFAULTS)));
        cases.put(
                "stack: allocated, RMS norm",
                () ->
                        stack(
                                HybridStackOptions.of(
                                                MODEL_SIZE, LayerPattern.allocate(6, 0.17, 0.5))
                                        .withNorm(NormOptions.RMS_NORM)
                                        .withResidualMultiplier(0.6)
                                        .withRescaleOutputs(false)));
        cases.put(
                "stack: shared transformer",
                () ->
                        stack(
                                shared("MSMS", SHARED, MambaOptions.DEFAULTS)
                                        .withNorm(NormOptions.LAYER_NORM)));
        cases.put(
                "stack: two shared transformers with adapters",
                () -> stack(shared("SMSSMS", ADAPTED, MAMBA2).withPositions(40)));
        return cases;
    }

    private static HybridStackOptions shared(
            String pattern, SharedTransformerOptions options, MixerOptions mixer) {
        return HybridStackOptions.of(MODEL_SIZE, LayerPattern.parse(pattern))
                .withNorm(NormOptions.RMS_NORM)
                .withMixer(LayerSymbol.MAMBA, mixer)
                .withSharedTransformer(options, mixer);
    }

    private static HybridStack stack(HybridStackOptions options) {
        return new HybridStack(
                options.withMixer(LayerSymbol.ATTENTION, AttentionOptions.DEFAULTS.withHeads(2)));
    }

    /**
     * Returns an MLP, for tests that need a mixer of the wrong kind.
     *
     * @return the block
     */
    public static SequenceMixer mlp() {
        return MlpBlock.builder().setModelSize(MODEL_SIZE).build();
    }
}
