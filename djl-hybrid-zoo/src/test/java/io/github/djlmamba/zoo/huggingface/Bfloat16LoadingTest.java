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
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import io.github.djlmamba.language.Bfloat16Weights;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.ops.OpsProviders;
import io.github.djlmamba.ops.Precision;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Checkpoints whose matrices are kept in bfloat16. */
class Bfloat16LoadingTest {

    private NDManager manager;

    @BeforeEach
    void open() {
        assumeTrue(
                OpsProviders.all().stream()
                        .anyMatch(
                                provider ->
                                        provider.name().equals("native")
                                                && provider.unavailableReason() == null),
                "only the native ops offer bfloat16");
        manager = NDManager.newBaseManager("PyTorch");
    }

    @AfterEach
    void close() {
        if (manager != null) {
            manager.close();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"mamba", "mamba2", "bamba", "nemotron_h", "falcon_h1"})
    void logitsAreCloseToThoseOfThePublicLibrary(String family, @TempDir Path saved)
            throws Exception {
        HuggingFaceFixture fixture = HuggingFaceFixture.of(family);
        Map<String, NDArray> expected = fixture.expected(manager);
        HuggingFaceCheckpoint checkpoint =
                HuggingFaceCheckpoint.load(fixture.folder(), manager, Precision.BFLOAT16);
        float[] logits = logits(checkpoint.model(), expected.get("input_ids"));
        assertArrayEquals(expected.get("logits").toFloatArray(), logits, 0.1f);
        int narrow = 0;
        for (Parameter weight : Bfloat16Weights.of(checkpoint.model())) {
            assertTrue(Precision.isBfloat16(weight.getArray()), weight.getName());
            narrow++;
        }
        assertTrue(narrow > 4);
        checkpoint.save(saved);
        HuggingFaceCheckpoint again = HuggingFaceCheckpoint.load(saved, manager);
        assertArrayEquals(
                logits,
                logits(again.model(), expected.get("input_ids")),
                1e-4f,
                "saved and loaded");
    }

    private float[] logits(LanguageModel model, NDArray ids) {
        return model.forward(new ParameterStore(manager, false), new NDList(ids), false)
                .singletonOrThrow()
                .toFloatArray();
    }

    @Test
    void anotherPrecisionIsRefused() {
        Path folder = HuggingFaceFixture.of("mamba").folder();
        Model model = Model.newInstance("model", "PyTorch");
        String message =
                assertThrows(
                                IllegalArgumentException.class,
                                () ->
                                        new LanguageModelBlockFactory()
                                                .newBlock(
                                                        model,
                                                        folder,
                                                        Map.of("weights", "float16")))
                        .getMessage();
        assertEquals("the argument weights is \"float16\"; expected float32 or bfloat16", message);
    }
}
