/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.training;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.loss.Loss;
import org.apiguardian.api.API;

/**
 * The mean cross-entropy of tokens in nats: of each label under the softmax of its logits.
 *
 * <p>Takes labels of shape (B, L) and type INT64, and logits (B, L, V) such as those of a {@link
 * io.github.djlmamba.language.LanguageModel}; the labels are the tokens that follow those that the
 * model has read. It is DJL's own cross-entropy over all B L tokens as one batch. Not thread safe,
 * as every {@link Loss}.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class TokenCrossEntropy extends Loss {

    private final Loss loss = Loss.softmaxCrossEntropyLoss();

    /** Creates the loss. */
    public TokenCrossEntropy() {
        super("token cross-entropy");
    }

    /**
     * Computes the loss.
     *
     * @param labels the tokens, as one array
     * @param predictions the logits, as one array
     * @return the mean, a scalar
     * @throws IllegalArgumentException if their shapes or types do not fit
     */
    @Override
    public NDArray evaluate(NDList labels, NDList predictions) {
        NDArray tokens = labels.singletonOrThrow();
        NDArray logits = predictions.singletonOrThrow();
        Shape shape = logits.getShape();
        if (shape.dimension() != 3
                || !shape.slice(0, 2).equals(tokens.getShape())
                || tokens.getDataType() != DataType.INT64) {
            throw new IllegalArgumentException(
                    "token cross-entropy: the labels are "
                            + tokens.getDataType()
                            + " "
                            + tokens.getShape()
                            + " and the logits "
                            + shape
                            + "; expected INT64 (B, L) and (B, L, V)");
        }
        return loss.evaluate(
                new NDList(tokens.flatten()),
                new NDList(logits.reshape(shape.get(0) * shape.get(1), shape.get(2))));
    }
}
