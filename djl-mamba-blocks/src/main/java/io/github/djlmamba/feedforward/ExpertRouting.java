/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.feedforward;

import org.apiguardian.api.API;

/**
 * How a {@link MixtureOfExpertsBlock} chooses the experts of a token and weighs them:
 *
 * <pre>
 *   s       = softmax or sigmoid of router(x)
 *   chosen  = the experts of the k largest s + correction, out of the best groups of experts
 *   weights = scale s, divided by the sum over the chosen ones if normalised
 * </pre>
 *
 * <p>Softmax is that of Shazeer et al. (2017), section 2.1: with normalisation it is the softmax
 * over the chosen experts alone. Sigmoid with a correction, which is adapted by something else than
 * the gradient so that all experts have work, is that of DeepSeek-AI (2024), "DeepSeek-V3", section
 * 2.1.2; a group of experts counts by the sum of its two largest. Immutable and thread safe.
 *
 * @param score what the router's outputs pass through
 * @param normalised whether the weights of a token are made to sum to 1, before the scale
 * @param scale the factor on the weights
 * @param correction whether a correction is added for the choice, a parameter without a gradient
 * @param groups the groups of experts side by side, which divide them; 1 for none
 * @param chosenGroups the groups that a token chooses its experts from
 */
@API(status = API.Status.EXPERIMENTAL)
public record ExpertRouting(
        Score score,
        boolean normalised,
        double scale,
        boolean correction,
        int groups,
        int chosenGroups) {

    /** Softmax over all experts, whose values at the chosen ones are the weights. */
    public static final ExpertRouting SOFTMAX =
            new ExpertRouting(Score.SOFTMAX, false, 1, false, 1, 1);

    /** Softmax over the chosen experts. */
    public static final ExpertRouting SOFTMAX_OF_CHOSEN =
            new ExpertRouting(Score.SOFTMAX, true, 1, false, 1, 1);

    /** Sigmoid with a correction, normalised. */
    public static final ExpertRouting SIGMOID =
            new ExpertRouting(Score.SIGMOID, true, 1, true, 1, 1);

    /** What the router's outputs pass through. */
    public enum Score {
        /** exp(x) divided by its sum over all experts. */
        SOFTMAX,
        /** 1 / (1 + exp(-x)). */
        SIGMOID
    }

    /**
     * Checks the settings.
     *
     * @throws IllegalArgumentException if one is missing or out of range
     */
    public ExpertRouting {
        check(score != null, "the score is null; choose one of Score");
        check(
                Double.isFinite(scale) && scale != 0,
                "the scale is " + scale + "; expected a finite number other than 0");
        check(groups >= 1, "the number of groups is " + groups + "; expected 1 or more");
        check(
                chosenGroups >= 1 && chosenGroups <= groups,
                "the number of chosen groups is "
                        + chosenGroups
                        + "; expected 1 to the number of groups, "
                        + groups);
    }

    /**
     * Returns this routing with or without weights that sum to 1.
     *
     * @param normalise true for weights that do, before the scale
     * @return the routing
     */
    public ExpertRouting withNormalised(boolean normalise) {
        return new ExpertRouting(score, normalise, scale, correction, groups, chosenGroups);
    }

    /**
     * Returns this routing with another factor on the weights.
     *
     * @param factor the factor
     * @return the routing
     */
    public ExpertRouting withScale(double factor) {
        return new ExpertRouting(score, normalised, factor, correction, groups, chosenGroups);
    }

    /**
     * Returns this routing with other groups of experts.
     *
     * @param number the number of groups
     * @param chosen how many of them a token chooses its experts from
     * @return the routing
     */
    public ExpertRouting withGroups(int number, int chosen) {
        return new ExpertRouting(score, normalised, scale, correction, number, chosen);
    }

    private static void check(boolean fits, String otherwise) {
        if (!fits) {
            throw new IllegalArgumentException("mixture of experts: " + otherwise);
        }
    }
}
