/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.feedforward;

import io.github.djlmamba.state.MixerOptions;
import io.github.djlmamba.state.SequenceMixer;
import org.apiguardian.api.API;

/**
 * The settings of a {@link MixtureOfExpertsBlock}. Immutable and thread safe.
 *
 * @param experts the number of experts E
 * @param expertsPerToken the experts k of each token
 * @param hiddenSize the hidden size F of each expert
 * @param latentSize the size of what experts read and write, between two projections that they
 *     share; 0 for the model size and no such projections
 * @param gated whether experts are gated MLPs, rather than plain ones
 * @param activation the function of the gate, or between the two matrices of a plain expert
 * @param bias whether the projections to and from the latent size have a bias
 * @param routing how a token's experts are chosen
 * @param shared the settings of an MLP that every token passes, too; null for none
 * @param initialDeviation the standard deviation of normal initial weights; 0 for uniform ones in
 *     +-1/sqrt(inputs)
 */
@API(status = API.Status.EXPERIMENTAL)
public record MixtureOfExpertsOptions(
        int experts,
        int expertsPerToken,
        long hiddenSize,
        long latentSize,
        boolean gated,
        MlpActivation activation,
        boolean bias,
        ExpertRouting routing,
        MixerOptions shared,
        double initialDeviation)
        implements MixerOptions {

    /**
     * Checks the settings.
     *
     * @throws IllegalArgumentException if one is missing or out of range
     */
    public MixtureOfExpertsOptions {
        check(experts >= 1, "the number of experts is " + experts + "; expected 1 or more");
        check(hiddenSize >= 1, "the hidden size is " + hiddenSize + "; expected 1 or more");
        check(
                latentSize >= 0,
                "the latent size is " + latentSize + "; expected 1 or more, or 0 for none");
        check(activation != null, "the activation is null; choose one of MlpActivation");
        check(routing != null, "the routing is null; choose one of ExpertRouting");
        int groups = routing.groups();
        check(
                experts % groups == 0 && (groups == 1 || experts / groups >= 2),
                "the "
                        + experts
                        + " experts do not make "
                        + groups
                        + " groups; expected groups alike, of 2 or more");
        int eligible = experts / groups * routing.chosenGroups();
        check(
                expertsPerToken >= 1 && expertsPerToken <= eligible,
                "each token has "
                        + expertsPerToken
                        + " experts; expected 1 to "
                        + eligible
                        + ", those of the groups that it chooses from");
        check(
                shared == null || shared instanceof MlpOptions || shared instanceof GatedMlpOptions,
                "the shared expert is " + shared + "; expected the settings of an MLP");
        check(
                initialDeviation >= 0 && !Double.isInfinite(initialDeviation),
                "the initial deviation is "
                        + initialDeviation
                        + "; expected 0 for uniform weights, or a positive number");
    }

    /**
     * Returns the settings of gated experts with SiLU, softmax over the chosen ones, and no shared
     * expert.
     *
     * @param experts the number of experts E
     * @param expertsPerToken the experts k of each token
     * @param hiddenSize the hidden size F of each
     * @return the settings
     */
    public static MixtureOfExpertsOptions of(int experts, int expertsPerToken, long hiddenSize) {
        return new MixtureOfExpertsOptions(
                experts,
                expertsPerToken,
                hiddenSize,
                0,
                true,
                MlpActivation.SILU,
                false,
                ExpertRouting.SOFTMAX_OF_CHOSEN,
                null,
                0);
    }

    /**
     * Returns these settings with another choice of experts.
     *
     * @param newRouting how a token's experts are chosen
     * @return the settings
     */
    public MixtureOfExpertsOptions withRouting(ExpertRouting newRouting) {
        return new MixtureOfExpertsOptions(
                experts,
                expertsPerToken,
                hiddenSize,
                latentSize,
                gated,
                activation,
                bias,
                newRouting,
                shared,
                initialDeviation);
    }

    /**
     * Returns these settings with other experts.
     *
     * @param withGate whether they are gated MLPs
     * @param function the function of the gate, or between the two matrices of a plain expert
     * @return the settings
     */
    public MixtureOfExpertsOptions withExperts(boolean withGate, MlpActivation function) {
        return new MixtureOfExpertsOptions(
                experts,
                expertsPerToken,
                hiddenSize,
                latentSize,
                withGate,
                function,
                bias,
                routing,
                shared,
                initialDeviation);
    }

    /**
     * Returns these settings with experts that work on smaller vectors.
     *
     * @param size their size, or 0 for the model size
     * @param withBias whether the projections to and from that size have a bias
     * @return the settings
     */
    public MixtureOfExpertsOptions withLatentSize(long size, boolean withBias) {
        return new MixtureOfExpertsOptions(
                experts,
                expertsPerToken,
                hiddenSize,
                size,
                gated,
                activation,
                withBias,
                routing,
                shared,
                initialDeviation);
    }

    /**
     * Returns these settings with another expert that every token passes, too.
     *
     * @param options its settings, {@link MlpOptions} or {@link GatedMlpOptions}; null for none
     * @return the settings
     */
    public MixtureOfExpertsOptions withShared(MixerOptions options) {
        return new MixtureOfExpertsOptions(
                experts,
                expertsPerToken,
                hiddenSize,
                latentSize,
                gated,
                activation,
                bias,
                routing,
                options,
                initialDeviation);
    }

    private static void check(boolean fits, String otherwise) {
        if (!fits) {
            throw new IllegalArgumentException("mixture of experts: " + otherwise);
        }
    }

    /** {@inheritDoc} */
    @Override
    public SequenceMixer newMixer(long modelSize, double outputScale) {
        return new MixtureOfExpertsBlock(modelSize, this, outputScale);
    }
}
