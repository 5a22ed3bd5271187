/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.evaluation;

import io.github.djlmamba.icl.task.PromptRandom;
import java.util.Arrays;
import java.util.Random;
import org.apache.commons.statistics.descriptive.NaNPolicy;
import org.apache.commons.statistics.descriptive.Quantile;
import org.apiguardian.api.API;

/**
 * Percentile intervals of means by resampling whole prompts with replacement (Efron 1979).
 *
 * <p>All positions share the resampled prompts, since the scores inside a prompt depend on each
 * other. Immutable; the same arguments give the same intervals everywhere; safe for use by several
 * threads.
 *
 * @param samples how many times to resample, at least 1
 * @param seed any number
 */
@API(status = API.Status.EXPERIMENTAL)
public record Bootstrap(int samples, long seed) {

    /**
     * Checks the number of samples.
     *
     * @param samples how many times to resample
     * @param seed any number
     * @throws IllegalArgumentException if the number of samples is not positive
     */
    public Bootstrap {
        if (samples < 1) {
            throw new IllegalArgumentException(
                    "A bootstrap needs at least 1 sample, but has " + samples + ".");
        }
    }

    /**
     * A mean and the interval around it.
     *
     * @param mean the mean of the scores themselves
     * @param low the lower quantile of the resampled means
     * @param high the upper quantile of the resampled means
     */
    public record Interval(double mean, double low, double high) {}

    /**
     * Returns the mean over the prompts with its interval, at each position.
     *
     * @param scores shape (B, N); NaN where a position of a prompt is not scored
     * @param lowProbability the probability of the lower quantile, for example 0.05
     * @param highProbability the probability of the upper quantile, for example 0.95
     * @return N intervals; NaN where no prompt is scored
     * @throws IllegalArgumentException if there is no prompt, or a probability is not in [0, 1]
     */
    public Interval[] meanIntervals(
            double[][] scores, double lowProbability, double highProbability) {
        if (scores.length == 0) {
            throw new IllegalArgumentException(
                    "A bootstrap needs at least 1 prompt, but there is none.");
        }
        int points = scores[0].length;
        int[] times = new int[scores.length];
        double[][] resampled = new double[points][samples];
        for (int sample = 0; sample < samples; sample++) {
            Random random = PromptRandom.of(seed, sample);
            Arrays.fill(times, 0);
            for (int draw = 0; draw < scores.length; draw++) {
                times[random.nextInt(scores.length)]++;
            }
            double[] means = means(scores, times);
            for (int i = 0; i < points; i++) {
                resampled[i][sample] = means[i];
            }
        }
        Arrays.fill(times, 1);
        double[] means = means(scores, times);
        Quantile quantile =
                Quantile.withDefaults()
                        .with(Quantile.EstimationMethod.HF7)
                        .with(NaNPolicy.EXCLUDE)
                        .withCopy(true);
        Interval[] intervals = new Interval[points];
        for (int i = 0; i < points; i++) {
            double[] bounds = quantile.evaluate(resampled[i], lowProbability, highProbability);
            intervals[i] = new Interval(means[i], bounds[0], bounds[1]);
        }
        return intervals;
    }

    /** Means per position over the scored prompts, each taken a number of times. */
    static double[] means(double[][] scores, int[] times) {
        double[] sums = new double[scores[0].length];
        long[] counts = new long[sums.length];
        for (int prompt = 0; prompt < scores.length; prompt++) {
            if (times[prompt] > 0) {
                for (int i = 0; i < sums.length; i++) {
                    double score = scores[prompt][i];
                    if (!Double.isNaN(score)) {
                        sums[i] += times[prompt] * score;
                        counts[i] += times[prompt];
                    }
                }
            }
        }
        for (int i = 0; i < sums.length; i++) {
            sums[i] /= counts[i];
        }
        return sums;
    }
}
