/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.probe;

import ai.djl.translate.TranslateException;
import ai.djl.util.Progress;
import io.github.djlmamba.icl.evaluation.Bootstrap;
import io.github.djlmamba.icl.task.PromptRandom;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalDouble;
import java.util.function.ToIntFunction;
import org.apiguardian.api.API;

/**
 * Measures how well a function that continues texts finds a fact again, by the length of the text
 * and the depth of the fact.
 *
 * <p>Each mean has a 5-95% interval from bootstrap samples over the samples. All lengths and depths
 * use the same samples, the first of the seed, so that they differ in nothing else. Everything but
 * the function is deterministic, whatever the batch size. Immutable and safe for use by several
 * threads, each with a function and a progress of its own.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class ProbeEvaluation {

    private static final double LOW = 0.05;
    private static final double HIGH = 0.95;

    private final Probe probe;
    private final int[] lengths;
    private final double[] depths;
    private final int samples;
    private final long seed;
    private final int batchSize;
    private final int bootstrapSamples;
    private final ToIntFunction<String> tokenCounter;
    private final Progress progress;

    private ProbeEvaluation(Builder builder) {
        probe = builder.probe;
        lengths = builder.lengths.clone();
        depths = builder.depths.clone();
        samples = builder.samples;
        seed = builder.seed;
        batchSize = builder.batchSize;
        bootstrapSamples = builder.bootstrapSamples;
        tokenCounter = builder.tokenCounter;
        progress = builder.progress;
        Arrays.sort(lengths);
        Arrays.sort(depths);
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
     * Probes a function.
     *
     * @param model the name that the report gives it
     * @param continuation the function; it is called on the calling thread, with one batch of
     *     prompts at a time
     * @return the scores by length and depth
     * @throws TranslateException if the function throws it
     * @throws IllegalArgumentException if the probe has no prompt of one of the lengths
     * @throws IllegalStateException if the function gives too few or too many texts
     */
    public ProbeReport evaluate(String model, TextContinuation continuation)
            throws TranslateException {
        Objects.requireNonNull(model, "model");
        List<OptionalDouble> places =
                depths.length == 0
                        ? List.of(OptionalDouble.empty())
                        : Arrays.stream(depths).mapToObj(OptionalDouble::of).toList();
        if (progress != null) {
            progress.reset("Probing " + model, (long) lengths.length * places.size() * samples);
        }
        List<ProbeReport.Cell> cells = new ArrayList<>();
        for (int length : lengths) {
            for (OptionalDouble depth : places) {
                cells.add(cell(length, depth, model, continuation));
            }
        }
        return new ProbeReport(probe.name(), model, samples, seed, probe.lengthUnit(), cells);
    }

    private ProbeReport.Cell cell(
            int length, OptionalDouble depth, String model, TextContinuation continuation)
            throws TranslateException {
        List<ProbeMetric> metrics = probe.metrics();
        double[][] scores = new double[samples][metrics.size()];
        long tokens = 0;
        for (int first = 0; first < samples; first += Math.min(batchSize, samples - first)) {
            List<ProbeSample> batch = new ArrayList<>();
            for (int k = first; k < first + Math.min(batchSize, samples - first); k++) {
                batch.add(probe.sample(seed, k, length, depth));
            }
            List<String> prompts = batch.stream().map(ProbeSample::prompt).toList();
            List<String> texts = continuation.complete(prompts, probe.maxNewTokens());
            if (texts.size() != prompts.size()) {
                throw new IllegalStateException(
                        model
                                + " gave "
                                + texts.size()
                                + " texts for "
                                + prompts.size()
                                + " prompts.");
            }
            for (int k = 0; k < batch.size(); k++) {
                tokens += tokenCounter.applyAsInt(prompts.get(k));
                String answer = batch.get(k).answer();
                for (int metric = 0; metric < metrics.size(); metric++) {
                    scores[first + k][metric] = metrics.get(metric).score(answer, texts.get(k));
                }
            }
            if (progress != null) {
                progress.increment(batch.size());
            }
        }
        Bootstrap.Interval[] intervals =
                new Bootstrap(bootstrapSamples, PromptRandom.deriveSeed(seed, "bootstrap"))
                        .meanIntervals(scores, LOW, HIGH);
        Map<String, ProbeReport.Score> byMetric = new LinkedHashMap<>();
        for (int metric = 0; metric < intervals.length; metric++) {
            Bootstrap.Interval interval = intervals[metric];
            byMetric.put(
                    metrics.get(metric).key(),
                    new ProbeReport.Score(interval.mean(), interval.low(), interval.high()));
        }
        return new ProbeReport.Cell(
                length,
                depth.isPresent() ? depth.getAsDouble() : null,
                (double) tokens / samples,
                byMetric);
    }

    /** Builds a {@link ProbeEvaluation}. */
    public static final class Builder {

        private Probe probe;
        private int[] lengths = {};
        private double[] depths = {};
        private int samples = 100;
        private long seed;
        private int batchSize = 8;
        private int bootstrapSamples = 1000;
        private ToIntFunction<String> tokenCounter = PromptLength::bytes;
        private Progress progress;

        private Builder() {}

        /**
         * Sets the probe.
         *
         * @param probe what the prompts are drawn from
         * @return this builder
         */
        public Builder setProbe(Probe probe) {
            this.probe = probe;
            return this;
        }

        /**
         * Sets the lengths of the prompts.
         *
         * @param lengths in the probe's unit, at least one, in any order
         * @return this builder
         */
        public Builder setLengths(int... lengths) {
            this.lengths = lengths.clone();
            return this;
        }

        /**
         * Sets where the fact stands. By default each sample draws its own place.
         *
         * @param depths from 0, the start, to 1, the end, in any order
         * @return this builder
         */
        public Builder optDepths(double... depths) {
            this.depths = depths.clone();
            return this;
        }

        /**
         * Sets the number of samples for each length and depth. The default is 100.
         *
         * @param samples at least 1
         * @return this builder
         */
        public Builder optSamples(int samples) {
            this.samples = samples;
            return this;
        }

        /**
         * Sets the seed of the samples. The default is 0.
         *
         * @param seed any number
         * @return this builder
         */
        public Builder optSeed(long seed) {
            this.seed = seed;
            return this;
        }

        /**
         * Sets the number of prompts that the function gets at a time. The default is 8. It does
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
         * Sets what the report counts the tokens of prompts by. The default counts bytes of UTF-8,
         * the tokens of a model of bytes.
         *
         * @param tokenCounter counts the tokens of a text
         * @return this builder
         */
        public Builder optTokenCounter(ToIntFunction<String> tokenCounter) {
            this.tokenCounter = Objects.requireNonNull(tokenCounter, "tokenCounter");
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
         * @throws IllegalArgumentException if the probe or the lengths are missing, a number is out
         *     of range, or a length or a depth is given twice
         */
        public ProbeEvaluation build() {
            if (probe == null) {
                throw new IllegalArgumentException(
                        "An evaluation of a probe needs a probe: call setProbe.");
            }
            if (lengths.length == 0) {
                throw new IllegalArgumentException(
                        "An evaluation of a probe needs at least one length: call setLengths.");
            }
            Arrays.stream(lengths).forEach(PromptLength::check);
            Arrays.stream(depths).forEach(ProbeSample::checkDepth);
            if (Arrays.stream(lengths).distinct().count() < lengths.length
                    || Arrays.stream(depths).distinct().count() < depths.length) {
                throw new IllegalArgumentException(
                        "A length or a depth of the evaluation is given twice: lengths "
                                + Arrays.toString(lengths)
                                + ", depths "
                                + Arrays.toString(depths)
                                + ".");
            }
            requirePositive("samples", samples);
            requirePositive("prompts of a batch", batchSize);
            requirePositive("bootstrap samples", bootstrapSamples);
            return new ProbeEvaluation(this);
        }

        private static void requirePositive(String what, int value) {
            if (value < 1) {
                throw new IllegalArgumentException(
                        "The number of " + what + " must be at least 1, but is " + value + ".");
            }
        }
    }
}
