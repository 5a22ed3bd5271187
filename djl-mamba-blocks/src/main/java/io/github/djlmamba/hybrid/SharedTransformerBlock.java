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
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Block;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import io.github.djlmamba.attention.AttentionHeads;
import io.github.djlmamba.attention.AttentionOptions;
import io.github.djlmamba.attention.AttentionState;
import io.github.djlmamba.feedforward.GatedMlpOptions;
import io.github.djlmamba.feedforward.MlpActivation;
import io.github.djlmamba.feedforward.Projection;
import io.github.djlmamba.norm.NormOptions;
import io.github.djlmamba.state.MixerInput;
import io.github.djlmamba.state.MixerOutput;

/**
 * The parameters that several layers share, and what they do: (B, L, 2 M) to (B, L, M), as {@link
 * SharedTransformerOptions} says. It is a child of the stack, once, and the layers refer to it.
 */
final class SharedTransformerBlock extends AbstractBlock {

    private static final byte VERSION = 1;

    private final long modelSize;
    private final long hidden;
    private final MlpActivation activation;
    private final AttentionHeads heads;
    private final Block attentionNorm;
    private final Projection inProjection;
    private final Projection outProjection;
    private final Block mlpNorm;
    private final Projection gateUpProjection;
    private final Projection downProjection;

    SharedTransformerBlock(SharedTransformerOptions options, NormOptions norm, long modelSize) {
        super(VERSION);
        this.modelSize = modelSize;
        AttentionOptions attention = options.attention();
        GatedMlpOptions mlp = options.mlp();
        heads = new AttentionHeads(attention, 2 * modelSize);
        hidden = mlp.hiddenSizeFor(modelSize);
        activation = mlp.activation();
        attentionNorm = addChildBlock("attention_norm", norm.newBlock(2 * modelSize));
        inProjection =
                projection(
                        "qkv_proj",
                        2 * modelSize,
                        heads.projectedSize(),
                        attention.bias(),
                        attention.initialDeviation());
        outProjection =
                projection(
                        "out_proj",
                        heads.mixedSize(),
                        modelSize,
                        attention.bias(),
                        attention.initialDeviation());
        mlpNorm = addChildBlock("mlp_norm", norm.newBlock(modelSize));
        gateUpProjection =
                projection(
                        "gate_up_proj", modelSize, 2 * hidden, mlp.bias(), mlp.initialDeviation());
        downProjection =
                projection("down_proj", hidden, modelSize, mlp.bias(), mlp.initialDeviation());
    }

    private Projection projection(
            String name, long inputs, long outputs, boolean bias, double deviation) {
        return addChildBlock(
                name,
                Projection.builder()
                        .setInputs(inputs)
                        .setOutputs(outputs)
                        .optBias(bias)
                        .optInitializer(Projection.weights(deviation, inputs, 1))
                        .build());
    }

    /** The number of values of queries, keys and values together. */
    AttentionHeads heads() {
        return heads;
    }

    /** The number of values of gate and up together: 2 F. */
    long gateUpSize() {
        return 2 * hidden;
    }

    /**
     * Computes the block's output for one of its uses.
     *
     * @param input what the use was given
     * @param joined the hidden vectors beside the stack's input, (B, L, 2 M)
     * @param past the state of this use, or null
     * @param adapters what this use adds
     * @return the output, (B, L, M), and the state if it is wanted
     */
    MixerOutput transform(
            MixerInput input,
            NDArray joined,
            AttentionState past,
            SharedTransformerAdapters adapters) {
        ParameterStore store = input.parameterStore();
        boolean training = input.training();
        NDArray normed = normed(attentionNorm, store, joined, training);
        NDArray projected = inProjection.project(store, normed, training);
        MixerOutput mixed =
                heads.mix(adapters.attention(store, projected, normed, training), input, past);
        NDArray attended = outProjection.project(store, mixed.output(), training);
        NDArray narrow = normed(mlpNorm, store, attended, training);
        NDArray gateUp =
                adapters.mlp(
                        store, gateUpProjection.project(store, narrow, training), narrow, training);
        NDList halves = gateUp.split(new long[] {hidden}, 2);
        NDArray gated = activation.gated(halves.get(0), halves.get(1));
        return new MixerOutput(downProjection.project(store, gated, training), mixed.state());
    }

    private static NDArray normed(Block norm, ParameterStore store, NDArray x, boolean training) {
        return norm.forward(store, new NDList(x), training).singletonOrThrow();
    }

    /** {@inheritDoc} */
    @Override
    protected NDList forwardInternal(
            ParameterStore parameterStore,
            NDList inputs,
            boolean training,
            PairList<String, Object> params) {
        NDArray joined = inputs.singletonOrThrow();
        MixerInput input = new MixerInput(parameterStore, joined, null, null, false, training);
        return new NDList(transform(input, joined, null, SharedTransformerAdapters.NONE).output());
    }

    /** {@inheritDoc} */
    @Override
    public Shape[] getOutputShapes(Shape[] shapes) {
        return new Shape[] {shapes[0].slice(0, 2).add(modelSize)};
    }

    /** {@inheritDoc} */
    @Override
    protected void initializeChildBlocks(NDManager manager, DataType dataType, Shape... shapes) {
        Shape tokens = shapes[0].slice(0, 2);
        attentionNorm.initialize(manager, dataType, shapes[0]);
        inProjection.initialize(manager, dataType, shapes[0]);
        outProjection.initialize(manager, dataType, tokens.add(heads.mixedSize()));
        mlpNorm.initialize(manager, dataType, tokens.add(modelSize));
        gateUpProjection.initialize(manager, dataType, tokens.add(modelSize));
        downProjection.initialize(manager, dataType, tokens.add(hidden));
    }
}
