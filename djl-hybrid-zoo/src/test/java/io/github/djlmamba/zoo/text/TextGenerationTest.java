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
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Model;
import ai.djl.inference.Predictor;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Blocks;
import ai.djl.training.ParameterStore;
import ai.djl.translate.TranslateException;
import io.github.djlmamba.hybrid.HybridStackOptions;
import io.github.djlmamba.language.LanguageModel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class TextGenerationTest {

    private static final GenerationOptions TWENTY = GenerationOptions.DEFAULTS.withMaxNewTokens(20);
    private static final GenerationOptions SAMPLED =
            TWENTY.withTemperature(0.9).withTopK(60).withTopP(0.95).withMinP(0.01).withSeed(4);

    static Stream<String> stacks() {
        return GenerationModels.stacks().keySet().stream();
    }

    /** Greedy tokens are the highest scores of the whole sequence, computed again for each. */
    @ParameterizedTest
    @MethodSource("stacks")
    void greedyTokensAreThoseOfWholeSequences(String name) throws Exception {
        try (Model model = GenerationModels.model(GenerationModels.stacks().get(name));
                Predictor<long[], long[]> predictor =
                        model.newPredictor(
                                new TextGenerationTranslatorFactory()
                                        .newInstance(
                                                long[].class,
                                                long[].class,
                                                model,
                                                Map.of("maxNewTokens", "20")))) {
            long[] prompt = {73, 110, 32};
            long[] ids = predictor.predict(prompt);
            assertArrayEquals(greedy((LanguageModel) model.getBlock(), prompt, 20), ids);
            assertTrue(Arrays.stream(ids).distinct().count() > 2, Arrays.toString(ids));
        }
    }

    private static long[] greedy(LanguageModel model, long[] prompt, int tokens) {
        long[] ids = prompt.clone();
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            ParameterStore store = new ParameterStore(manager, false);
            for (int i = 0; i < tokens; i++) {
                NDArray all = manager.create(ids, new Shape(1, ids.length));
                NDArray logits = model.forward(store, new NDList(all), false).singletonOrThrow();
                ids = Arrays.copyOf(ids, ids.length + 1);
                ids[ids.length - 1] = logits.get("0, {}", ids.length - 2).argMax().getLong();
            }
        }
        return Arrays.copyOfRange(ids, prompt.length, ids.length);
    }

    /** Requests of different lengths and options in a batch, against one by one. */
    @ParameterizedTest
    @MethodSource("stacks")
    void aBatchGivesWhatEachRequestGivesByItself(String name) throws Exception {
        try (Model model = GenerationModels.model(GenerationModels.stacks().get(name));
                Predictor<GenerationRequest, GenerationResult> predictor =
                        GenerationModels.predictor(
                                model, GenerationRequest.class, GenerationResult.class)) {
            List<GenerationRequest> requests = new ArrayList<>();
            String text = "In the beginning God created the heaven and the earth.";
            for (int i = 0; i < 9; i++) {
                String prompt = text.substring(0, 1 + (i * 7) % 40);
                GenerationOptions options =
                        (i % 3 == 0 ? TWENTY : SAMPLED.withSeed(i)).withMaxNewTokens(1 + i * 4);
                requests.add(GenerationRequest.of(prompt).withOptions(options));
            }
            requests.add(requests.get(2));
            requests.add(requests.get(1).withOptions(SAMPLED.withRepetitionPenalty(1.3)));
            assertEquals(List.of(), predictor.batchPredict(List.of()));
            List<GenerationResult> results = predictor.batchPredict(requests);
            for (int i = 0; i < requests.size(); i++) {
                GenerationResult alone = predictor.predict(requests.get(i));
                assertArrayEquals(alone.ids(), results.get(i).ids(), "request " + i);
                assertArrayEquals(alone.promptIds(), results.get(i).promptIds());
                assertEquals(alone.text(), results.get(i).text());
                assertEquals(alone.finishReason(), results.get(i).finishReason());
                assertEquals(requests.get(i).options().maxNewTokens(), results.get(i).ids().length);
            }
        }
    }

    @Test
    void streamingGivesWhatPredictingGives() throws Exception {
        try (Model model = GenerationModels.mamba();
                Predictor<GenerationRequest, GenerationResult> whole =
                        GenerationModels.predictor(
                                model, GenerationRequest.class, GenerationResult.class);
                Predictor<GenerationRequest, TextStream> streaming =
                        GenerationModels.predictor(
                                model, GenerationRequest.class, TextStream.class);
                Predictor<String, String> texts =
                        GenerationModels.predictor(model, String.class, String.class)) {
            GenerationRequest request = GenerationRequest.of("In the").withOptions(SAMPLED);
            GenerationResult expected = whole.predict(request);
            StringBuilder pieces = new StringBuilder();
            try (TextStream stream = streaming.streamingPredict(request).getIterativeOutput()) {
                while (stream.hasNext()) {
                    String piece = stream.next();
                    assertFalse(piece.isEmpty());
                    pieces.append(piece);
                }
                assertThrows(java.util.NoSuchElementException.class, stream::next);
                assertEquals(expected.text(), stream.text());
                assertArrayEquals(expected.ids(), stream.ids());
            }
            assertEquals(expected.text(), pieces.toString());
            assertEquals(FinishReason.LENGTH, expected.finishReason());
            assertTrue(expected.decodeTokensPerSecond() > 0);
            assertTrue(expected.prefillTokensPerSecond() > 0);
            assertEquals(expected.text(), streaming.predict(request).text());
            GenerationRequest plain = GenerationRequest.of("In the");
            assertEquals(whole.predict(plain).text(), texts.predict("In the"));
            // In the middle of a stream the rest can be asked for.
            TextStream stream = streaming.streamingPredict(request).getIterativeOutput();
            String first = stream.next();
            assertEquals(expected.text(), stream.text());
            StringBuilder all = new StringBuilder(first);
            stream.forEachRemaining(all::append);
            assertEquals(expected.text(), all.toString());
        }
    }

    @Test
    void textsEndAtStopStringsAndEndOfSequence() throws Exception {
        try (Model model = GenerationModels.mamba();
                Predictor<GenerationRequest, GenerationResult> predictor =
                        GenerationModels.predictor(
                                model, GenerationRequest.class, GenerationResult.class)) {
            GenerationRequest request = GenerationRequest.ofIds(73, 110);
            long[] ids = predictor.predict(request.withOptions(SAMPLED)).ids();
            long last = ids[9];
            int first = 0;
            while (ids[first] != last) {
                first++;
            }
            GenerationResult ended =
                    predictor.predict(request.withOptions(SAMPLED.withStopIds(Set.of(last))));
            assertArrayEquals(Arrays.copyOf(ids, first + 1), ended.ids());
            assertEquals(FinishReason.END_OF_SEQUENCE, ended.finishReason());
            TextDecoder decoder = ByteCodec.INSTANCE.newDecoder(73, 110);
            StringBuilder text = new StringBuilder();
            for (int i = 0; i < first; i++) {
                text.append(decoder.next(ids[i]));
            }
            assertEquals(text.append(decoder.end()).toString(), ended.text());
        }
        try (Model model = GenerationModels.mamba()) {
            long[] ids = new long[0];
            for (String end : new String[] {"", "10,13"}) {
                try (Predictor<GenerationRequest, GenerationResult> predictor =
                        model.newPredictor(
                                new TextGenerationTranslatorFactory()
                                        .newInstance(
                                                GenerationRequest.class,
                                                GenerationResult.class,
                                                model,
                                                Map.of(
                                                        "tokenizer",
                                                        "bytes",
                                                        "endOfSequence",
                                                        end.isEmpty() && ids.length > 0
                                                                ? String.valueOf(ids[0])
                                                                : end)))) {
                    ids = predictor.predict(GenerationRequest.of("x").withOptions(TWENTY)).ids();
                    assertEquals(20, ids.length);
                }
            }
            try (Predictor<GenerationRequest, GenerationResult> predictor =
                    model.newPredictor(
                            new TextGenerationTranslatorFactory()
                                    .newInstance(
                                            GenerationRequest.class,
                                            GenerationResult.class,
                                            model,
                                            // As a number of a model's metadata comes.
                                            Map.of("endOfSequence", (double) ids[0])))) {
                GenerationRequest request = GenerationRequest.ofIds('x').withOptions(TWENTY);
                assertEquals(1, predictor.predict(request).ids().length);
                assertNull(predictor.predict(request).text());
                assertArrayEquals(
                        ids,
                        predictor
                                .predict(request.withOptions(TWENTY.withIgnoreEndOfSequence(true)))
                                .ids());
            }
        }
    }

    @Test
    void aStopStringCutsTheStreamToo() throws Exception {
        try (Model model = GenerationModels.mamba();
                Predictor<GenerationRequest, TextStream> predictor =
                        GenerationModels.predictor(
                                model, GenerationRequest.class, TextStream.class)) {
            GenerationRequest request = GenerationRequest.of("q").withOptions(SAMPLED);
            String text = predictor.predict(request).text();
            // Whatever was generated, some of it is plain text.
            String stop = text.substring(text.length() / 2, text.length() / 2 + 2);
            GenerationOptions options = SAMPLED.withStopStrings(List.of("never", stop));
            TextStream stream =
                    predictor.streamingPredict(request.withOptions(options)).getIterativeOutput();
            StringBuilder pieces = new StringBuilder();
            stream.forEachRemaining(pieces::append);
            assertEquals(text.substring(0, text.indexOf(stop)), pieces.toString());
            assertEquals(FinishReason.STOP_STRING, stream.result().finishReason());
        }
    }

    @Test
    void predictorsOfSeveralThreadsGiveWhatOneGives() throws Exception {
        int threads = 4;
        try (Model model =
                GenerationModels.model(GenerationModels.stacks().get("Mamba-2 hybrid"))) {
            List<String> expected = new ArrayList<>();
            for (int i = 0; i < threads; i++) {
                expected.add(generated(model, i));
            }
            ExecutorService pool = Executors.newFixedThreadPool(threads);
            try {
                for (int round = 0; round < 3; round++) {
                    List<Callable<String>> calls = new ArrayList<>();
                    for (int i = 0; i < threads; i++) {
                        int seed = i;
                        calls.add(() -> generated(model, seed));
                    }
                    List<Future<String>> results = pool.invokeAll(calls);
                    for (int i = 0; i < threads; i++) {
                        assertEquals(expected.get(i), results.get(i).get());
                    }
                }
            } finally {
                pool.shutdown();
            }
        }
    }

    private static String generated(Model model, int seed) throws TranslateException {
        try (Predictor<GenerationRequest, GenerationResult> predictor =
                GenerationModels.predictor(
                        model, GenerationRequest.class, GenerationResult.class)) {
            GenerationRequest request =
                    GenerationRequest.of("In the beginning".substring(seed))
                            .withOptions(SAMPLED.withSeed(seed).withMaxNewTokens(40));
            return Arrays.toString(predictor.predict(request).ids());
        }
    }

    @Test
    void whatCannotBeDoneIsRefusedWithAReason() throws Exception {
        try (Model model = GenerationModels.mamba();
                Predictor<GenerationRequest, GenerationResult> predictor =
                        GenerationModels.predictor(
                                model, GenerationRequest.class, GenerationResult.class);
                Predictor<long[], TextStream> withoutCodec =
                        model.newPredictor(
                                new TextGenerationTranslatorFactory()
                                        .newInstance(
                                                long[].class, TextStream.class, model, Map.of()))) {
            assertRefused("prompt is empty", () -> predictor.predict(GenerationRequest.of("")));
            assertRefused("prompt is empty", () -> predictor.predict(GenerationRequest.ofIds()));
            assertRefused(
                    "256 is not in the model's vocabulary; expected 0 to 255",
                    () -> predictor.predict(GenerationRequest.ofIds(1, 256)));
            assertRefused("id -1", () -> predictor.predict(GenerationRequest.ofIds(-1)));
            assertRefused("no tokenizer", () -> withoutCodec.streamingPredict(new long[] {1, 2}));
            // What failed leaves the predictor as it was.
            assertEquals(
                    20,
                    predictor.predict(GenerationRequest.of("x").withOptions(TWENTY)).ids().length);
            assertRefused(
                    "tokenizer is \"words\"", () -> factory(model, Map.of("tokenizer", "words")));
            assertRefused("holds \"x\"", () -> factory(model, Map.of("endOfSequence", "1,x")));
            assertRefused("argument topP", () -> factory(model, Map.of("topP", "much")));
            assertRefused("top-k is -2", () -> factory(model, Map.of("topK", "-2")));
        }
        try (Model model = Model.newInstance("other", "PyTorch")) {
            model.setBlock(Blocks.identityBlock());
            assertRefused("needs a LanguageModel", () -> factory(model, Map.of()));
        }
        assertRefused("the most new tokens are 0", () -> TWENTY.withMaxNewTokens(0));
        assertRefused("temperature is -1", () -> TWENTY.withTemperature(-1));
        assertRefused("temperature is NaN", () -> TWENTY.withTemperature(Double.NaN));
        assertRefused("top-p is 0", () -> TWENTY.withTopP(0));
        assertRefused("min-p is 1.5", () -> TWENTY.withMinP(1.5));
        assertRefused("penalty is 0", () -> TWENTY.withRepetitionPenalty(0));
        assertRefused("stop string is empty", () -> TWENTY.withStopStrings(List.of("")));
        assertRefused("prompt is null", () -> GenerationRequest.of(null));
    }

    private static void factory(Model model, Map<String, ?> arguments) throws TranslateException {
        new TextGenerationTranslatorFactory()
                .newInstance(String.class, String.class, model, arguments);
    }

    private static void assertRefused(String part, Executable action) {
        Throwable thrown = assertThrows(Exception.class, action);
        if (thrown instanceof TranslateException) {
            thrown = thrown.getCause();
        }
        assertTrue(thrown instanceof IllegalArgumentException, thrown::toString);
        assertTrue(thrown.getMessage().contains(part), thrown.getMessage());
    }

    @Test
    void aStreamEndsCleanlyHoweverItEnds() throws Exception {
        HybridStackOptions stack = GenerationModels.stacks().get("Mamba-2 hybrid");
        Model model = GenerationModels.model(stack);
        Predictor<GenerationRequest, TextStream> predictor =
                GenerationModels.predictor(model, GenerationRequest.class, TextStream.class);
        NDManager manager = model.getNDManager();
        int before = count(manager);
        GenerationRequest request =
                GenerationRequest.of("In").withOptions(SAMPLED.withMaxNewTokens(50));

        TextStream read = predictor.streamingPredict(request).getIterativeOutput();
        read.text();
        assertEquals(before, count(manager), "at its end");

        TextStream closed = predictor.streamingPredict(request).getIterativeOutput();
        closed.next();
        assertTrue(count(manager) > before, "a stream holds its state");
        closed.close();
        closed.close();
        assertEquals(before, count(manager), "closed early");
        assertEquals(FinishReason.CLOSED, closed.result().finishReason());
        assertTrue(closed.ids().length < 50);

        assertThrows(
                IllegalStateException.class,
                () -> {
                    try (TextStream stream =
                            predictor.streamingPredict(request).getIterativeOutput()) {
                        stream.forEachRemaining(
                                piece -> {
                                    throw new IllegalStateException("the consumer fails");
                                });
                    }
                });
        assertEquals(before, count(manager), "after the consumer failed");

        assertThrows(
                TranslateException.class,
                () -> predictor.streamingPredict(GenerationRequest.of("")));
        assertEquals(before, count(manager), "after a request that is refused");

        TextStream late = predictor.streamingPredict(request).getIterativeOutput();
        late.next();
        model.close();
        IllegalStateException thrown =
                assertThrows(
                        IllegalStateException.class,
                        () -> late.forEachRemaining(piece -> assertFalse(piece.isEmpty())));
        assertTrue(thrown.getMessage().contains("was closed before"), thrown.getMessage());
        assertFalse(late.hasNext());
        late.close();
        predictor.close();
    }

    /** All arrays below a manager, those of its predictors included. */
    private static int count(NDManager manager) {
        return manager.getManagedArrays().size();
    }
}
