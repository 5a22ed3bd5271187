/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.icl;

import ai.djl.translate.ArgumentsUtil;
import io.github.djlmamba.attention.AttentionOptions;
import io.github.djlmamba.hybrid.HybridStackOptions;
import io.github.djlmamba.hybrid.LayerPattern;
import io.github.djlmamba.hybrid.LayerSymbol;
import io.github.djlmamba.ssm.Mamba2Options;
import io.github.djlmamba.ssm.MambaOptions;
import io.github.djlmamba.state.MixerOptions;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apiguardian.api.API;

/**
 * What an {@link InContextLearner} is made of. The defaults are those of the study (Park et al.
 * 2024, appendix).
 *
 * @param architecture one of {@link #ARCHITECTURES}, or a pattern of layers such as M*M-
 * @param layers the number of single layers as the study counts them, which for MambaFormer leaves
 *     out the first; not used where the architecture is a pattern
 * @param dims the size of an x, d
 * @param points the largest number of examples in training; models with learned positions take
 *     twice as many, others any number
 * @param modelSize the width of the residual stream
 * @param heads the heads of attention; those of Mamba-2, which has twice the channels, are as large
 * @param stateSize the state size N of Mamba and Mamba-2
 */
@API(status = API.Status.EXPERIMENTAL)
public record InContextSettings(
        String architecture,
        int layers,
        int dims,
        int points,
        int modelSize,
        int heads,
        int stateSize) {

    /**
     * The architecture of alternating attention and Mamba after one Mamba layer, without positions.
     */
    public static final String MAMBAFORMER = "mambaformer";

    /** The architecture of Mamba layers alone. */
    public static final String MAMBA = "mamba";

    /** The architecture of Mamba-2 layers alone. */
    public static final String MAMBA2 = "mamba2";

    /** The architecture of GPT-2. */
    public static final String TRANSFORMER = "transformer";

    /** The architecture of alternating attention and Mamba, with learned positions. */
    public static final String HYBRID = "hybrid";

    /** The named architectures. */
    public static final List<String> ARCHITECTURES =
            List.of(MAMBAFORMER, MAMBA, MAMBA2, TRANSFORMER, HYBRID);

    /**
     * Checks the settings.
     *
     * @throws IllegalArgumentException if one is out of its range
     */
    public InContextSettings {
        requirePositive("layers", layers);
        requirePositive("dims", dims);
        requirePositive("points", points);
        requirePositive("modelSize", modelSize);
        requirePositive("heads", heads);
        requirePositive("stateSize", stateSize);
        if (modelSize % heads != 0) {
            throw new IllegalArgumentException(
                    "the model size "
                            + modelSize
                            + " is no multiple of the number of heads "
                            + heads);
        }
    }

    /**
     * Reads the settings from a stored model's arguments.
     *
     * @param arguments the arguments, numbers or strings
     * @return the settings
     * @throws IllegalArgumentException if one is missing or out of its range
     */
    public static InContextSettings fromArguments(Map<String, ?> arguments) {
        for (String key :
                new String[] {
                    "architecture", "layers", "dims", "points", "modelSize", "heads", "stateSize"
                }) {
            if (arguments.get(key) == null) {
                throw new IllegalArgumentException(
                        "the model's metadata or serving.properties do not name \"" + key + "\"");
            }
        }
        return new InContextSettings(
                ArgumentsUtil.stringValue(arguments, "architecture", null),
                ArgumentsUtil.intValue(arguments, "layers"),
                ArgumentsUtil.intValue(arguments, "dims"),
                ArgumentsUtil.intValue(arguments, "points"),
                ArgumentsUtil.intValue(arguments, "modelSize"),
                ArgumentsUtil.intValue(arguments, "heads"),
                ArgumentsUtil.intValue(arguments, "stateSize"));
    }

    /**
     * Returns the settings under the names that {@link #fromArguments} reads.
     *
     * @return the arguments, in order
     */
    public Map<String, Object> toArguments() {
        Map<String, Object> arguments = new LinkedHashMap<>();
        arguments.put("architecture", architecture);
        arguments.put("layers", layers);
        arguments.put("dims", dims);
        arguments.put("points", points);
        arguments.put("modelSize", modelSize);
        arguments.put("heads", heads);
        arguments.put("stateSize", stateSize);
        return arguments;
    }

    /**
     * Returns the stack of layers that these settings describe.
     *
     * @return the stack's options
     * @throws IllegalArgumentException if the architecture is neither a name nor a pattern, or the
     *     number of layers does not fit it
     */
    public HybridStackOptions stackOptions() {
        // A token for each x and each y, and as many again to go beyond, as GPT-2 had in the study.
        long positions = 4L * points;
        HybridStackOptions options =
                switch (architecture) {
                    case MAMBAFORMER -> HybridStackOptions.mambaFormer(modelSize, layers);
                    case MAMBA, MAMBA2 -> HybridStackOptions.mamba(modelSize, layers);
                    case TRANSFORMER ->
                            HybridStackOptions.transformer(modelSize, layers, positions);
                    case HYBRID -> HybridStackOptions.standardHybrid(modelSize, layers, positions);
                    default -> HybridStackOptions.of(modelSize, parse());
                };
        AttentionOptions attention = (AttentionOptions) options.mixers().get(LayerSymbol.ATTENTION);
        MixerOptions mamba =
                architecture.equals(MAMBA2)
                        ? Mamba2Options.DEFAULTS
                                .withStateSize(stateSize)
                                .withHeadSize(modelSize / heads)
                        : MambaOptions.DEFAULTS.withStateSize(stateSize);
        return options.withMixer(LayerSymbol.ATTENTION, attention.withHeads(heads))
                .withMixer(LayerSymbol.MAMBA, mamba);
    }

    private LayerPattern parse() {
        try {
            return LayerPattern.parse(architecture);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "the architecture \""
                            + architecture
                            + "\" is neither "
                            + String.join(", ", ARCHITECTURES)
                            + " nor a pattern of layers such as M*M-: "
                            + e.getMessage(),
                    e);
        }
    }

    /**
     * Checks that a prompt fits a model of these settings.
     *
     * @param promptDims the size of its xs
     * @param promptPoints the number of its xs
     * @throws IllegalArgumentException if it does not
     */
    void checkPrompt(long promptDims, long promptPoints) {
        if (promptDims != dims) {
            throw new IllegalArgumentException(
                    "the prompt's xs have " + promptDims + " numbers, but the model takes " + dims);
        }
        boolean positions = architecture.equals(TRANSFORMER) || architecture.equals(HYBRID);
        if (positions && promptPoints > 2L * points) {
            throw new IllegalArgumentException(
                    "the prompt has "
                            + promptPoints
                            + " points, but the model, whose positions are learned, takes at most "
                            + 2L * points);
        }
    }

    private static void requirePositive(String name, int value) {
        if (value < 1) {
            throw new IllegalArgumentException(name + " is " + value + "; expected at least 1");
        }
    }
}
