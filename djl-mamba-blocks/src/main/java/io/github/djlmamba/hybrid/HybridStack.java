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
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.ndarray.types.SparseFormat;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.nn.core.Embedding;
import ai.djl.training.ParameterStore;
import ai.djl.training.initializer.NormalInitializer;
import io.github.djlmamba.ops.PackedSequences;
import io.github.djlmamba.state.MixerInput;
import io.github.djlmamba.state.MixerOutput;
import io.github.djlmamba.state.MixerState;
import io.github.djlmamba.state.SequenceMixer;
import io.github.djlmamba.state.SequencePositions;
import io.github.djlmamba.state.StackState;
import java.util.ArrayList;
import java.util.List;
import org.apiguardian.api.API;

/**
 * A stack of pre-norm residual layers, made from a {@link LayerPattern} and the settings of each
 * kind of layer:
 *
 * <pre>
 *   h      = x + positions[p : p + L]      (if positions are learned; p tokens came before x)
 *   h      = h + f mixer_i(norm_i(h))      (for each layer i of the pattern)
 *   output = norm(h)
 * </pre>
 *
 * <p>A layer with a shared transformer block is as {@link SharedTransformerOptions} says.
 *
 * <p>Shapes: x and the output (B, L, M). The stack is itself a mixer; its state is a {@link
 * StackState}. It holds neither embedding nor head. Predictions are thread safe.
 *
 * <p>Parameters are named by layer: {@code 01layer_02mixer_...}, where the number counts layers
 * from 1; the last norm follows the layers, then the shared transformer blocks, each once however
 * many layers use it; the position table, called positions, comes first. The table starts normal
 * with a deviation of 0.02.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class HybridStack extends SequenceMixer {

    private static final byte VERSION = 1;
    private static final float POSITION_DEVIATION = 0.02f;

    private final HybridStackOptions options;
    private final Parameter positions;
    private final List<ResidualLayer> layers = new ArrayList<>();
    private final List<SharedTransformerBlock> shared = new ArrayList<>();
    private final Block norm;

    /**
     * Makes a stack.
     *
     * @param options the settings
     * @throws IllegalArgumentException if the settings of a layer do not fit the model size
     */
    public HybridStack(HybridStackOptions options) {
        super(VERSION, options.modelSize());
        this.options = options;
        positions =
                options.positions() == 0
                        ? null
                        : addParameter(
                                Parameter.builder()
                                        .setName("positions")
                                        .setType(Parameter.Type.WEIGHT)
                                        .optShape(
                                                new Shape(options.positions(), options.modelSize()))
                                        .optInitializer(new NormalInitializer(POSITION_DEVIATION))
                                        .build());
        LayerPattern pattern = options.pattern();
        double outputScale = options.rescaleOutputs() ? 1 / Math.sqrt(pattern.size()) : 1;
        int uses = 0;
        for (LayerSymbol kind : pattern.layers()) {
            SequenceMixer mixer =
                    options.mixers().get(kind).newMixer(options.modelSize(), outputScale);
            SequenceMixer addition = kind == LayerSymbol.SHARED ? sharedUse(uses++) : null;
            layers.add(addChildBlock("layer", new ResidualLayer(options, mixer, addition)));
        }
        norm = addChildBlock("norm", options.norm().newBlock(options.modelSize()));
        shared.forEach(block -> addChildBlock("shared", block));
    }

    /** The n-th use of the shared blocks, which are made when they are first used. */
    private SequenceMixer sharedUse(int n) {
        SharedTransformerOptions settings = options.shared();
        if (n < settings.blocks()) {
            shared.add(new SharedTransformerBlock(settings, options.norm(), options.modelSize()));
        }
        return new SharedTransformerUse(
                settings, shared.get(n % settings.blocks()), options.modelSize());
    }

    /**
     * Returns the settings.
     *
     * @return the settings
     */
    public HybridStackOptions options() {
        return options;
    }

    /** {@inheritDoc} */
    @Override
    protected MixerOutput compute(MixerInput input) {
        NDArray x = input.x();
        ParameterStore parameterStore = input.parameterStore();
        boolean training = input.training();
        StackState state = input.before() == null ? null : ofType(StackState.class, input.before());
        if (state != null && state.layers().size() != layers.size()) {
            throw new IllegalArgumentException(
                    "hybrid stack: the state is of "
                            + state.layers().size()
                            + " layers but the stack has "
                            + layers.size()
                            + "; give the state that this stack left");
        }
        SequencePositions seen = seen(state, x.getShape());
        SequencePositions after = seen.plus(x.getShape().get(1));
        NDArray first = positions == null ? x : positioned(input, seen);
        MixerInput inside = input.withStackInput(first);
        NDArray hidden = first;
        List<MixerState> states = new ArrayList<>(layers.size());
        for (int i = 0; i < layers.size(); i++) {
            MixerState layerState = state == null ? null : state.layers().get(i);
            MixerOutput mixed = layers.get(i).mix(inside.with(hidden, layerState));
            if (hidden != first) {
                hidden.close();
            }
            hidden = mixed.output();
            states.add(mixed.state());
        }
        NDArray output =
                norm.forward(parameterStore, new NDList(hidden), training).singletonOrThrow();
        return new MixerOutput(output, input.keepState() ? new StackState(states, after) : null);
    }

    private static SequencePositions seen(StackState state, Shape shape) {
        if (state == null) {
            return SequencePositions.alike(shape.get(0), 0);
        }
        if (state.positions().size() != shape.get(0)) {
            throw new IllegalArgumentException(
                    "hybrid stack: the state is of a batch of "
                            + state.positions().size()
                            + " but the input has shape "
                            + shape
                            + "; continue with the batch that left the state");
        }
        return state.positions();
    }

    private NDArray positioned(MixerInput input, SequencePositions seen) {
        NDArray x = input.x();
        long length = x.getShape().get(1);
        PackedSequences sequences = input.sequences();
        long end = sequences == null ? seen.greatest() + length : sequences.longest();
        if (end > options.positions()) {
            throw new IllegalArgumentException(
                    "hybrid stack: the sequence reaches position "
                            + end
                            + " but the stack has learned positions for "
                            + options.positions()
                            + " tokens; shorten it or build the stack with more positions");
        }
        NDArray table = input.value(positions);
        List<SequencePositions.Run> runs = seen.runs();
        if (sequences == null && runs.size() == 1) {
            long position = runs.get(0).position();
            return x.add(table.get(new NDIndex().addSliceDim(position, end).addAllDim()));
        }
        long[] places = sequences == null ? indices(seen, length) : sequences.positions();
        try (NDArray indices = x.getManager().create(places, x.getShape().slice(0, 2))) {
            // A copy, since the array itself lies in memory that the JVM may free before the
            // backward pass reads it.
            NDArray kept = indices.duplicate();
            return x.add(Embedding.embedding(kept, table, SparseFormat.DENSE).singletonOrThrow());
        }
    }

    private static long[] indices(SequencePositions seen, long length) {
        int tokens = Math.toIntExact(length);
        long[] indices = new long[Math.multiplyExact(seen.size(), tokens)];
        for (int i = 0; i < indices.length; i++) {
            indices[i] = seen.get(i / tokens) + i % tokens;
        }
        return indices;
    }

    /** {@inheritDoc} */
    @Override
    protected void initializeChildBlocks(NDManager manager, DataType dataType, Shape... shapes) {
        for (ResidualLayer layer : layers) {
            layer.initialize(manager, dataType, shapes);
        }
        norm.initialize(manager, dataType, shapes);
        Shape joined = shapes[0].slice(0, 2).add(2 * options.modelSize());
        for (SharedTransformerBlock block : shared) {
            block.initialize(manager, dataType, joined);
        }
    }
}
