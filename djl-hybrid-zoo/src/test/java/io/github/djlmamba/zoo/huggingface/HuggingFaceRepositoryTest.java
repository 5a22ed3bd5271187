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
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Application;
import ai.djl.inference.Predictor;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.repository.Repository;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ModelNotFoundException;
import ai.djl.repository.zoo.ZooModel;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.zoo.huggingface.hub.FakeHub;
import io.github.djlmamba.zoo.huggingface.hub.HubReference;
import io.github.djlmamba.zoo.huggingface.hub.HuggingFaceHub;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Loads models by DJL's criteria, as a user would: from folders, and from a hub. */
class HuggingFaceRepositoryTest {

    private static final String REPOSITORY = "some_owner/tiny.mamba-2";

    @TempDir private Path folder;

    @Test
    void loadsAFolderByItsAddress() throws Exception {
        Criteria<NDList, NDList> criteria =
                Criteria.builder()
                        .setTypes(NDList.class, NDList.class)
                        .optApplication(Application.NLP.TEXT_GENERATION)
                        .optModelUrls("hf:" + copy("mamba", "model").toUri().getRawPath())
                        .build();
        assertTrue(criteria.isDownloaded());
        assertModel("mamba", criteria);
    }

    @Test
    void loadsAFolderOfAnyName() throws Exception {
        Path odd = copy("mamba2", "a, b %20 é");
        assertModel("mamba2", HuggingFaceModels.criteria(odd, NDList.class, NDList.class).build());
        assertModel(
                "mamba2",
                HuggingFaceModels.criteria(odd.toString(), NDList.class, NDList.class).build());
        String address = "hf:" + odd.toUri().getRawPath();
        assertModel(
                "mamba2", HuggingFaceModels.criteria(address, NDList.class, NDList.class).build());
        // DJL itself takes what follows a comma for another address.
        String escaped = address.replace(",", "%2C");
        assertModel(
                "mamba2",
                Criteria.builder()
                        .setTypes(NDList.class, NDList.class)
                        .optModelUrls(escaped)
                        .build());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "@main", "@refs/pr/1"})
    void loadsFromTheHubByItsAddress(String revision) throws Exception {
        try (FakeHub server = new FakeHub()) {
            server.commit(REPOSITORY, "main", files("mamba2"));
            server.commit(REPOSITORY, "refs/pr/1", files("mamba2"));
            Repository.registerRepositoryFactory(
                    new HuggingFaceRepositoryFactory(server.settings(folder)));
            try {
                Criteria<NDList, NDList> criteria =
                        Criteria.builder()
                                .setTypes(NDList.class, NDList.class)
                                .optModelUrls("hf://" + REPOSITORY + revision)
                                .build();
                assertFalse(criteria.isDownloaded());
                assertModel("mamba2", criteria);
                assertTrue(criteria.isDownloaded());
            } finally {
                Repository.registerRepositoryFactory(new HuggingFaceRepositoryFactory());
            }
        }
    }

    @Test
    void loadsFromAHubOfOnesOwn() throws Exception {
        try (FakeHub server = new FakeHub()) {
            server.commit(REPOSITORY, "main", files("mamba"));
            HuggingFaceHub hub = new HuggingFaceHub(server.settings(folder));
            Criteria<NDList, NDList> criteria =
                    HuggingFaceModels.criteria(
                                    HubReference.parse(REPOSITORY), hub, NDList.class, NDList.class)
                            .build();
            criteria.downloadModel();
            assertTrue(criteria.isDownloaded());
            assertModel("mamba", criteria);
        }
    }

    @Test
    void generatesByPlainCriteria() throws Exception {
        Path model = copy("mamba", "model");
        String address = "hf:" + model.toUri().getRawPath() + "?maxNewTokens=16&temperature=0";
        assertGreedy(
                Criteria.builder()
                        .setTypes(long[].class, long[].class)
                        .optModelUrls(address)
                        .build());
        assertGreedy(
                HuggingFaceModels.criteria(model, long[].class, long[].class)
                        .optArgument("maxNewTokens", 16)
                        .optArgument("temperature", 0)
                        .build());
    }

    @Test
    void argumentsOfTheAddressReachTheModel() throws Exception {
        String address = "hf:" + copy("mamba", "model").toUri().getRawPath() + "?first=1&second=a";
        Criteria<NDList, NDList> criteria =
                HuggingFaceModels.criteria(address + "&blockFactory=x", NDList.class, NDList.class)
                        .build();
        try (ZooModel<NDList, NDList> model = criteria.loadModel()) {
            assertEquals("1", model.getProperty("first"));
            assertEquals("a", model.getProperty("second"));
            assertTrue(model.getBlock() instanceof LanguageModel);
        }
    }

    @Test
    void offlineSaysWhatIsMissing() throws Exception {
        try (FakeHub server = new FakeHub()) {
            HuggingFaceHub hub = new HuggingFaceHub(server.settings(folder).withOffline(true));
            Criteria<NDList, NDList> criteria =
                    HuggingFaceModels.criteria(
                                    HubReference.parse(REPOSITORY), hub, NDList.class, NDList.class)
                            .build();
            Exception e = assertThrows(FileNotFoundException.class, criteria::loadModel);
            assertTrue(e.getMessage().contains("HF_HUB_OFFLINE"), e.getMessage());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "hf://owner, hf://owner/name@revision",
        "hf://owner/name/config.json, hf://owner/name/config.json",
        "hf://owner/name@../x, the revision is \"../x\"",
        "hf:relative, hf:/absolute/folder",
        "hf://o wner/name, Illegal character",
        "no-such-model, the zoo",
        "state-spaces/mamba-130m-hf, hf://owner/name"
    })
    void whatIsNoModelIsTold(String model, String part) {
        Exception e =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> HuggingFaceModels.criteria(model, NDList.class, NDList.class));
        assertTrue(e.getMessage().contains(part), e.getMessage());
    }

    @Test
    void foldersWithoutAModelAreTold() throws Exception {
        Path empty = Files.createDirectories(folder.resolve("empty"));
        assertRefused(empty, "has no config.json");
        assertRefused(folder.resolve("nowhere"), "does not exist");
        Path broken = copy("mamba", "broken");
        Files.delete(broken.resolve("model.safetensors"));
        assertRefused(broken, "model.safetensors");
        Files.writeString(broken.resolve("config.json"), "{");
        assertRefused(broken, "config.json");
    }

    @Test
    void typesWithoutATranslatorAreTold() throws Exception {
        Criteria<Integer, Integer> criteria =
                HuggingFaceModels.criteria(copy("mamba", "model"), Integer.class, Integer.class)
                        .build();
        assertThrows(ModelNotFoundException.class, criteria::loadModel);
    }

    private static void assertGreedy(Criteria<long[], long[]> criteria) throws Exception {
        try (ZooModel<long[], long[]> model = criteria.loadModel();
                Predictor<long[], long[]> predictor = model.newPredictor();
                NDManager manager = NDManager.newBaseManager()) {
            Map<String, NDArray> expected = HuggingFaceFixture.of("mamba").expected(manager);
            // The prompt, then what follows it.
            long[] all = expected.get("greedy").flatten().toLongArray();
            int prompt = all.length - 16;
            assertArrayEquals(
                    Arrays.copyOfRange(all, prompt, all.length),
                    predictor.predict(Arrays.copyOf(all, prompt)));
        }
    }

    private static void assertRefused(Path folder, String part) {
        Exception e =
                assertThrows(
                        IOException.class,
                        () ->
                                HuggingFaceModels.criteria(folder, NDList.class, NDList.class)
                                        .build()
                                        .loadModel());
        assertTrue(e.getMessage().contains(part), e.getMessage());
    }

    private static void assertModel(String family, Criteria<NDList, NDList> criteria)
            throws Exception {
        try (ZooModel<NDList, NDList> model = criteria.loadModel();
                Predictor<NDList, NDList> predictor = model.newPredictor();
                NDManager manager = NDManager.newBaseManager()) {
            Map<String, NDArray> expected = HuggingFaceFixture.of(family).expected(manager);
            NDArray logits =
                    predictor.predict(new NDList(expected.get("input_ids"))).singletonOrThrow();
            logits.attach(manager);
            NDArray difference = logits.sub(expected.get("logits")).abs().max();
            assertTrue(difference.getFloat() <= 1e-4f, () -> "off by " + difference.getFloat());
        }
    }

    private Path copy(String family, String name) throws IOException {
        Path copy = Files.createDirectories(folder.resolve(name));
        for (Map.Entry<String, byte[]> file : files(family).entrySet()) {
            Files.write(copy.resolve(file.getKey()), file.getValue());
        }
        return copy;
    }

    private static Map<String, byte[]> files(String family) throws IOException {
        Map<String, byte[]> files = new HashMap<>();
        for (String name : List.of("config.json", "model.safetensors")) {
            files.put(
                    name, Files.readAllBytes(HuggingFaceFixture.of(family).folder().resolve(name)));
        }
        return files;
    }
}
