/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.state;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import io.github.djlmamba.ops.GradientMode;
import io.github.djlmamba.ops.PackedSequences;
import io.github.djlmamba.ops.ResidualNorm;
import io.github.djlmamba.ops.ResultScope;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.apiguardian.api.API;

/**
 * A block that maps a sequence (B, L, M) to one of the same shape, each output depending on its own
 * and earlier inputs only.
 *
 * <p>One method, {@link #mix}, answers for the whole sequence, for a prefix that leaves a state and
 * for more tokens from a state, always with the same result; the block's ordinary {@code forward}
 * is the whole sequence. It also takes sequences that lie side by side in the rows of one batch, by
 * the number of the sequence that each token belongs to, (B, L), as a second input; each is then
 * mixed by itself, as {@link PackedSequences} says. Every array made on the way is closed before
 * the call returns: only the output and the state remain, in the manager of the input. With {@code
 * training = false} nothing is recorded for a gradient, whatever the mode of the calling thread.
 *
 * <p>Predicting from several threads at once is safe as long as no parameter changes meanwhile.
 */
@API(status = API.Status.EXPERIMENTAL)
public abstract class SequenceMixer extends AbstractBlock {

    private final long modelSize;
    private volatile List<Parameter> ownParameters;

    /**
     * Makes a mixer.
     *
     * @param version the version of the block's saved form
     * @param modelSize the size M of the vectors
     * @throws IllegalArgumentException if the size is not positive
     */
    protected SequenceMixer(byte version, long modelSize) {
        super(version);
        if (modelSize <= 0) {
            throw new IllegalArgumentException(
                    getClass().getSimpleName()
                            + ": the model size is "
                            + modelSize
                            + "; set a positive one with setModelSize");
        }
        this.modelSize = modelSize;
    }

    /**
     * Returns the size of the vectors.
     *
     * @return M
     */
    public final long modelSize() {
        return modelSize;
    }

    /**
     * Mixes a whole sequence, a prefix or a continuation.
     *
     * @param parameterStore where the parameters' values come from
     * @param x the sequence, of shape (B, L, M); L may be 0
     * @param before the state after the tokens before x; null at the start of a sequence
     * @param keepState whether the state after x is wanted
     * @param training true to record for a gradient, false to predict
     * @return the output, and the state if it is wanted, in x's manager
     * @throws IllegalArgumentException if x or the state does not fit this block
     * @throws IllegalStateException if x or the state is closed
     */
    public final MixerOutput mix(
            ParameterStore parameterStore,
            NDArray x,
            MixerState before,
            boolean keepState,
            boolean training) {
        return mix(new MixerInput(parameterStore, x, null, before, keepState, training));
    }

    /**
     * Mixes a whole sequence, a prefix or a continuation, as {@link #mix(ParameterStore, NDArray,
     * MixerState, boolean, boolean)} does.
     *
     * @param input what is given
     * @return the output, and the state if it is wanted, in the manager of the input's x
     * @throws IllegalArgumentException if the input does not fit this block
     * @throws IllegalStateException if an array of the input is closed
     */
    public final MixerOutput mix(MixerInput input) {
        return mix(input, null);
    }

    /**
     * Predicts by the residual layer around this mixer in one call of the provider of ops, where
     * both have such a call. For the stacks of this library.
     *
     * @param input what is given to the layer
     * @param around what the layer adds
     * @return the layer's output, and the state if it is wanted, in the manager of the input's x;
     *     null where there is no such call
     * @throws IllegalArgumentException if the input does not fit this block
     * @throws IllegalStateException if an array of the input is closed
     */
    @API(status = API.Status.INTERNAL)
    public final MixerOutput mixLayer(MixerInput input, ResidualNorm around) {
        Objects.requireNonNull(around, "around");
        return input.isPlainPrediction() && hasLayerCall() ? mix(input, around) : null;
    }

    private MixerOutput mix(MixerInput input, ResidualNorm around) {
        checkOpen("the input", input.x());
        Shape shape = input.x().getShape();
        checkShape(shape);
        if (input.sequences() != null) {
            checkSequences(input.sequences(), shape);
        }
        return input.training()
                ? scoped(input, around)
                : GradientMode.off(() -> scoped(input, around));
    }

    /**
     * Does the work of {@link #mix}, whose checks of x have been made. Both results must be new
     * arrays. All other arrays made here are closed by the caller; what a gradient needs of them is
     * held by its graph.
     *
     * @param input what is given
     * @return the output and the state
     */
    protected abstract MixerOutput compute(MixerInput input);

    /**
     * Returns whether this mixer, as it is set up, has a call for the layer around it.
     *
     * @return true if {@link #computeLayer} may answer
     */
    @API(status = API.Status.INTERNAL)
    protected boolean hasLayerCall() {
        return false;
    }

    /**
     * Does the work of {@link #mixLayer}, as {@link #compute} does that of {@link #mix}.
     *
     * @param input what is given to the layer
     * @param around what the layer adds
     * @return the layer's output and the state, or null where there is no call for it
     */
    @API(status = API.Status.INTERNAL)
    protected MixerOutput computeLayer(MixerInput input, ResidualNorm around) {
        return null;
    }

    private MixerOutput scoped(MixerInput input, ResidualNorm around) {
        NDArray x = input.x();
        try (ResultScope scope = new ResultScope(x.getManager())) {
            // A store may copy a parameter on first use, and keeps the copy beyond this scope.
            for (Parameter parameter : ownParameters()) {
                NDArray value = input.value(parameter);
                scope.spare(value);
                checkType(x, parameter, value);
            }
            MixerOutput result = around == null ? compute(input) : computeLayer(input, around);
            if (result == null) {
                return null;
            }
            scope.keep(result.output());
            if (result.state() != null) {
                scope.keep(result.state().arrays());
            }
            return result;
        }
    }

    /** The parameters that this block reads itself: all but those of the mixers inside it. */
    private List<Parameter> ownParameters() {
        List<Parameter> found = ownParameters;
        if (found == null) {
            List<Parameter> collected = new ArrayList<>();
            collect(this, collected);
            found = List.copyOf(collected);
            ownParameters = found;
        }
        return found;
    }

    private static void collect(Block block, List<Parameter> into) {
        into.addAll(block.getDirectParameters().values());
        for (Block child : block.getChildren().values()) {
            if (!(child instanceof SequenceMixer)) {
                collect(child, into);
            }
        }
    }

    /**
     * Returns a state as the kind that this block continues from, after checking that it is open
     * and of x's batch.
     *
     * @param <S> the kind of state
     * @param type the kind of state
     * @param before the state given, or null
     * @param x the input that continues it
     * @return the state, or null at the start of a sequence
     */
    protected final <S extends MixerState> S continued(
            Class<S> type, MixerState before, NDArray x) {
        if (before == null) {
            return null;
        }
        S state = ofType(type, before);
        for (NDArray array : state.arrays()) {
            checkOpen("the state", array);
            if (array.getShape().get(0) != x.getShape().get(0)) {
                throw new IllegalArgumentException(
                        getClass().getSimpleName()
                                + ": the state is of a batch of "
                                + array.getShape().get(0)
                                + " but the input has shape "
                                + x.getShape()
                                + "; continue with the batch that left the state");
            }
        }
        return state;
    }

    /**
     * Returns a state as the kind that this block continues from.
     *
     * @param <S> the kind of state
     * @param type the kind of state
     * @param before the state given, not null
     * @return the state
     */
    protected final <S extends MixerState> S ofType(Class<S> type, MixerState before) {
        if (!type.isInstance(before)) {
            throw new IllegalArgumentException(
                    getClass().getSimpleName()
                            + ": continues from a "
                            + type.getSimpleName()
                            + " but the state is a "
                            + before.getClass().getSimpleName()
                            + "; give the state that this block left");
        }
        return type.cast(before);
    }

    /** {@inheritDoc} */
    @Override
    protected final NDList forwardInternal(
            ParameterStore parameterStore,
            NDList inputs,
            boolean training,
            PairList<String, Object> params) {
        MixerInput input =
                new MixerInput(
                        parameterStore,
                        inputs.head(),
                        inputs.size() == 1 ? null : PackedSequences.ofIndices(inputs.get(1)),
                        null,
                        false,
                        training);
        return new NDList(mix(input).output());
    }

    /** {@inheritDoc} */
    @Override
    public final Shape[] getOutputShapes(Shape[] shapes) {
        return new Shape[] {shapes[0]};
    }

    /** {@inheritDoc} */
    @Override
    protected final void prepare(Shape[] shapes) {
        if (shapes.length != 1 && shapes.length != 2) {
            throw new IllegalArgumentException(
                    getClass().getSimpleName()
                            + ": takes a sequence, and the indices of packed sequences if there are any,"
                            + " but got "
                            + shapes.length
                            + " arrays");
        }
        checkShape(shapes[0]);
    }

    private void checkShape(Shape shape) {
        if (shape.dimension() != 3 || shape.get(2) != modelSize) {
            throw new IllegalArgumentException(
                    getClass().getSimpleName()
                            + ": the input has shape "
                            + shape
                            + "; expected (B, L, M) with M = "
                            + modelSize);
        }
    }

    private void checkSequences(PackedSequences sequences, Shape shape) {
        if (sequences.batch() != shape.get(0) || sequences.length() != shape.get(1)) {
            throw new IllegalArgumentException(
                    getClass().getSimpleName()
                            + ": the packed sequences are of "
                            + sequences.batch()
                            + " rows of "
                            + sequences.length()
                            + " tokens but the input has shape "
                            + shape
                            + "; pack as many tokens as there are");
        }
    }

    private void checkType(NDArray x, Parameter parameter, NDArray value) {
        DataType type = x.getDataType();
        // bfloat16 has no name in DJL: that of activations, or of weights beside float32 ones.
        boolean stored = type == DataType.FLOAT32 && value.getDataType() == DataType.UNKNOWN;
        if (type != value.getDataType() && type != DataType.UNKNOWN && !stored) {
            throw new IllegalArgumentException(
                    getClass().getSimpleName()
                            + ": the input has type "
                            + type
                            + " but the parameter "
                            + parameter.getName()
                            + " has "
                            + value.getDataType()
                            + "; convert the input with toType, or initialize the block in its"
                            + " type");
        }
    }

    private void checkOpen(String name, NDArray array) {
        if (array == null) {
            throw new IllegalArgumentException(
                    getClass().getSimpleName() + ": " + name + " is null; an array is needed");
        }
        if (array.isReleased()) {
            throw new IllegalStateException(
                    getClass().getSimpleName()
                            + ": "
                            + name
                            + " is closed; keep it, and the manager that owns it, open until it has"
                            + " been used");
        }
    }
}
