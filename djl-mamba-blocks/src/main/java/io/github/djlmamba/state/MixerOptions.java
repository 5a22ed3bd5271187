/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.state;

import org.apiguardian.api.API;

/** The settings of one kind of mixer, from which blocks of any model size are built. */
@API(status = API.Status.EXPERIMENTAL)
public interface MixerOptions {

    /**
     * Builds a mixer.
     *
     * @param modelSize the size M of the model's vectors
     * @param outputScale the factor on the initial weights of the output projection, by which a
     *     deep residual stack keeps its variance; 1 for none
     * @return a new block, not yet initialised
     * @throws IllegalArgumentException if these settings do not fit the model size
     */
    SequenceMixer newMixer(long modelSize, double outputScale);
}
