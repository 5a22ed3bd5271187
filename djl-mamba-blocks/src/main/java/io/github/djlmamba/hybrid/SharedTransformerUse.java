/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.hybrid;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.github.djlmamba.attention.AttentionHeads;
import io.github.djlmamba.attention.AttentionState;
import io.github.djlmamba.feedforward.LowRankAdapter;
import io.github.djlmamba.feedforward.Projection;
import io.github.djlmamba.state.MixerInput;
import io.github.djlmamba.state.MixerOutput;
import io.github.djlmamba.state.SequenceMixer;

/**
 * One use of a {@link SharedTransformerBlock}: what a layer adds to its own input. It holds the
 * adapters and the projection after the block, and refers to the block, which the stack holds.
 */
final class SharedTransformerUse extends SequenceMixer {

    private static final byte VERSION = 1;

    private final SharedTransformerBlock block;
    private final SharedTransformerAdapters adapters;
    private final Projection linear;

    SharedTransformerUse(
            SharedTransformerOptions options, SharedTransformerBlock block, long modelSize) {
        super(VERSION, modelSize);
        this.block = block;
        AttentionHeads heads = block.heads();
        long rank = options.adapterRank();
        boolean adapted = options.attentionAdapters();
        adapters =
                new SharedTransformerAdapters(
                        adapted ? adapter("q", 2 * modelSize, rank, heads.mixedSize()) : null,
                        adapted ? adapter("k", 2 * modelSize, rank, heads.keysSize()) : null,
                        adapted ? adapter("v", 2 * modelSize, rank, heads.keysSize()) : null,
                        rank > 0 ? adapter("gate_up", modelSize, rank, block.gateUpSize()) : null);
        linear =
                addChildBlock(
                        "linear",
                        Projection.builder()
                                .setInputs(modelSize)
                                .setOutputs(modelSize)
                                .optBias(false)
                                .build());
    }

    private LowRankAdapter adapter(String name, long inputs, long rank, long outputs) {
        return addChildBlock(name + "_adapter", new LowRankAdapter(inputs, rank, outputs));
    }

    /** {@inheritDoc} */
    @Override
    protected MixerOutput compute(MixerInput input) {
        NDArray x = input.x();
        NDArray stackInput = input.stackInput();
        if (stackInput == null || !stackInput.getShape().equals(x.getShape())) {
            throw new IllegalArgumentException(
                    "shared transformer: the input of the stack has shape "
                            + (stackInput == null ? "null" : stackInput.getShape())
                            + "; expected that of the hidden vectors, "
                            + x.getShape());
        }
        AttentionState past = continued(AttentionState.class, input.before(), x);
        MixerOutput transformed = block.transform(input, x.concat(stackInput, 2), past, adapters);
        NDArray output =
                linear.project(input.parameterStore(), transformed.output(), input.training());
        return new MixerOutput(output, transformed.state());
    }

    /** {@inheritDoc} */
    @Override
    protected void initializeChildBlocks(NDManager manager, DataType dataType, Shape... shapes) {
        Shape tokens = shapes[0].slice(0, 2);
        Shape joined = tokens.add(2 * modelSize());
        if (adapters.query() != null) {
            adapters.query().initialize(manager, dataType, joined);
            adapters.key().initialize(manager, dataType, joined);
            adapters.value().initialize(manager, dataType, joined);
        }
        if (adapters.gateUp() != null) {
            adapters.gateUp().initialize(manager, dataType, shapes[0]);
        }
        linear.initialize(manager, dataType, shapes[0]);
    }
}
