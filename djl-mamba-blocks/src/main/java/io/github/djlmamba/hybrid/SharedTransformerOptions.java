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
import io.github.djlmamba.feedforward.GatedMlpOptions;
import io.github.djlmamba.feedforward.MlpActivation;
import org.apiguardian.api.API;

/**
 * The settings of the transformer blocks that layers of the kind {@link LayerSymbol#SHARED} share
 * (Glorioso et al., 2024, "Zamba", section 2; "The Zamba2 Suite", section 2). Such a layer is, with
 * e the input of the stack and the block's parameters the same wherever the block is used:
 *
 * <pre>
 *   a      = attention(norm([h; e]))                       (vectors of size 2 M in, of size M out)
 *   t      = linear(gated_mlp(norm(a)))                    (neither is added to its own input)
 *   output = h + mixer(norm(h + t))
 * </pre>
 *
 * <p>The n-th such layer uses block n modulo the number of blocks. Its mixer, the norm before it
 * and {@code linear}, without a bias, are the layer's own, as are the adapters, if there are any:
 * products of two narrow matrices that are added to the block's projections. Attention keeps keys
 * and values for each layer. Immutable and thread safe.
 *
 * @param blocks the number of blocks that are used in turn
 * @param attention the settings of attention; a head size of 0 stands for 2 M / H
 * @param mlp the settings of the MLP
 * @param adapterRank the rank R of each layer's adapter of the MLP's gate_up_proj; 0 for no
 *     adapters
 * @param attentionAdapters whether each layer has adapters of queries, keys and values too
 */
@API(status = API.Status.EXPERIMENTAL)
public record SharedTransformerOptions(
        int blocks,
        AttentionOptions attention,
        GatedMlpOptions mlp,
        long adapterRank,
        boolean attentionAdapters) {

    /** One block with eight heads and a GELU gate, without biases or adapters. */
    public static final SharedTransformerOptions DEFAULTS =
            new SharedTransformerOptions(
                    1,
                    AttentionOptions.DEFAULTS.withBias(false),
                    GatedMlpOptions.DEFAULTS.withActivation(MlpActivation.GELU),
                    0,
                    false);

    /**
     * Checks the settings.
     *
     * @throws IllegalArgumentException if one is missing or out of range
     */
    public SharedTransformerOptions {
        if (blocks <= 0) {
            throw new IllegalArgumentException(
                    "shared transformer: the number of blocks is "
                            + blocks
                            + "; expected 1 or more");
        }
        if (attention == null || mlp == null) {
            throw new IllegalArgumentException(
                    "shared transformer: the settings of attention and of the MLP are both needed,"
                            + " but one is null");
        }
        if (adapterRank < 0 || (adapterRank == 0 && attentionAdapters)) {
            throw new IllegalArgumentException(
                    "shared transformer: the rank of the adapters is "
                            + adapterRank
                            + "; expected 1 or more, or 0 for no adapters at all");
        }
    }

    /**
     * Returns these settings with another number of blocks.
     *
     * @param number the number of blocks that are used in turn
     * @return the settings
     */
    public SharedTransformerOptions withBlocks(int number) {
        return new SharedTransformerOptions(number, attention, mlp, adapterRank, attentionAdapters);
    }

    /**
     * Returns these settings with other attention.
     *
     * @param options the settings of attention
     * @return the settings
     */
    public SharedTransformerOptions withAttention(AttentionOptions options) {
        return new SharedTransformerOptions(blocks, options, mlp, adapterRank, attentionAdapters);
    }

    /**
     * Returns these settings with another MLP.
     *
     * @param options the settings of the MLP
     * @return the settings
     */
    public SharedTransformerOptions withMlp(GatedMlpOptions options) {
        return new SharedTransformerOptions(
                blocks, attention, options, adapterRank, attentionAdapters);
    }

    /**
     * Returns these settings with other adapters.
     *
     * @param rank the rank R, or 0 for none
     * @param ofAttention whether queries, keys and values have them too
     * @return the settings
     */
    public SharedTransformerOptions withAdapters(long rank, boolean ofAttention) {
        return new SharedTransformerOptions(blocks, attention, mlp, rank, ofAttention);
    }
}
