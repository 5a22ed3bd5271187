/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.feedforward;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Model;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.EasyTrain;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.djl.training.dataset.Batch;
import ai.djl.training.tracker.Tracker;
import ai.djl.translate.Batchifier;
import io.github.djlmamba.state.SequenceMixer;
import io.github.djlmamba.training.AdamTrainer;
import io.github.djlmamba.training.MeanSquaredError;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class MixtureOfExpertsBlockTest {

    private static final int SIZE = 6;
    private static final int EXPERTS = 8;
    private static final int PER_TOKEN = 3;
    private static final int HIDDEN = 5;
    private static final int TOKENS = 14;
    private static final MixtureOfExpertsOptions OPTIONS =
            MixtureOfExpertsOptions.of(EXPERTS, PER_TOKEN, HIDDEN);

    private NDManager manager;
    private ParameterStore store;

    @BeforeEach
    void open() {
        Engine.getEngine("PyTorch").setRandomSeed(5);
        manager = NDManager.newBaseManager("PyTorch");
        store = new ParameterStore(manager, false);
    }

    @AfterEach
    void close() {
        manager.close();
    }

    static Stream<Arguments> kinds() {
        ExpertRouting sigmoid = ExpertRouting.SIGMOID;
        Map<String, MixtureOfExpertsOptions> kinds = new LinkedHashMap<>();
        kinds.put("softmax", OPTIONS.withRouting(ExpertRouting.SOFTMAX));
        kinds.put("softmax of the chosen", OPTIONS);
        kinds.put("softmax, scaled", OPTIONS.withRouting(ExpertRouting.SOFTMAX.withScale(2.5)));
        kinds.put("sigmoid", OPTIONS.withRouting(sigmoid));
        kinds.put("sigmoid, not normalised", OPTIONS.withRouting(sigmoid.withNormalised(false)));
        kinds.put(
                "sigmoid, two of four groups, scaled",
                OPTIONS.withRouting(sigmoid.withGroups(4, 2).withScale(2.5)));
        kinds.put(
                "plain experts with a squared ReLU",
                OPTIONS.withExperts(false, MlpActivation.SQUARED_RELU));
        return kinds.entrySet().stream().map(e -> Arguments.of(e.getKey(), e.getValue()));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("kinds")
    void outputsAreThoseOfALoopOverTokens(String name, MixtureOfExpertsOptions options) {
        SequenceMixer block = initialized(options);
        NDArray x = manager.randomNormal(0, 1, new Shape(2, TOKENS / 2, SIZE), DataType.FLOAT64);
        NDArray y = block.forward(store, new NDList(x), false).singletonOrThrow();
        double[] inputs = x.toDoubleArray();
        double[] expected = new double[inputs.length];
        for (int t = 0; t < TOKENS; t++) {
            double[] token = Arrays.copyOfRange(inputs, t * SIZE, (t + 1) * SIZE);
            System.arraycopy(oneToken(block, options, token), 0, expected, t * SIZE, SIZE);
        }
        assertArrayEquals(expected, y.toDoubleArray(), 1e-12);
    }

    private SequenceMixer initialized(MixtureOfExpertsOptions options) {
        SequenceMixer block = options.newMixer(SIZE, 1);
        block.initialize(manager, DataType.FLOAT64, new Shape(1, 1, SIZE));
        Parameter correction = block.getDirectParameters().get("correction");
        if (correction != null) {
            correction
                    .getArray()
                    .addi(manager.randomNormal(0, 0.3f, new Shape(EXPERTS), DataType.FLOAT64));
        }
        return block;
    }

    private static double[] oneToken(
            SequenceMixer block, MixtureOfExpertsOptions options, double[] token) {
        ExpertRouting routing = options.routing();
        Block router = block.getChildren().get("01router");
        double[] logits = product(router.getDirectParameters().get("weight"), 0, EXPERTS, token);
        double[] scores = scores(routing, logits);
        double[] eligible = scores.clone();
        if (routing.correction()) {
            double[] correction =
                    block.getDirectParameters().get("correction").getArray().toDoubleArray();
            Arrays.setAll(eligible, e -> scores[e] + correction[e]);
        }
        hideOtherGroups(eligible, routing);
        List<Integer> chosen = largest(eligible, PER_TOKEN);
        double total = chosen.stream().mapToDouble(e -> scores[e]).sum();
        double[] output = new double[SIZE];
        for (int expert : chosen) {
            double weight = routing.scale() * scores[expert] / (routing.normalised() ? total : 1);
            double[] result = expert(block, options, expert, token);
            for (int i = 0; i < SIZE; i++) {
                output[i] += weight * result[i];
            }
        }
        return output;
    }

    private static double[] scores(ExpertRouting routing, double[] logits) {
        if (routing.score() == ExpertRouting.Score.SIGMOID) {
            return Arrays.stream(logits).map(v -> 1 / (1 + Math.exp(-v))).toArray();
        }
        double sum = Arrays.stream(logits).map(Math::exp).sum();
        return Arrays.stream(logits).map(v -> Math.exp(v) / sum).toArray();
    }

    private static void hideOtherGroups(double[] eligible, ExpertRouting routing) {
        int size = EXPERTS / routing.groups();
        double[] totals = new double[routing.groups()];
        for (int g = 0; g < totals.length; g++) {
            double[] group = Arrays.copyOfRange(eligible, g * size, (g + 1) * size);
            totals[g] = largest(group, 2).stream().mapToDouble(e -> group[e]).sum();
        }
        List<Integer> best = largest(totals, routing.chosenGroups());
        for (int e = 0; e < EXPERTS; e++) {
            if (!best.contains(e / size)) {
                eligible[e] = Double.NEGATIVE_INFINITY;
            }
        }
    }

    private static List<Integer> largest(double[] values, int count) {
        return IntStream.range(0, values.length)
                .boxed()
                .sorted(Comparator.comparingDouble(i -> -values[i]))
                .limit(count)
                .toList();
    }

    private static double[] expert(
            SequenceMixer block, MixtureOfExpertsOptions options, int expert, double[] token) {
        int rows = options.gated() ? 2 * HIDDEN : HIDDEN;
        Parameter in =
                block.getDirectParameters().get(options.gated() ? "gate_up_weight" : "up_weight");
        double[] projected = product(in, expert * rows, rows, token);
        double[] hidden = new double[HIDDEN];
        for (int i = 0; i < HIDDEN; i++) {
            double v = projected[i];
            hidden[i] =
                    options.gated()
                            ? v / (1 + Math.exp(-v)) * projected[HIDDEN + i]
                            : Math.max(v, 0) * Math.max(v, 0);
        }
        return product(block.getDirectParameters().get("down_weight"), expert * SIZE, SIZE, hidden);
    }

    private static double[] product(Parameter matrix, int firstRow, int rows, double[] vector) {
        double[] values = matrix.getArray().toDoubleArray();
        double[] result = new double[rows];
        for (int r = 0; r < rows; r++) {
            for (int i = 0; i < vector.length; i++) {
                result[r] += values[(firstRow + r) * vector.length + i] * vector[i];
            }
        }
        return result;
    }

    @Test
    void latentAndSharedPartsAreAdded() {
        MixtureOfExpertsOptions plain = OPTIONS.withRouting(ExpertRouting.SIGMOID);
        SequenceMixer block =
                initialized(plain.withLatentSize(4, false).withShared(MlpOptions.DEFAULTS));
        NDArray x = manager.randomNormal(0, 1, new Shape(1, 5, SIZE), DataType.FLOAT64);
        NDArray all = block.forward(store, new NDList(x), false).singletonOrThrow();
        NDArray shared =
                block.getChildren()
                        .get("04shared")
                        .forward(store, new NDList(x), false)
                        .singletonOrThrow();
        block.getChildren()
                .get("03latent_out")
                .getDirectParameters()
                .get("weight")
                .getArray()
                .muli(0);
        NDArray withoutExperts = block.forward(store, new NDList(x), false).singletonOrThrow();
        assertArrayEquals(shared.toDoubleArray(), withoutExperts.toDoubleArray(), 1e-12);
        assertTrue(all.sub(shared).abs().max().getDouble() > 1e-3);
    }

    @Test
    void expertsThatNoTokenChoosesHaveAGradientOfZero() {
        SequenceMixer block = initialized(OPTIONS);
        NDArray x = manager.randomNormal(0, 1, new Shape(1, 1, SIZE), DataType.FLOAT64);
        try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
            collector.backward(block.forward(store, new NDList(x), true).singletonOrThrow().sum());
        }
        NDArray gradient = block.getDirectParameters().get("down_weight").getArray().getGradient();
        double[] byExpert = gradient.abs().sum(new int[] {1, 2}).toDoubleArray();
        assertEquals(PER_TOKEN, Arrays.stream(byExpert).filter(sum -> sum > 0).count());
    }

    @Test
    void aTrainerLeavesTheCorrectionAlone() {
        Shape shape = new Shape(2, 3, SIZE);
        try (Model model = Model.newInstance("experts", "PyTorch")) {
            SequenceMixer block = OPTIONS.withRouting(ExpertRouting.SIGMOID).newMixer(SIZE, 1);
            model.setBlock(block);
            try (AdamTrainer trainer =
                    AdamTrainer.builder()
                            .setModel(model)
                            .setTrainingConfig(new DefaultTrainingConfig(new MeanSquaredError()))
                            .setLearningRate(Tracker.fixed(0.1f))
                            .build()) {
                trainer.initialize(shape);
                float[] before = values(block, "down_weight");
                NDArray x = trainer.getManager().randomNormal(0, 1, shape, DataType.FLOAT32);
                Batch batch =
                        new Batch(
                                trainer.getManager().newSubManager(),
                                new NDList(x),
                                new NDList(x.neg()),
                                2,
                                Batchifier.STACK,
                                Batchifier.STACK,
                                0,
                                1);
                EasyTrain.trainBatch(trainer, batch);
                trainer.step();
                assertFalse(Arrays.equals(before, values(block, "down_weight")));
                assertArrayEquals(new float[EXPERTS], values(block, "correction"));
            }
        }
    }

    private static float[] values(SequenceMixer block, String parameter) {
        return block.getDirectParameters().get(parameter).getArray().toFloatArray();
    }

    @Test
    void whatDoesNotFitIsRefused() {
        assertMessage("number of experts is 0", () -> MixtureOfExpertsOptions.of(0, 1, 5));
        assertMessage("each token has 9 experts", () -> MixtureOfExpertsOptions.of(8, 9, 5));
        assertMessage("hidden size is 0", () -> MixtureOfExpertsOptions.of(8, 2, 0));
        assertMessage(
                "do not make 3 groups",
                () -> OPTIONS.withRouting(ExpertRouting.SIGMOID.withGroups(3, 1)));
        assertMessage(
                "expected 1 to 2",
                () -> OPTIONS.withRouting(ExpertRouting.SIGMOID.withGroups(4, 1)));
        assertMessage("chosen groups is 5", () -> ExpertRouting.SIGMOID.withGroups(4, 5));
        assertMessage("the scale is 0", () -> ExpertRouting.SIGMOID.withScale(0));
        assertMessage("expected the settings of an MLP", () -> OPTIONS.withShared(OPTIONS));
    }

    private static void assertMessage(String part, org.junit.jupiter.api.function.Executable run) {
        String message = assertThrows(IllegalArgumentException.class, run).getMessage();
        assertTrue(message.contains(part), message);
    }
}
