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
import io.github.djlmamba.hybrid.ParallelMixerOptions.Branch;
import io.github.djlmamba.ops.Scalars;
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
 * Mixers side by side, whose outputs are added (Zuo et al., 2025, "Falcon-H1", section 2.1, with
 * attention and a state space mixer):
 *
 * <pre>
 *   y = sum over i of out_i mixer_i(in_i x),   in_i and out_i fixed factors, usually 1
 * </pre>
 *
 * <p>Shapes: x and y (B, L, M). The state is a {@link StackState} of the mixers' states. Parameters
 * are named by mixer, {@code 01branch_...}. Predictions are thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class ParallelMixer extends SequenceMixer {

    private static final byte VERSION = 1;

    private final List<Branch> options;
    private final List<SequenceMixer> branches = new ArrayList<>();

    /**
     * Makes a mixer.
     *
     * @param modelSize the size M of the vectors
     * @param options the settings
     * @param outputScale the factor on the initial weights of the mixers' output projections
     * @throws IllegalArgumentException if the settings of a branch do not fit the model size
     */
    public ParallelMixer(long modelSize, ParallelMixerOptions options, double outputScale) {
        super(VERSION, modelSize);
        this.options = options.branches();
        for (Branch branch : this.options) {
            branches.add(addChildBlock("branch", branch.mixer().newMixer(modelSize, outputScale)));
        }
    }

    /** {@inheritDoc} */
    @Override
    protected MixerOutput compute(MixerInput input) {
        NDArray x = input.x();
        StackState before = input.before() == null ? null : before(input.before());
        List<MixerState> states = new ArrayList<>();
        NDArray sum = null;
        for (int i = 0; i < branches.size(); i++) {
            NDArray scaled = scaled(x, options.get(i).inputMultiplier());
            MixerState state = before == null ? null : before.layers().get(i);
            MixerOutput mixed = branches.get(i).mix(input.with(scaled, state));
            NDArray output = scaled(mixed.output(), options.get(i).outputMultiplier());
            sum = sum == null ? output : sum.add(output);
            states.add(mixed.state());
        }
        if (!input.keepState()) {
            return new MixerOutput(sum, null);
        }
        SequencePositions seen =
                before == null
                        ? SequencePositions.alike(x.getShape().get(0), 0)
                        : before.positions();
        return new MixerOutput(sum, new StackState(states, seen.plus(x.getShape().get(1))));
    }

    private StackState before(MixerState state) {
        StackState before = ofType(StackState.class, state);
        if (before.layers().size() != branches.size()) {
            throw new IllegalArgumentException(
                    "parallel mixer: the state is of "
                            + before.layers().size()
                            + " mixers but there are "
                            + branches.size()
                            + "; give the state that this block left");
        }
        return before;
    }

    private static NDArray scaled(NDArray x, double factor) {
        return factor == 1 ? x : x.mul(Scalars.like(x, factor));
    }

    /** {@inheritDoc} */
    @Override
    protected void initializeChildBlocks(NDManager manager, DataType dataType, Shape... shapes) {
        for (SequenceMixer branch : branches) {
            branch.initialize(manager, dataType, shapes);
        }
    }
}
