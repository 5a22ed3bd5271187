/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.icl;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.translate.Batchifier;
import ai.djl.translate.PaddingStackBatchifier;
import ai.djl.translate.Translator;
import ai.djl.translate.TranslatorContext;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Queue;

/**
 * Translates a prompt to the N predictions for its ys.
 *
 * <p>Prompts of different lengths may share a batch: the shorter are padded at their ends, which
 * cannot reach a prediction before.
 */
final class InContextTranslator implements Translator<InContextPrompt, float[]> {

    private static final String LENGTHS = "lengths";

    private final InContextSettings settings;

    InContextTranslator(InContextSettings settings) {
        this.settings = settings;
    }

    /** {@inheritDoc} */
    @Override
    public Batchifier getBatchifier() {
        return PaddingStackBatchifier.builder()
                .optIncludeValidLengths(false)
                .addPad(0, 0, InContextTranslator::padding)
                .addPad(1, 0, InContextTranslator::padding)
                .build();
    }

    /** {@inheritDoc} */
    @Override
    public NDList processInput(TranslatorContext ctx, InContextPrompt prompt) {
        int points = prompt.points();
        settings.checkPrompt(prompt.dims(), points);
        int dims = settings.dims();
        float[] xs = new float[points * dims];
        for (int i = 0; i < points; i++) {
            System.arraycopy(prompt.xs()[i], 0, xs, i * dims, dims);
        }
        lengths(ctx).add(points);
        NDManager manager = ctx.getNDManager();
        return new NDList(
                manager.create(xs, new Shape(points, dims)),
                manager.create(Arrays.copyOf(prompt.ys(), points), new Shape(points)));
    }

    /** {@inheritDoc} */
    @Override
    public float[] processOutput(TranslatorContext ctx, NDList list) {
        return Arrays.copyOf(list.singletonOrThrow().toFloatArray(), lengths(ctx).remove());
    }

    /** The lengths of the prompts of a batch, whose context they share, in their order. */
    @SuppressWarnings("unchecked") // nothing else is kept under this name
    private static Queue<Integer> lengths(TranslatorContext ctx) {
        Object lengths = ctx.getAttachment(LENGTHS);
        if (lengths == null) {
            lengths = new ArrayDeque<Integer>();
            ctx.setAttachment(LENGTHS, lengths);
        }
        return (Queue<Integer>) lengths;
    }

    private static NDArray padding(NDManager manager) {
        return manager.zeros(new Shape());
    }
}
