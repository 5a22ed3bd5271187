/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.evaluation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.types.Shape;
import ai.djl.translate.TranslateException;
import ai.djl.util.Progress;
import io.github.djlmamba.icl.baseline.Baseline;
import io.github.djlmamba.icl.baseline.Baselines;
import io.github.djlmamba.icl.baseline.ZeroBaseline;
import io.github.djlmamba.icl.task.AbstractIclTask;
import io.github.djlmamba.icl.task.IclMetric;
import io.github.djlmamba.icl.task.IclPrompts;
import io.github.djlmamba.icl.task.IclTask;
import io.github.djlmamba.icl.task.LinearRegression;
import io.github.djlmamba.icl.task.PromptWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

class IclEvaluationTest {

    private static final IclTask TASK = new LinearRegression(4, 9);

    private static IclEvaluation.Builder builder() {
        return IclEvaluation.builder().setTask(TASK).optPrompts(100).optSeed(7).optBatchSize(32);
    }

    private static IclPredictor constant(float value) {
        return prompts -> {
            float[][] predictions = new float[prompts.count()][prompts.points()];
            for (float[] row : predictions) {
                Arrays.fill(row, value);
            }
            return predictions;
        };
    }

    private static IclPredictor of(Baseline baseline) {
        return prompts -> {
            double[][] exact = baseline.predict(prompts);
            float[][] predictions = new float[exact.length][prompts.points()];
            for (int prompt = 0; prompt < exact.length; prompt++) {
                for (int i = 0; i < prompts.points(); i++) {
                    predictions[prompt][i] = (float) exact[prompt][i];
                }
            }
            return predictions;
        };
    }

    @Test
    void aModelThatIsABaselineScoresAsTheBaseline() throws Exception {
        for (String name : Baselines.names()) {
            IclReport report = builder().build().evaluate("model", of(Baselines.of(name)));
            assertEquals(9, report.curve().size());
            for (IclReport.Entry entry : report.curve()) {
                double expected = entry.baselines().get(name);
                assertEquals(expected, entry.model(), 1e-5 * expected + 1e-8);
                assertTrue(entry.low() <= entry.model() && entry.model() <= entry.high());
            }
        }
    }

    @Test
    void isTheMeanSquaredErrorDividedByTheDimensions() throws Exception {
        IclReport report = builder().build().evaluate("half", constant(0.5f));
        assertEquals("linear-regression", report.task());
        assertEquals("half", report.model());
        assertEquals(4, report.dims());
        assertEquals(9, report.points());
        assertEquals(100, report.prompts());
        assertEquals(7, report.seed());
        assertEquals("squared_error/d", report.metric());
        float[] ys = TASK.sample(7, 0, 100).ys().values();
        for (int i = 0; i < 9; i++) {
            double sum = 0;
            for (int prompt = 0; prompt < 100; prompt++) {
                sum += Math.pow(0.5 - ys[prompt * 9 + i], 2) / 4;
            }
            IclReport.Entry entry = report.curve().get(i);
            assertEquals(i, entry.i());
            assertEquals(sum / 100, entry.model(), 1e-12);
            assertEquals(List.copyOf(TASK.baselines()), List.copyOf(entry.baselines().keySet()));
        }
        assertEquals(report, IclReport.fromJson(report.toJson()));
    }

    @Test
    void doesNotDependOnTheBatchSizeButOnTheSeed() throws Exception {
        IclReport report = builder().build().evaluate("half", constant(0.5f));
        for (int batchSize : new int[] {1, 99, 100, Integer.MAX_VALUE}) {
            List<Integer> sizes = new ArrayList<>();
            IclReport other =
                    builder()
                            .optBatchSize(batchSize)
                            .build()
                            .evaluate(
                                    "half",
                                    prompts -> {
                                        sizes.add(prompts.count());
                                        return constant(0.5f).predict(prompts);
                                    });
            assertEquals(report, other);
            assertEquals(Math.min(batchSize, 100), sizes.get(0));
            assertEquals(100, sizes.stream().mapToInt(size -> size).sum());
        }
        assertNotEquals(
                report.curve(),
                builder().optSeed(8).build().evaluate("half", constant(0.5f)).curve());
    }

    /** Only odd positions count; the answers are 1 there and absurd elsewhere. */
    private static final class OddPositions extends AbstractIclTask {

        OddPositions() {
            super(2, 5);
        }

        @Override
        public String name() {
            return "odd";
        }

        @Override
        public IclMetric metric() {
            return IclMetric.squaredErrorPerDimension(1);
        }

        @Override
        public List<String> baselines() {
            return List.of("zero");
        }

        @Override
        protected Map<String, Shape> otherShapes(int currentPoints) {
            return Map.of(IclPrompts.MASK, new Shape(currentPoints));
        }

        @Override
        protected void samplePrompt(Random random, int currentDims, PromptWriter prompt) {
            for (int i = 0; i < prompt.points(); i++) {
                prompt.setOther(IclPrompts.MASK, i, i % 2);
                prompt.setY(i, i % 2 == 1 ? 1 : 1e9f);
            }
        }
    }

    @Test
    void leavesMaskedPositionsOut() throws Exception {
        IclReport report =
                IclEvaluation.builder()
                        .setTask(new OddPositions())
                        .optPrompts(10)
                        .build()
                        .evaluate("four", constant(4));
        assertEquals(
                List.of(
                        new IclReport.Entry(1, 9, 9, 9, Map.of("zero", 1.0)),
                        new IclReport.Entry(3, 9, 9, 9, Map.of("zero", 1.0))),
                report.curve());
    }

    @Test
    void saysWhereTheModelFails() {
        assertFails("predicted NaN at position 0 of prompt 0", constant(Float.NaN));
        assertFails("predicted Infinity", constant(Float.POSITIVE_INFINITY));
        assertFails("predictions for 3 prompts", prompts -> new float[3][9]);
        assertFails("8 predictions for a prompt of 9", prompts -> new float[prompts.count()][8]);
        TranslateException failure = new TranslateException("no memory");
        IclEvaluation evaluation = builder().build();
        assertSame(
                failure,
                assertThrows(
                        TranslateException.class,
                        () ->
                                evaluation.evaluate(
                                        "model",
                                        prompts -> {
                                            throw failure;
                                        })));
    }

    private static void assertFails(String message, IclPredictor predictor) {
        IclEvaluation evaluation = builder().build();
        IllegalStateException error =
                assertThrows(
                        IllegalStateException.class, () -> evaluation.evaluate("model", predictor));
        assertTrue(error.getMessage().contains(message), error.getMessage());
    }

    @Test
    void tellsItsProgress() throws Exception {
        List<Long> increments = new ArrayList<>();
        Progress progress =
                new Progress() {
                    @Override
                    public void reset(String message, long max, String trailingMessage) {
                        increments.add(-max);
                    }

                    @Override
                    public void start(long initialProgress) {}

                    @Override
                    public void end() {}

                    @Override
                    public void increment(long increment) {
                        increments.add(increment);
                    }

                    @Override
                    public void update(long progress, String message) {}
                };
        builder().optProgress(progress).build().evaluate("half", constant(0.5f));
        assertEquals(List.of(-100L, 32L, 32L, 32L, 4L), increments);
    }

    @Test
    void namesTheWrongSetting() {
        assertRefused("setTask", b -> b.setTask(null));
        assertRefused("number of prompts must", b -> b.optPrompts(0));
        assertRefused("prompts of a batch", b -> b.optBatchSize(0));
        assertRefused("bootstrap samples", b -> b.optBootstrapSamples(0));
        assertRefused(
                "same name", b -> b.optBaselines(List.of(new ZeroBaseline(), new ZeroBaseline())));
    }

    private static void assertRefused(String message, Consumer<IclEvaluation.Builder> change) {
        IclEvaluation.Builder builder = builder();
        change.accept(builder);
        IllegalArgumentException error =
                assertThrows(IllegalArgumentException.class, builder::build);
        assertTrue(error.getMessage().contains(message), error.getMessage());
    }
}
