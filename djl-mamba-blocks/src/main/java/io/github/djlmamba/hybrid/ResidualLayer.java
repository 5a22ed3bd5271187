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
import io.github.djlmamba.norm.NormOptions;
import io.github.djlmamba.state.MixerInput;
import io.github.djlmamba.state.MixerOutput;
import io.github.djlmamba.state.SequenceMixer;

/** One layer of a stack: h + mixer(norm(h)), with the mixer's state. */
final class ResidualLayer extends SequenceMixer {

    private static final byte VERSION = 1;

    private final Block norm;
    private final SequenceMixer mixer;

    ResidualLayer(NormOptions normOptions, SequenceMixer mixer) {
        super(VERSION, mixer.modelSize());
        norm = addChildBlock("norm", normOptions.newBlock(mixer.modelSize()));
        this.mixer = addChildBlock("mixer", mixer);
    }

    /** {@inheritDoc} */
    @Override
    protected MixerOutput compute(MixerInput input) {
        NDArray x = input.x();
        ParameterStore parameterStore = input.parameterStore();
        boolean training = input.training();
        NDArray normed = norm.forward(parameterStore, new NDList(x), training).singletonOrThrow();
        MixerOutput mixed = mixer.mix(input.with(normed, input.before()));
        return new MixerOutput(x.add(mixed.output()), mixed.state());
    }

    /** {@inheritDoc} */
    @Override
    protected void initializeChildBlocks(NDManager manager, DataType dataType, Shape... shapes) {
        norm.initialize(manager, dataType, shapes);
        mixer.initialize(manager, dataType, shapes);
    }
}
