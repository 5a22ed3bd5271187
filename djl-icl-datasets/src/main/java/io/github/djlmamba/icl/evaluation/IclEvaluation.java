/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.evaluation;

import ai.djl.translate.TranslateException;
import ai.djl.util.Progress;
import io.github.djlmamba.icl.baseline.Baseline;
import io.github.djlmamba.icl.baseline.Baselines;
import io.github.djlmamba.icl.task.FloatArray;
import io.github.djlmamba.icl.task.IclMetric;
import io.github.djlmamba.icl.task.IclPrompts;
import io.github.djlmamba.icl.task.IclTask;
import io.github.djlmamba.icl.task.PromptRandom;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apiguardian.api.API;

/**
 * Measures how well a function from prompts to predictions learns a task in context.
 *
 * <p>The mean score at each position over many prompts, its 5-95% interval from 1000 bootstrap
 * samples over the prompts, and the baselines on the same prompts, as in Garg et al. 2022 (arXiv
 * 2208.01066). Everything but the function is deterministic: the prompts are the first of the seed,
 * whatever the batch size. Immutable and safe for use by several threads, each with a function and
 * a progress of its own.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class IclEvaluation {

    private static final double LOW = 0.05;
    private static final double HIGH = 0.95;

    private final IclTask task;
    private final long seed;
    private final int prompts;
    private final int batchSize;
    private final int bootstrapSamples;
    private final List<Baseline> baselines;
    private final Progress progress;

    private IclEvaluation(Builder builder) {
        task = builder.task;
        seed = builder.seed;
        prompts = builder.prompts;
        batchSize = builder.batchSize;
        bootstrapSamples = builder.bootstrapSamples;
        baselines = builder.baselines == null ? Baselines.of(task) : builder.baselines;
        progress = builder.progress;
    }

    /**
     * Creates a builder.
     *
     * @return a new builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Evaluates a function beside the baselines.
     *
     * @param model the name that the report gives it
     * @param predictor the function; it is called on the calling thread, with one batch at a time
     * @return the errors by the number of examples seen
     * @throws TranslateException if the function throws it
     * @throws IllegalStateException if its predictions are of the wrong size or not finite numbers
     */
    public IclReport evaluate(String model, IclPredictor predictor) throws TranslateException {
        Objects.requireNonNull(model, "model");
        double[][] modelScores = new double[prompts][];
        Map<String, double[][]> baselineScores = new LinkedHashMap<>();
        baselines.forEach(baseline -> baselineScores.put(baseline.name(), new double[prompts][]));
        if (progress != null) {
            progress.reset("Evaluating " + model, prompts);
        }
        for (int first = 0; first < prompts; first += Math.min(batchSize, prompts - first)) {
            IclPrompts batch = task.sample(seed, first, Math.min(batchSize, prompts - first));
            double[][] predictions = checked(model, batch, predictor.predict(batch), first);
            score(batch, predictions, modelScores, first);
            for (Baseline baseline : baselines) {
                score(batch, baseline.predict(batch), baselineScores.get(baseline.name()), first);
            }
            if (progress != null) {
                progress.increment(batch.count());
            }
        }
        return report(model, modelScores, baselineScores);
    }

    private static double[][] checked(
            String model, IclPrompts batch, float[][] predictions, int first) {
        if (predictions.length != batch.count()) {
            throw new IllegalStateException(
                    model
                            + " gave predictions for "
                            + predictions.length
                            + " prompts, but got "
                            + batch.count()
                            + ".");
        }
        double[][] widened = new double[predictions.length][batch.points()];
        for (int prompt = 0; prompt < predictions.length; prompt++) {
            if (predictions[prompt].length != batch.points()) {
                throw new IllegalStateException(
                        model
                                + " gave "
                                + predictions[prompt].length
                                + " predictions for a prompt of "
                                + batch.points()
                                + " points.");
            }
            for (int i = 0; i < batch.points(); i++) {
                float value = predictions[prompt][i];
                if (!Float.isFinite(value)) {
                    throw new IllegalStateException(
                            model
                                    + " predicted "
                                    + value
                                    + " at position "
                                    + i
                                    + " of prompt "
                                    + (first + prompt)
                                    + "; its weights have probably diverged in training.");
                }
                widened[prompt][i] = value;
            }
        }
        return widened;
    }

    private void score(IclPrompts batch, double[][] predictions, double[][] scores, int first) {
        IclMetric metric = task.metric();
        float[] ys = batch.ys().values();
        float[] mask = batch.mask().map(FloatArray::values).orElse(null);
        for (int prompt = 0; prompt < predictions.length; prompt++) {
            double[] row = new double[batch.points()];
            for (int i = 0; i < row.length; i++) {
                int offset = prompt * row.length + i;
                boolean scored = mask == null || mask[offset] != 0;
                row[i] = scored ? metric.score(predictions[prompt][i], ys[offset]) : Double.NaN;
            }
            scores[first + prompt] = row;
        }
    }

    private IclReport report(
            String model, double[][] modelScores, Map<String, double[][]> baselineScores) {
        Bootstrap bootstrap =
                new Bootstrap(bootstrapSamples, PromptRandom.deriveSeed(seed, "bootstrap"));
        Bootstrap.Interval[] intervals = bootstrap.meanIntervals(modelScores, LOW, HIGH);
        int[] once = new int[prompts];
        Arrays.fill(once, 1);
        Map<String, double[]> baselineMeans = new LinkedHashMap<>();
        baselineScores.forEach(
                (name, scores) -> baselineMeans.put(name, Bootstrap.means(scores, once)));
        List<IclReport.Entry> curve = new ArrayList<>();
        for (int i = 0; i < intervals.length; i++) {
            Bootstrap.Interval interval = intervals[i];
            if (!Double.isNaN(interval.mean())) {
                int position = i;
                Map<String, Double> values = new LinkedHashMap<>();
                baselineMeans.forEach((name, means) -> values.put(name, means[position]));
                curve.add(
                        new IclReport.Entry(
                                i, interval.mean(), interval.low(), interval.high(), values));
            }
        }
        return new IclReport(
                task.name(),
                model,
                task.dims(),
                task.points(),
                prompts,
                seed,
                task.metric().name(),
                curve);
    }

    /** Builds an {@link IclEvaluation}. */
    public static final class Builder {

        private IclTask task;
        private long seed;
        private int prompts = 1280;
        private int batchSize = 64;
        private int bootstrapSamples = 1000;
        private List<Baseline> baselines;
        private Progress progress;

        private Builder() {}

        /**
         * Sets the task.
         *
         * @param task what the prompts are drawn from
         * @return this builder
         */
        public Builder setTask(IclTask task) {
            this.task = task;
            return this;
        }

        /**
         * Sets the seed of the prompts. The default is 0.
         *
         * @param seed any number
         * @return this builder
         */
        public Builder optSeed(long seed) {
            this.seed = seed;
            return this;
        }

        /**
         * Sets the number of prompts. The default is 1280.
         *
         * @param prompts at least 1
         * @return this builder
         */
        public Builder optPrompts(int prompts) {
            this.prompts = prompts;
            return this;
        }

        /**
         * Sets the number of prompts that the function gets at a time. The default is 64. It does
         * not change the prompts.
         *
         * @param batchSize at least 1
         * @return this builder
         */
        public Builder optBatchSize(int batchSize) {
            this.batchSize = batchSize;
            return this;
        }

        /**
         * Sets the number of bootstrap samples. The default is 1000.
         *
         * @param bootstrapSamples at least 1
         * @return this builder
         */
        public Builder optBootstrapSamples(int bootstrapSamples) {
            this.bootstrapSamples = bootstrapSamples;
            return this;
        }

        /**
         * Sets the baselines. The default is those of the task.
         *
         * @param baselines the baselines, in the order of the report
         * @return this builder
         */
        public Builder optBaselines(List<Baseline> baselines) {
            this.baselines = List.copyOf(baselines);
            return this;
        }

        /**
         * Sets what is told how far the evaluation is, counted in prompts. The default is nobody.
         *
         * @param progress is called on the evaluating thread
         * @return this builder
         */
        public Builder optProgress(Progress progress) {
            this.progress = progress;
            return this;
        }

        /**
         * Builds the evaluation.
         *
         * @return a new evaluation
         * @throws IllegalArgumentException if the task is missing, a number is not positive, or two
         *     baselines have one name
         */
        public IclEvaluation build() {
            if (task == null) {
                throw new IllegalArgumentException("An evaluation needs a task: call setTask.");
            }
            requirePositive("prompts", prompts);
            requirePositive("prompts of a batch", batchSize);
            requirePositive("bootstrap samples", bootstrapSamples);
            if (baselines != null
                    && baselines.stream().map(Baseline::name).distinct().count()
                            < baselines.size()) {
                throw new IllegalArgumentException("Two of the baselines have the same name.");
            }
            return new IclEvaluation(this);
        }

        private static void requirePositive(String what, int value) {
            if (value < 1) {
                throw new IllegalArgumentException(
                        "The number of " + what + " must be at least 1, but is " + value + ".");
            }
        }
    }
}
