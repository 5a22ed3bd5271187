/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.language;

import ai.djl.inference.streaming.StreamingBlock;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.ndarray.types.SparseFormat;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Parameter;
import ai.djl.nn.core.Embedding;
import ai.djl.training.ParameterStore;
import ai.djl.training.initializer.NormalInitializer;
import ai.djl.util.PairList;
import io.github.djlmamba.feedforward.Projection;
import io.github.djlmamba.hybrid.HybridStack;
import io.github.djlmamba.ops.GradientMode;
import io.github.djlmamba.ops.Linear;
import io.github.djlmamba.ops.PackedSequences;
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.ops.ResultScope;
import io.github.djlmamba.ops.Scalars;
import io.github.djlmamba.state.MixerInput;
import io.github.djlmamba.state.MixerOutput;
import io.github.djlmamba.state.MixerState;
import java.util.Iterator;
import java.util.List;
import org.apiguardian.api.API;

/**
 * A causal language model:
 *
 * <pre>
 *   h      = embedding[ids] embeddingMultiplier
 *   logits = head(stack(h)) logitsMultiplier
 * </pre>
 *
 * <p>Shapes: ids (B, L), of type INT64, each at least 0 and below V; logits (B, L, V). The stack
 * ends in a norm of its own. Parameters: embedding (V, M), normal with a deviation of 0.02; those
 * of the stack; head.weight (V, M), unless it is the embedding.
 *
 * <p>The block's ordinary {@code forward} gives the logits of whole sequences, or of sequences that
 * lie side by side in the rows of ids, by the number of the sequence that each token belongs to,
 * (B, L), as a second input. {@link #run} continues from a state and leaves one. With {@code
 * training = false} nothing is recorded for a gradient. Predicting from several threads at once is
 * safe as long as no parameter changes.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class LanguageModel extends AbstractBlock implements StreamingBlock {

    private static final byte VERSION = 1;
    private static final float EMBEDDING_DEVIATION = 0.02f;

    private final LanguageModelOptions options;
    private final Parameter embedding;
    private final HybridStack stack;
    private final Projection head;

    /** For which tokens the next one is scored. */
    public enum Positions {
        /** For each. */
        ALL,
        /** For the last one of each sequence, which is all that generation needs. */
        LAST
    }

    /**
     * Makes a model.
     *
     * @param options the settings
     * @throws IllegalArgumentException if the settings of a layer do not fit the model size
     */
    public LanguageModel(LanguageModelOptions options) {
        super(VERSION);
        this.options = options;
        long size = options.stack().modelSize();
        embedding =
                addParameter(
                        Parameter.builder()
                                .setName("embedding")
                                .setType(Parameter.Type.WEIGHT)
                                .optShape(new Shape(options.vocabularySize(), size))
                                .optInitializer(new NormalInitializer(EMBEDDING_DEVIATION))
                                .build());
        stack = addChildBlock("stack", new HybridStack(options.stack()));
        head =
                options.tiedEmbeddings()
                        ? null
                        : addChildBlock(
                                "head",
                                Projection.builder()
                                        .setInputs(size)
                                        .setOutputs(options.vocabularySize())
                                        .optBias(false)
                                        .optInitializer(new NormalInitializer(EMBEDDING_DEVIATION))
                                        .build());
    }

    /**
     * Returns the settings.
     *
     * @return the settings
     */
    public LanguageModelOptions options() {
        return options;
    }

    /**
     * Scores the tokens after a sequence, a prefix or a continuation. Every array made on the way
     * is closed before the call returns.
     *
     * @param parameterStore where the parameters' values come from
     * @param ids the tokens, of shape (B, L) and type INT64
     * @param before the state after the tokens before; null at the start of a sequence
     * @param positions for which tokens the next one is scored
     * @param keepState whether the state after the last token is wanted
     * @param training true to record for a gradient, false to predict
     * @return the logits, and the state if it is wanted, in the manager of the ids
     * @throws IllegalArgumentException if ids or the state do not fit this model, or if the logits
     *     after the last of no tokens are asked for
     */
    public LanguageModelOutput run(
            ParameterStore parameterStore,
            NDArray ids,
            MixerState before,
            Positions positions,
            boolean keepState,
            boolean training) {
        return run(
                new MixerInput(parameterStore, ids, null, before, keepState, training), positions);
    }

    /** Takes the ids in the place of the stack's input. */
    private LanguageModelOutput run(MixerInput tokens, Positions positions) {
        checkIds(tokens.x(), positions);
        return tokens.training()
                ? scoped(tokens, positions)
                : GradientMode.off(() -> scoped(tokens, positions));
    }

    private LanguageModelOutput scoped(MixerInput tokens, Positions positions) {
        try (ResultScope scope = new ResultScope(tokens.x().getManager())) {
            NDArray table = tokens.value(embedding);
            // A store may copy a parameter on first use, and keeps the copy beyond this scope.
            scope.spare(table);
            MixerOutput mixed =
                    stack.mix(tokens.with(embedded(tokens.x(), table), tokens.before()));
            NDArray logits = scored(tokens, mixed.output(), positions, table);
            scope.keep(logits);
            if (mixed.state() != null) {
                scope.keep(mixed.state().arrays());
            }
            return new LanguageModelOutput(logits, mixed.state());
        }
    }

    private NDArray embedded(NDArray ids, NDArray table) {
        NDArray found = Embedding.embedding(ids, table, SparseFormat.DENSE).singletonOrThrow();
        if (table.getDataType() == DataType.UNKNOWN) {
            found = Precision.FLOAT32.cast(found);
        }
        return options.embeddingMultiplier() == 1
                ? found
                : found.mul(Scalars.like(found, options.embeddingMultiplier()));
    }

    private NDArray scored(MixerInput tokens, NDArray hidden, Positions positions, NDArray table) {
        NDArray wanted =
                positions == Positions.LAST && hidden.getShape().get(1) > 1
                        ? hidden.get(":, {}:", hidden.getShape().get(1) - 1)
                        : hidden;
        NDArray logits =
                head == null
                        ? Linear.of(wanted, table).run()
                        : head.project(tokens.parameterStore(), wanted, tokens.training());
        return options.logitsMultiplier() == 1
                ? logits
                : logits.mul(Scalars.like(logits, options.logitsMultiplier()));
    }

    private void checkIds(NDArray ids, Positions positions) {
        if (ids == null || ids.getDataType() != DataType.INT64 || ids.getShape().dimension() != 2) {
            throw new IllegalArgumentException(
                    "language model: the ids are "
                            + (ids == null ? "null" : ids.getDataType() + " " + ids.getShape())
                            + "; expected INT64 of shape (B, L)");
        }
        if (positions == Positions.LAST && ids.getShape().get(1) == 0) {
            throw new IllegalArgumentException(
                    "language model: there is no last token in ids of shape "
                            + ids.getShape()
                            + "; give one token or more");
        }
        for (long id : ids.toLongArray()) {
            if (id < 0 || id >= options.vocabularySize()) {
                throw new IllegalArgumentException(
                        "language model: the id "
                                + id
                                + " is not in the vocabulary; expected 0 to "
                                + (options.vocabularySize() - 1));
            }
        }
    }

    /** {@inheritDoc} */
    @Override
    protected NDList forwardInternal(
            ParameterStore parameterStore,
            NDList inputs,
            boolean training,
            PairList<String, Object> params) {
        if (inputs instanceof LanguageModelTask) {
            NDList result = new NDList();
            Iterator<NDList> steps = ((LanguageModelTask) inputs).steps(this, parameterStore);
            while (steps.hasNext()) {
                result = steps.next();
            }
            return result;
        }
        MixerInput tokens =
                new MixerInput(
                        parameterStore,
                        inputs.head(),
                        inputs.size() == 1 ? null : PackedSequences.ofIndices(inputs.get(1)),
                        null,
                        false,
                        training);
        return new NDList(run(tokens, Positions.ALL).logits());
    }

    /**
     * Runs a {@link LanguageModelTask} step by step; other inputs are one step.
     *
     * @param parameterStore where the parameters' values come from
     * @param inputs a task, or ids of shape (B, L)
     * @param training true to record for a gradient, false to predict
     * @param params not used
     * @return what the steps give, computed as they are taken
     */
    @Override
    public Iterator<NDList> forwardStreamIter(
            ParameterStore parameterStore,
            NDList inputs,
            boolean training,
            PairList<String, Object> params) {
        return inputs instanceof LanguageModelTask
                ? ((LanguageModelTask) inputs).steps(this, parameterStore)
                : List.of(forward(parameterStore, inputs, training, params)).iterator();
    }

    /** {@inheritDoc} */
    @Override
    public Shape[] getOutputShapes(Shape[] shapes) {
        return new Shape[] {shapes[0].add(options.vocabularySize())};
    }

    /** {@inheritDoc} */
    @Override
    protected void initializeChildBlocks(NDManager manager, DataType dataType, Shape... shapes) {
        Shape hidden = shapes[0].add(options.stack().modelSize());
        stack.initialize(manager, dataType, hidden);
        if (head != null) {
            head.initialize(manager, dataType, hidden);
        }
    }
}
