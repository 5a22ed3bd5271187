/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.feedforward;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.ops.Scalars;

/**
 * The experts of each token, their weights, and the order in which the tokens of one expert lie
 * side by side.
 */
final class ExpertChoice {

    /** Keeps the sum of weights away from zero. */
    private static final double SMALLEST_SUM = 1e-20;

    private final int perToken;
    private final NDArray weights;
    private final long[] tokens;
    private final long[] places;
    private final long[] ends;

    private ExpertChoice(int perToken, NDArray weights, long[] chosen, int experts) {
        this.perToken = perToken;
        this.weights = weights;
        ends = new long[experts];
        for (long expert : chosen) {
            ends[(int) expert]++;
        }
        long[] next = new long[experts];
        for (int e = 1; e < experts; e++) {
            next[e] = ends[e - 1];
            ends[e] += ends[e - 1];
        }
        tokens = new long[chosen.length];
        places = new long[chosen.length];
        for (int i = 0; i < chosen.length; i++) {
            long place = next[(int) chosen[i]]++;
            places[i] = place;
            tokens[(int) place] = i / perToken;
        }
    }

    /**
     * Chooses.
     *
     * @param logits the router's outputs, of shape (T, E)
     * @param correction what is added for the choice alone, of shape (E); null for none
     * @param options the settings
     */
    static ExpertChoice of(NDArray logits, NDArray correction, MixtureOfExpertsOptions options) {
        ExpertRouting routing = options.routing();
        NDArray wide = Precision.isBfloat16(logits) ? Precision.FLOAT32.cast(logits) : logits;
        boolean softmax = routing.score() == ExpertRouting.Score.SOFTMAX;
        // The softmax over the chosen ones is what normalisation makes of that over all.
        boolean afterwards = softmax && routing.normalised();
        NDArray scores = afterwards ? wide : softmax ? wide.softmax(1) : Activation.sigmoid(wide);
        NDArray eligible = scores.stopGradient();
        if (correction != null) {
            eligible = eligible.add(correction.stopGradient());
        }
        if (routing.groups() > 1) {
            eligible = ofBestGroups(eligible, routing);
        }
        NDArray chosen = eligible.topK(options.expertsPerToken(), 1).get(1);
        NDArray weights = scores.gather(chosen, 1);
        if (afterwards) {
            weights = weights.softmax(1);
        } else if (routing.normalised()) {
            weights = weights.div(weights.sum(new int[] {1}, true).add(SMALLEST_SUM));
        }
        if (routing.scale() != 1) {
            weights = weights.mul(Scalars.like(weights, routing.scale()));
        }
        return new ExpertChoice(
                options.expertsPerToken(), weights, chosen.toLongArray(), options.experts());
    }

    /** Makes the scores of experts outside of a token's best groups minus infinity. */
    private static NDArray ofBestGroups(NDArray scores, ExpertRouting routing) {
        Shape shape = scores.getShape();
        NDArray grouped =
                scores.reshape(shape.get(0), routing.groups(), shape.get(1) / routing.groups());
        NDArray totals = grouped.topK(2, 2).get(0).sum(new int[] {2});
        NDArray best = totals.topK(routing.chosenGroups(), 1).get(1);
        NDArray ones = totals.getManager().ones(best.getShape(), totals.getDataType());
        NDArray inside = totals.zerosLike().scatter(best, ones, 1).expandDims(2);
        // The logarithm of 0 is minus infinity, and of 1 it is 0.
        return grouped.add(inside.log()).reshape(shape);
    }

    /** Returns the weights, of shape (T, k). */
    NDArray weights() {
        return weights;
    }

    /** Returns the number of experts of each token. */
    int perToken() {
        return perToken;
    }

    /** Returns the rows (T k) of tokens in the order of experts. */
    NDArray tokens(NDManager manager) {
        return array(manager, tokens);
    }

    /** Returns where the experts of each token lie in that order, (T k), token by token. */
    NDArray places(NDManager manager) {
        return array(manager, places);
    }

    /** Returns for each expert the end of its rows in that order. */
    long[] ends() {
        return ends;
    }

    private static NDArray array(NDManager manager, long[] values) {
        try (NDArray direct = manager.create(values)) {
            // The graph keeps the indices, whose memory must not be Java's to free.
            return direct.duplicate();
        }
    }
}
