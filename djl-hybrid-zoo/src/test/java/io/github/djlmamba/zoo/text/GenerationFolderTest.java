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

import ai.djl.inference.Predictor;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ZooModel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What generation takes from a checkpoint's folder: tokenizer and end-of-sequence tokens. */
class GenerationFolderTest {

    private static final String RESOURCES = "/io/github/djlmamba/zoo/";

    @TempDir private Path folder;

    @BeforeEach
    void copy() throws Exception {
        for (String name : new String[] {"config.json", "model.safetensors"}) {
            copy("huggingface/mamba2/" + name, name);
        }
    }

    private void copy(String resource, String name) throws Exception {
        Path source = Path.of(GenerationFolderTest.class.getResource(RESOURCES + resource).toURI());
        Files.copy(source, folder.resolve(name));
    }

    private <O> ZooModel<GenerationRequest, O> load(Class<O> output) throws Exception {
        return Criteria.builder()
                .setTypes(GenerationRequest.class, output)
                .optModelUrls("hf:" + folder)
                .optArgument("maxNewTokens", "12")
                .build()
                .loadModel();
    }

    private GenerationResult generated(long... ids) throws Exception {
        try (ZooModel<GenerationRequest, GenerationResult> model = load(GenerationResult.class);
                Predictor<GenerationRequest, GenerationResult> predictor = model.newPredictor()) {
            return predictor.predict(GenerationRequest.ofIds(ids));
        }
    }

    @Test
    void endOfSequenceComesFromTheFolder() throws Exception {
        String config = Files.readString(folder.resolve("config.json"));
        Files.writeString(
                folder.resolve("config.json"),
                config.replaceAll("\"eos_token_id\": *[^,}\\n]+", "\"eos_token_id\": null"));
        long[] ids = generated(1, 2, 3).ids();
        assertEquals(12, ids.length);
        int end = 0;
        while (ids[end] != ids[4]) {
            end++;
        }
        long[] expected = Arrays.copyOf(ids, end + 1);
        Files.writeString(
                folder.resolve("config.json"),
                config.replaceAll("\"eos_token_id\": *[^,}\\n]+", "\"eos_token_id\": " + ids[4]));
        assertArrayEquals(expected, generated(1, 2, 3).ids());
        Path generation = folder.resolve("generation_config.json");
        Files.writeString(generation, "{\"eos_token_id\": [" + ids[4] + ", 127]}");
        assertArrayEquals(expected, generated(1, 2, 3).ids());
        Files.writeString(generation, "{\"eos_token_id\": []}");
        assertArrayEquals(ids, generated(1, 2, 3).ids());
        for (String wrong : new String[] {"{", "{\"eos_token_id\": \"end\"}", "[1]"}) {
            Files.writeString(generation, wrong);
            Throwable thrown = assertThrows(Exception.class, () -> generated(1, 2, 3));
            while (thrown.getCause() != null && !thrown.getMessage().contains("cannot tell")) {
                thrown = thrown.getCause();
            }
            assertTrue(
                    thrown.getMessage().contains("generation_config.json: cannot tell the end"),
                    thrown::toString);
        }
    }

    @Test
    void theFoldersTokenizerIsUsed() throws Exception {
        copy("text/byte_level/tokenizer.json", "tokenizer.json");
        try (ZooModel<GenerationRequest, TextStream> model = load(TextStream.class);
                Predictor<GenerationRequest, TextStream> predictor = model.newPredictor()) {
            TextCodec codec = TextGeneration.of(model).codec();
            assertTrue(codec instanceof HuggingFaceCodec);
            // The checkpoint is of 128 tokens, most of them single bytes of the tokenizer's.
            long[] prompt = codec.encode("xyz", true);
            TextStream stream =
                    predictor.streamingPredict(GenerationRequest.of("xyz")).getIterativeOutput();
            StringBuilder pieces = new StringBuilder();
            stream.forEachRemaining(pieces::append);
            GenerationResult result = stream.result();
            assertArrayEquals(prompt, result.promptIds());
            assertEquals(result.text(), pieces.toString());
            assertEquals(codec.decode(result.ids()), pieces.toString());
        }
    }
}
