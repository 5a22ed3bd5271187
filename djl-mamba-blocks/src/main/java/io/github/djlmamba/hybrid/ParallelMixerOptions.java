/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.hybrid;

import io.github.djlmamba.state.MixerOptions;
import io.github.djlmamba.state.SequenceMixer;
import java.util.List;
import org.apiguardian.api.API;

/**
 * The settings of a {@link ParallelMixer}. Immutable and thread safe.
 *
 * @param branches the mixers side by side
 */
@API(status = API.Status.EXPERIMENTAL)
public record ParallelMixerOptions(List<Branch> branches) implements MixerOptions {

    /**
     * One of the mixers.
     *
     * @param mixer its settings
     * @param inputMultiplier the factor on its input
     * @param outputMultiplier the factor on its output
     */
    public record Branch(MixerOptions mixer, double inputMultiplier, double outputMultiplier) {

        /**
         * Checks the settings.
         *
         * @throws IllegalArgumentException if the mixer is missing or a factor is not finite
         */
        public Branch {
            if (mixer == null) {
                throw new IllegalArgumentException(
                        "parallel mixer: the settings of a branch are null; give those of a mixer");
            }
            if (!Double.isFinite(inputMultiplier) || !Double.isFinite(outputMultiplier)) {
                throw new IllegalArgumentException(
                        "parallel mixer: the multipliers of a branch are "
                                + inputMultiplier
                                + " and "
                                + outputMultiplier
                                + "; expected finite numbers, such as 1 for none");
            }
        }

        /**
         * Returns the settings of a branch without multipliers.
         *
         * @param mixer the settings of the mixer
         * @return the settings
         */
        public static Branch of(MixerOptions mixer) {
            return new Branch(mixer, 1, 1);
        }
    }

    /**
     * Checks and copies the branches.
     *
     * @throws IllegalArgumentException if there are none
     */
    public ParallelMixerOptions {
        if (branches == null || branches.isEmpty()) {
            throw new IllegalArgumentException(
                    "parallel mixer: there are no branches; give one mixer or more");
        }
        branches = List.copyOf(branches);
    }

    /**
     * Returns the settings of mixers without multipliers.
     *
     * @param mixers the settings of each
     * @return the settings
     */
    public static ParallelMixerOptions of(MixerOptions... mixers) {
        return new ParallelMixerOptions(List.of(mixers).stream().map(Branch::of).toList());
    }

    /** {@inheritDoc} */
    @Override
    public SequenceMixer newMixer(long modelSize, double outputScale) {
        return new ParallelMixer(modelSize, this, outputScale);
    }
}
