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
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.training.ParameterStore;
import io.github.djlmamba.feedforward.LowRankAdapter;

/**
 * What one use of a {@link SharedTransformerBlock} adds to the block's projections.
 *
 * @param query the adapter of the queries, or null
 * @param key the adapter of the keys, or null with that of the queries
 * @param value the adapter of the values, or null with that of the queries
 * @param gateUp the adapter of the MLP's gate_up_proj, or null
 */
record SharedTransformerAdapters(
        LowRankAdapter query, LowRankAdapter key, LowRankAdapter value, LowRankAdapter gateUp) {

    static final SharedTransformerAdapters NONE =
            new SharedTransformerAdapters(null, null, null, null);

    /** The queries, keys and values that were projected from x, with what this use adds. */
    NDArray attention(ParameterStore store, NDArray projected, NDArray x, boolean training) {
        if (query == null) {
            return projected;
        }
        NDList parts =
                new NDList(
                        query.project(store, x, training),
                        key.project(store, x, training),
                        value.project(store, x, training));
        return projected.add(NDArrays.concat(parts, 2));
    }

    /** Gate and up that were projected from x, with what this use adds. */
    NDArray mlp(ParameterStore store, NDArray projected, NDArray x, boolean training) {
        return gateUp == null ? projected : projected.add(gateUp.project(store, x, training));
    }
}
