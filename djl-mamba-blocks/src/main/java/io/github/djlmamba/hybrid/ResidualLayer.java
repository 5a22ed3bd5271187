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
import ai.djl.nn.Block;
import ai.djl.training.ParameterStore;
import io.github.djlmamba.norm.RmsNorm;
import io.github.djlmamba.ops.ResidualNorm;
import io.github.djlmamba.ops.Scalars;
import io.github.djlmamba.state.MixerInput;
import io.github.djlmamba.state.MixerOutput;
import io.github.djlmamba.state.MixerState;
import io.github.djlmamba.state.SequenceMixer;
import io.github.djlmamba.state.SequencePositions;
import io.github.djlmamba.state.StackState;
import java.util.List;

/**
 * One layer of a stack, with the mixer's state: h + f mixer(norm(h)), or h + f mixer(norm(h + t))
 * where f is a fixed factor, usually 1, and t is what a second mixer makes of h. The state is then
 * a {@link StackState} of the second mixer's and the mixer's.
 */
final class ResidualLayer extends SequenceMixer {

    private static final byte VERSION = 1;

    private final SequenceMixer addition;
    private final double multiplier;
    private final Block norm;
    private final SequenceMixer mixer;

    /**
     * Makes a layer.
     *
     * @param options the settings of the stack
     * @param mixer the mixer
     * @param addition what is added to the mixer's input alone, or null
     */
    ResidualLayer(HybridStackOptions options, SequenceMixer mixer, SequenceMixer addition) {
        super(VERSION, mixer.modelSize());
        multiplier = options.residualMultiplier();
        norm = addChildBlock("norm", options.norm().newBlock(mixer.modelSize()));
        this.mixer = addChildBlock("mixer", mixer);
        this.addition = addition == null ? null : addChildBlock("addition", addition);
    }

    /** {@inheritDoc} */
    @Override
    protected MixerOutput compute(MixerInput input) {
        if (addition != null) {
            return added(input);
        }
        MixerOutput whole = inOneCall(input);
        return whole == null ? mixed(input, input.x(), input.before()) : whole;
    }

    private MixerOutput inOneCall(MixerInput input) {
        if (!(norm instanceof RmsNorm)) {
            return null;
        }
        RmsNorm rmsNorm = (RmsNorm) norm;
        NDArray weight = input.value(rmsNorm.weight());
        return mixer.mixLayer(input, new ResidualNorm(weight, rmsNorm.epsilon(), multiplier));
    }

    private MixerOutput mixed(MixerInput input, NDArray mixerInput, MixerState before) {
        ParameterStore store = input.parameterStore();
        NDArray normed =
                norm.forward(store, new NDList(mixerInput), input.training()).singletonOrThrow();
        MixerOutput mixed = mixer.mix(input.with(normed, before));
        NDArray change = mixed.output();
        if (multiplier != 1) {
            change = change.mul(Scalars.like(change, multiplier));
        }
        return new MixerOutput(input.x().add(change), mixed.state());
    }

    private MixerOutput added(MixerInput input) {
        NDArray x = input.x();
        List<MixerState> before = List.of();
        SequencePositions seen = SequencePositions.alike(x.getShape().get(0), 0);
        if (input.before() != null) {
            StackState state = ofType(StackState.class, input.before());
            if (state.layers().size() != 2) {
                throw new IllegalArgumentException(
                        "shared transformer: the state of the layer is of "
                                + state.layers().size()
                                + " mixers; expected 2; give the state that this block left");
            }
            before = state.layers();
            seen = state.positions();
        }
        boolean start = before.isEmpty();
        MixerOutput addend = addition.mix(input.with(x, start ? null : before.get(0)));
        MixerOutput mixed = mixed(input, x.add(addend.output()), start ? null : before.get(1));
        return new MixerOutput(
                mixed.output(),
                input.keepState()
                        ? new StackState(
                                List.of(addend.state(), mixed.state()),
                                seen.plus(x.getShape().get(1)))
                        : null);
    }

    /** {@inheritDoc} */
    @Override
    protected void initializeChildBlocks(NDManager manager, DataType dataType, Shape... shapes) {
        norm.initialize(manager, dataType, shapes);
        mixer.initialize(manager, dataType, shapes);
        if (addition != null) {
            addition.initialize(manager, dataType, shapes);
        }
    }
}
