/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.state;

import ai.djl.ndarray.NDList;
import org.apiguardian.api.API;

/** The state of a mixer that treats each token by itself. Immutable and thread safe. */
@API(status = API.Status.EXPERIMENTAL)
public record EmptyState() implements MixerState {

    /** The only state there is of this kind. */
    public static final EmptyState INSTANCE = new EmptyState();

    /** {@inheritDoc} */
    @Override
    public NDList arrays() {
        return new NDList();
    }

    /** {@inheritDoc} */
    @Override
    public MixerState with(NDList arrays, SequencePositions positions) {
        return INSTANCE;
    }
}
