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
import ai.djl.training.loss.Loss;
import org.apiguardian.api.API;

/**
 * The mean of (label - prediction)<sup>2</sup> over all entries.
 *
 * <p>DJL's own L2Loss multiplies by its weight as a number, whose memory may be gone at the
 * backward pass; see {@link io.github.djlmamba.ops.Scalars}. Takes a label and a prediction of one
 * shape. Not thread safe, as every {@link Loss}.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class MeanSquaredError extends Loss {

    /** Creates the loss. */
    public MeanSquaredError() {
        super("mean squared error");
    }

    /** {@inheritDoc} */
    @Override
    public NDArray evaluate(NDList labels, NDList predictions) {
        NDArray label = labels.get(0);
        NDArray prediction = predictions.get(0);
        if (!label.getShape().equals(prediction.getShape())) {
            throw new IllegalArgumentException(
                    "mean squared error: the label has shape "
                            + label.getShape()
                            + " but the prediction has "
                            + prediction.getShape());
        }
        return label.sub(prediction).square().mean();
    }
}
