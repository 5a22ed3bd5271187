/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.inference.Predictor;
import ai.djl.ndarray.NDManager;
import ai.djl.translate.TranslateException;
import io.github.djlmamba.zoo.safetensors.SafetensorsFile;
import io.github.djlmamba.zoo.safetensors.SafetensorsWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class PromptStateTest {

    private static final String PREFIX = "In the beginning God created ";
    private static final GenerationOptions OPTIONS =
            GenerationOptions.DEFAULTS
                    .withMaxNewTokens(15)
                    .withTemperature(0.8)
                    .withRepetitionPenalty(1.2)
                    .withSeed(9);

    @TempDir private Path folder;

    static Stream<String> stacks() {
        return GenerationModels.stacks().keySet().stream();
    }

    private static Model model(String name) {
        return GenerationModels.model(GenerationModels.stacks().get(name));
    }

    private static Predictor<GenerationRequest, GenerationResult> predictor(Model model)
            throws TranslateException {
        return GenerationModels.predictor(model, GenerationRequest.class, GenerationResult.class);
    }

    private static PromptState state(Model model, String prefix) throws TranslateException {
        try (Predictor<String, PromptState> reader =
                GenerationModels.predictor(model, String.class, PromptState.class)) {
            return reader.predict(prefix);
        }
    }

    /** From a saved prefix, kept or loaded, alone or in a batch, as from the whole prompt. */
    @ParameterizedTest
    @MethodSource("stacks")
    void aPrefixIsContinuedAsTheWholePrompt(String name) throws Exception {
        Path file = folder.resolve("prefix.safetensors");
        List<String> ends = List.of("the heaven", "", "a", "all the earth. And ");
        List<GenerationResult> expected = new ArrayList<>();
        try (Model model = model(name);
                Predictor<GenerationRequest, GenerationResult> predictor = predictor(model);
                PromptState kept = state(model, PREFIX)) {
            assertArrayEquals(ByteCodec.INSTANCE.encode(PREFIX, true), kept.ids());
            kept.save(file);
            List<GenerationRequest> continued = new ArrayList<>();
            for (String end : ends) {
                expected.add(
                        predictor.predict(GenerationRequest.of(PREFIX + end).withOptions(OPTIONS)));
                continued.add(GenerationRequest.of(end).withOptions(OPTIONS).withPrefix(kept));
            }
            for (int i = 0; i < ends.size(); i++) {
                assertSame(expected.get(i), predictor.predict(continued.get(i)));
            }
            // A batch with and without the prefix.
            continued.add(GenerationRequest.of(PREFIX).withOptions(OPTIONS));
            List<GenerationResult> batch = predictor.batchPredict(continued);
            for (int i = 0; i < ends.size(); i++) {
                assertSame(expected.get(i), batch.get(i));
            }
            assertSame(expected.get(1), batch.get(ends.size()));
            assertEquals(0, predictor.predict(continued.get(1)).prefillTokensPerSecond());
        }
        // Another instance of the model, as after a restart.
        try (Model model = model(name);
                Predictor<GenerationRequest, GenerationResult> predictor = predictor(model);
                PromptState loaded = PromptState.load(file, model)) {
            for (int i = 0; i < ends.size(); i++) {
                GenerationRequest request =
                        GenerationRequest.of(ends.get(i)).withOptions(OPTIONS).withPrefix(loaded);
                assertSame(expected.get(i), predictor.predict(request));
            }
            // A prefix of a prefix.
            try (Predictor<GenerationRequest, PromptState> reader =
                            GenerationModels.predictor(
                                    model, GenerationRequest.class, PromptState.class);
                    PromptState longer =
                            reader.predict(GenerationRequest.of("the ").withPrefix(loaded))) {
                GenerationRequest request =
                        GenerationRequest.of("heaven").withOptions(OPTIONS).withPrefix(longer);
                assertSame(expected.get(0), predictor.predict(request));
            }
        }
    }

    private static void assertSame(GenerationResult expected, GenerationResult actual) {
        assertArrayEquals(expected.promptIds(), actual.promptIds());
        assertArrayEquals(expected.ids(), actual.ids());
        assertEquals(expected.text(), actual.text());
    }

    @Test
    void severalPredictorsMayUseOneAtOnce() throws Exception {
        int threads = 4;
        ExecutorService pool = Executors.newFixedThreadPool(threads);
        try (Model model = model("Mamba-2 hybrid");
                PromptState prefix = state(model, PREFIX)) {
            GenerationRequest request =
                    GenerationRequest.of("x").withOptions(OPTIONS).withPrefix(prefix);
            List<String> expected = new ArrayList<>();
            List<Callable<String>> calls = new ArrayList<>();
            for (int i = 0; i < threads; i++) {
                GenerationRequest seeded = request.withOptions(OPTIONS.withSeed(i));
                Callable<String> call =
                        () -> {
                            try (Predictor<GenerationRequest, GenerationResult> predictor =
                                    predictor(model)) {
                                return predictor.predict(seeded).text();
                            }
                        };
                expected.add(call.call());
                calls.add(call);
            }
            List<Future<String>> results = pool.invokeAll(calls);
            for (int i = 0; i < threads; i++) {
                assertEquals(expected.get(i), results.get(i).get());
            }
        } finally {
            pool.shutdown();
        }
    }

    @Test
    void aStateOfAnotherModelIsRefused() throws Exception {
        Path file = folder.resolve("prefix.safetensors");
        try (Model model = model("Mamba");
                Model other = GenerationModels.model(GenerationModels.stacks().get("Mamba"), 8);
                Predictor<GenerationRequest, GenerationResult> predictor = predictor(other)) {
            PromptState prefix = state(model, PREFIX);
            GenerationRequest request = GenerationRequest.of("x").withPrefix(prefix);
            Throwable thrown =
                    assertThrows(TranslateException.class, () -> predictor.predict(request))
                            .getCause();
            assertTrue(thrown.getMessage().contains("another model"), thrown.getMessage());
            prefix.save(file);
            assertTrue(
                    assertThrows(MalformedModelException.class, () -> PromptState.load(file, other))
                            .getMessage()
                            .contains("another model"));
            prefix.close();
            try (Predictor<GenerationRequest, GenerationResult> own = predictor(model)) {
                thrown =
                        assertThrows(TranslateException.class, () -> own.predict(request))
                                .getCause();
                assertTrue(thrown instanceof IllegalStateException, thrown::toString);
                assertTrue(thrown.getMessage().contains("closed"), thrown.getMessage());
            }
        }
    }

    @Test
    void aFileThatIsNoStateIsRefused() throws Exception {
        Path file = folder.resolve("prefix.safetensors");
        Path changed = folder.resolve("changed.safetensors");
        try (Model model = model("Mamba-2 hybrid");
                NDManager manager = NDManager.newBaseManager("PyTorch");
                PromptState prefix = state(model, PREFIX)) {
            prefix.save(file);
            byte[] bytes = Files.readAllBytes(file);
            Files.write(changed, java.util.Arrays.copyOf(bytes, bytes.length / 2));
            assertThrows(MalformedModelException.class, () -> PromptState.load(changed, model));
            // Each tensor missing, and each with a number more or less.
            try (SafetensorsFile source = SafetensorsFile.open(file)) {
                for (String name : source.entries().keySet()) {
                    assertRefused(copy(source, manager, name, null), changed, model);
                    assertRefused(copy(source, manager, name, true), changed, model);
                }
                SafetensorsWriter.Builder plain = copy(source, manager, "", null);
                plain.optMetadata(Map.of());
                assertRefused(plain, changed, model);
            }
        }
    }

    /** Copies what a file holds, but for one tensor, which is left out or gets another shape. */
    private static SafetensorsWriter.Builder copy(
            SafetensorsFile source, NDManager manager, String name, Boolean longer)
            throws Exception {
        SafetensorsWriter.Builder builder =
                SafetensorsWriter.builder().optMetadata(new LinkedHashMap<>(source.metadata()));
        for (String each : source.entries().keySet()) {
            if (!each.equals(name)) {
                builder.addTensor(each, source.read(each, manager));
            } else if (longer != null) {
                var array = source.read(each, manager);
                builder.addTensor(each, array.concat(array, array.getShape().dimension() - 1));
            }
        }
        return builder;
    }

    private static void assertRefused(SafetensorsWriter.Builder builder, Path file, Model model)
            throws Exception {
        builder.build().write(file);
        MalformedModelException thrown =
                assertThrows(MalformedModelException.class, () -> PromptState.load(file, model));
        assertTrue(thrown.getMessage().contains(file.toString()), thrown.getMessage());
    }
}
