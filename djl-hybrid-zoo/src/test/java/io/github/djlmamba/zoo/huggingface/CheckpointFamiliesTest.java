/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.djl.training.loss.Loss;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.language.LanguageModel.Positions;
import io.github.djlmamba.language.LanguageModelOutput;
import io.github.djlmamba.ops.OpsProviders;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Each family against what the public library computed with the same file, on each provider. */
class CheckpointFamiliesTest {

    private static final float LOGITS = 1e-4f;
    private static final float LOSS = 1e-5f;
    private static final float GRADIENTS = 1e-3f;
    private static final int PROMPT = 9;

    private NDManager manager;
    private ParameterStore store;

    @BeforeEach
    void open() {
        manager = NDManager.newBaseManager("PyTorch");
        store = new ParameterStore(manager, false);
    }

    @AfterEach
    void close() {
        OpsProviders.force(null);
        manager.close();
    }

    static Stream<Arguments> families() {
        return HuggingFaceFixture.FAMILIES.stream()
                .flatMap(
                        family ->
                                Stream.of("native", "reference")
                                        .map(ops -> Arguments.of(family, ops)));
    }

    /** Forces a provider; the native ops may be missing only where the build does not need them. */
    private static void use(String ops) {
        boolean works =
                OpsProviders.all().stream()
                        .filter(provider -> provider.name().equals(ops))
                        .anyMatch(provider -> provider.unavailableReason() == null);
        if (!"required".equals(System.getProperty("djlmamba.test.native"))) {
            assumeTrue(works, "there are no " + ops + " ops here");
        }
        OpsProviders.force(ops);
    }

    @ParameterizedTest(name = "{0}, {1}")
    @MethodSource("families")
    void logitsAreThoseOfThePublicLibrary(String family, String ops) throws Exception {
        use(ops);
        HuggingFaceFixture fixture = HuggingFaceFixture.of(family);
        Map<String, NDArray> expected = fixture.expected(manager);
        LanguageModel model = fixture.load(manager).model();
        NDArray logits =
                model.forward(store, new NDList(expected.get("input_ids")), false)
                        .singletonOrThrow();
        assertClose(expected.get("logits"), logits);
    }

    @ParameterizedTest(name = "{0}, {1}")
    @MethodSource("families")
    void lossAndGradientsAreThoseOfThePublicLibrary(String family, String ops) throws Exception {
        use(ops);
        HuggingFaceFixture fixture = HuggingFaceFixture.of(family);
        Map<String, NDArray> expected = fixture.expected(manager);
        HuggingFaceCheckpoint checkpoint = fixture.load(manager);
        LanguageModel model = checkpoint.model();
        model.freezeParameters(false);
        NDArray ids = expected.get("input_ids");
        try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
            NDArray loss = loss(model, ids);
            assertEquals(expected.get("loss").toFloatArray()[0], loss.getFloat(), LOSS);
            collector.backward(loss);
        }
        Set<String> compared = new HashSet<>();
        for (StoredTensor tensor : checkpoint.tensors()) {
            HuggingFaceFixture.Gradient found = fixture.gradientOf(tensor.name(), expected);
            String name = found.name();
            NDArray gradient = found.array();
            assertNotNull(gradient, name);
            compared.add(name);
            NDArray actual = tensor.part(tensor.parameter().getArray().getGradient());
            assertEquals(gradient.getShape(), actual.getShape(), name);
            float largest = gradient.abs().max().getFloat();
            assertArrayEquals(
                    gradient.toFloatArray(), actual.toFloatArray(), GRADIENTS * largest, name);
        }
        expected.keySet().removeIf(name -> !name.startsWith("grad."));
        assertEquals(expected.keySet(), compared);
    }

    private NDArray loss(LanguageModel model, NDArray ids) {
        long size = model.options().vocabularySize();
        NDArray logits = model.forward(store, new NDList(ids), true).singletonOrThrow();
        return Loss.softmaxCrossEntropyLoss()
                .evaluate(
                        new NDList(ids.get(":, 1:").flatten()),
                        new NDList(logits.get(":, :-1").reshape(-1, size)));
    }

    @ParameterizedTest(name = "{0}, {1}")
    @MethodSource("families")
    void greedyTokensAreThoseOfThePublicLibrary(String family, String ops) throws Exception {
        use(ops);
        HuggingFaceFixture fixture = HuggingFaceFixture.of(family);
        long[] expected = fixture.expected(manager).get("greedy").toLongArray();
        LanguageModel model = fixture.load(manager).model();
        long[] actual = Arrays.copyOf(expected, expected.length);
        NDArray ids = manager.create(Arrays.copyOf(expected, PROMPT), new Shape(1, PROMPT));
        LanguageModelOutput output = model.run(store, ids, null, Positions.LAST, true, false);
        for (int i = PROMPT; i < expected.length; i++) {
            actual[i] = output.logits().argMax(2).getLong(0, 0);
            NDArray next = manager.create(new long[] {actual[i]}, new Shape(1, 1));
            output = model.run(store, next, output.state(), Positions.LAST, true, false);
        }
        assertArrayEquals(expected, actual);
    }

    @ParameterizedTest(name = "{0}, {1}")
    @MethodSource("families")
    void aPrefixAndSingleTokensScoreAsTheWhole(String family, String ops) throws Exception {
        use(ops);
        HuggingFaceFixture fixture = HuggingFaceFixture.of(family);
        Map<String, NDArray> expected = fixture.expected(manager);
        LanguageModel model = fixture.load(manager).model();
        NDArray ids = expected.get("input_ids");
        NDList scores = new NDList();
        LanguageModelOutput output =
                model.run(store, ids.get(":, :20"), null, Positions.ALL, true, false);
        scores.add(output.logits());
        for (long t = 20; t < ids.getShape().get(1); t++) {
            NDArray token = ids.get(":, {}:{}", t, t + 1);
            output = model.run(store, token, output.state(), Positions.ALL, true, false);
            scores.add(output.logits());
        }
        assertClose(expected.get("logits"), NDArrays.concat(scores, 1));
    }

    static Stream<String> names() {
        return HuggingFaceFixture.FAMILIES.stream();
    }

    @ParameterizedTest
    @MethodSource("names")
    void savingGivesTheSameFiles(String family, @TempDir Path saved) throws Exception {
        HuggingFaceFixture fixture = HuggingFaceFixture.of(family);
        fixture.load(manager).save(saved);
        for (String file : List.of(ModelConfig.FILE, "model.safetensors")) {
            assertArrayEquals(
                    Files.readAllBytes(fixture.folder().resolve(file)),
                    Files.readAllBytes(saved.resolve(file)),
                    file);
        }
    }

    private static void assertClose(NDArray expected, NDArray actual) {
        assertEquals(expected.getShape(), actual.getShape());
        assertArrayEquals(expected.toFloatArray(), actual.toFloatArray(), LOGITS);
    }
}
