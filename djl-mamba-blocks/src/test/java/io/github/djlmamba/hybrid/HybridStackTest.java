/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.hybrid;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.engine.Engine;
import ai.djl.inference.Predictor;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.nn.ParameterList;
import ai.djl.training.ParameterStore;
import ai.djl.translate.NoopTranslator;
import ai.djl.translate.TranslateException;
import io.github.djlmamba.attention.AttentionOptions;
import io.github.djlmamba.norm.NormOptions;
import io.github.djlmamba.ssm.MambaOptions;
import io.github.djlmamba.state.MixerOptions;
import io.github.djlmamba.state.MixerOutput;
import io.github.djlmamba.state.MixerState;
import io.github.djlmamba.state.SequencePositions;
import io.github.djlmamba.state.StackState;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HybridStackTest {

    private static final boolean LONG = Boolean.getBoolean("djlmamba.test.long");

    private NDManager manager;
    private ParameterStore store;

    @BeforeEach
    void open() {
        Engine.getInstance().setRandomSeed(9);
        manager = NDManager.newBaseManager();
        store = new ParameterStore(manager, false);
    }

    @AfterEach
    void close() {
        manager.close();
    }

    private HybridStack initialized(HybridStackOptions options) {
        HybridStack stack = new HybridStack(options);
        stack.initialize(manager, DataType.FLOAT32, new Shape(1, 1, options.modelSize()));
        return stack;
    }

    private static HybridStackOptions small(HybridStackOptions options) {
        return options.withMixer(LayerSymbol.ATTENTION, AttentionOptions.DEFAULTS.withHeads(2));
    }

    @Test
    void hasTheParametersOfTheStudy() {
        // The study's numbers at model size 256, in millions: 10.5, 9.5, 8.5 and 8.9.
        assertEquals(10_518_528 + 512, parameters(HybridStackOptions.mamba(256, 24)));
        assertEquals(9_548_800 + 512, parameters(HybridStackOptions.transformer(256, 12, 280)));
        assertEquals(8_495_104 + 512, parameters(HybridStackOptions.standardHybrid(256, 24, 280)));
        assertEquals(8_861_696 + 512, parameters(HybridStackOptions.mambaFormer(256, 24)));
    }

    private long parameters(HybridStackOptions options) {
        long count = 0;
        for (Parameter parameter : initialized(options).getParameters().values()) {
            count += parameter.getArray().size();
        }
        return count;
    }

    @Test
    void positionsAreLearnedWhereTheStudyLearnsThem() {
        assertEquals(0, HybridStackOptions.mamba(8, 2).positions());
        assertEquals(30, HybridStackOptions.transformer(8, 2, 30).positions());
        assertEquals(30, HybridStackOptions.standardHybrid(8, 2, 30).positions());
        assertEquals(0, HybridStackOptions.mambaFormer(8, 2).positions());
    }

    @Test
    void positionsTellEqualTokensApart() {
        HybridStack stack = initialized(small(HybridStackOptions.transformer(8, 1, 6)));
        NDArray ones = manager.ones(new Shape(1, 6, 8));
        NDArray y = stack.forward(store, new NDList(ones), false).singletonOrThrow();
        assertTrue(y.get(":, 0").sub(y.get(":, 5")).abs().max().getFloat() > 1e-4);
        ParameterList parameters = stack.getParameters();
        NDArray table = parameters.get("positions").getArray();
        assertEquals(new Shape(6, 8), table.getShape());
        assertEquals(0.02, Math.sqrt(table.square().mean().getFloat()), 0.01);
    }

    @Test
    void aSequenceBeyondThePositionsIsRefused() {
        HybridStack stack = initialized(small(HybridStackOptions.transformer(8, 1, 6)));
        NDArray seven = manager.ones(new Shape(1, 7, 8));
        assertMessage("reaches position 7", () -> stack.mix(store, seven, null, false, false));
        NDArray four = manager.ones(new Shape(1, 4, 8));
        MixerState state = stack.mix(store, four, null, true, false).state();
        assertEquals(SequencePositions.of(4), ((StackState) state).positions());
        assertMessage("reaches position 8", () -> stack.mix(store, four, state, false, false));
    }

    @Test
    void outputsAreRescaledByDepth() {
        HybridStackOptions options = HybridStackOptions.mamba(64, 16);
        float scaled = largest(options);
        assertTrue(scaled <= 1 / Math.sqrt(128) / 4 && scaled > 0.9 / Math.sqrt(128) / 4);
        float plain = largest(options.withRescaleOutputs(false));
        assertTrue(plain <= 1 / Math.sqrt(128) && plain > 0.9 / Math.sqrt(128));
    }

    private float largest(HybridStackOptions options) {
        return initialized(options)
                .getParameters()
                .get("07layer_02mixer_04out_proj_weight")
                .getArray()
                .abs()
                .max()
                .getFloat();
    }

    @Test
    void aStackIsItsLayersInOrder() {
        HybridStackOptions options =
                small(HybridStackOptions.of(8, LayerPattern.parse("M*-")))
                        .withNorm(NormOptions.RMS_NORM);
        HybridStack stack = initialized(options);
        NDArray x = manager.randomNormal(0, 1, new Shape(2, 5, 8), DataType.FLOAT32);
        NDArray h = x;
        for (int i = 0; i < 3; i++) {
            var children = stack.getChildren().valueAt(i).getChildren();
            NDList normed = children.valueAt(0).forward(store, new NDList(h), false);
            h = h.add(children.valueAt(1).forward(store, normed, false).singletonOrThrow());
        }
        NDArray expected =
                stack.getChildren()
                        .valueAt(3)
                        .forward(store, new NDList(h), false)
                        .singletonOrThrow();
        NDArray actual = stack.forward(store, new NDList(x), false).singletonOrThrow();
        assertArrayEquals(expected.toFloatArray(), actual.toFloatArray(), 1e-6f);
    }

    @Test
    void sharedParametersAreHeldOnceAndUsedInTurn() {
        SharedTransformerOptions two =
                SharedTransformerOptions.DEFAULTS.withBlocks(2).withAdapters(2, true);
        HybridStackOptions options =
                HybridStackOptions.of(8, LayerPattern.parse("SMSS"))
                        .withSharedTransformer(two, MambaOptions.DEFAULTS);
        HybridStack stack = initialized(options);
        List<String> names = stack.getParameters().keys();
        assertEquals(
                List.of("06shared_02qkv_proj_weight", "07shared_02qkv_proj_weight"),
                names.stream().filter(name -> name.contains("qkv_proj_weight")).toList());
        assertEquals(
                List.of("01layer_", "03layer_", "04layer_"),
                names.stream()
                        .filter(name -> name.endsWith("addition_05linear_weight"))
                        .map(name -> name.substring(0, 8))
                        .toList());
        // The first and the last use share a block, the one between has its own.
        HybridStack one =
                initialized(
                        options.withSharedTransformer(two.withBlocks(5), MambaOptions.DEFAULTS));
        assertEquals(3, count(one, "qkv_proj_weight"), "blocks that no layer uses are not made");
        assertEquals(1, count(initialized(shared(two.withBlocks(1))), "qkv_proj_weight"));
    }

    private static HybridStackOptions shared(SharedTransformerOptions options) {
        return HybridStackOptions.of(8, LayerPattern.parse("SMSS"))
                .withSharedTransformer(options, MambaOptions.DEFAULTS);
    }

    private static long count(HybridStack stack, String suffix) {
        return stack.getParameters().keys().stream().filter(name -> name.endsWith(suffix)).count();
    }

    @Test
    void aLayerWithASharedTransformerIsItsFormula() {
        HybridStackOptions options =
                HybridStackOptions.of(8, LayerPattern.parse("MS")).withNorm(NormOptions.RMS_NORM);
        HybridStack stack = initialized(options);
        NDArray e = manager.randomNormal(0, 1, new Shape(2, 5, 8), DataType.FLOAT32);
        var first = stack.getChildren().valueAt(0);
        NDArray h = first.forward(store, new NDList(e), false).singletonOrThrow();
        var layer = stack.getChildren().valueAt(1).getChildren();
        NDArray t =
                stack.getChildren()
                        .valueAt(3)
                        .forward(store, new NDList(h.concat(e, 2)), false)
                        .singletonOrThrow();
        NDArray linear =
                layer.valueAt(2)
                        .getChildren()
                        .valueAt(0)
                        .getDirectParameters()
                        .get("weight")
                        .getArray();
        NDArray sum = h.add(t.matMul(linear.transpose()));
        NDList normed = layer.valueAt(0).forward(store, new NDList(sum), false);
        NDArray mixed = h.add(layer.valueAt(1).forward(store, normed, false).singletonOrThrow());
        NDArray expected =
                stack.getChildren()
                        .valueAt(2)
                        .forward(store, new NDList(mixed), false)
                        .singletonOrThrow();
        NDArray actual = stack.forward(store, new NDList(e), false).singletonOrThrow();
        assertArrayEquals(expected.toFloatArray(), actual.toFloatArray(), 1e-6f);
    }

    @Test
    void wrongSettingsAreNamed() {
        SharedTransformerOptions shared = SharedTransformerOptions.DEFAULTS;
        assertMessage("number of blocks is 0", () -> shared.withBlocks(0));
        assertMessage("rank of the adapters is 0", () -> shared.withAdapters(0, true));
        assertMessage("one is null", () -> shared.withMlp(null));
        assertMessage(
                "no settings for it; give them with withSharedTransformer",
                () ->
                        HybridStackOptions.of(8, LayerPattern.parse("MS"))
                                .withSharedTransformer(null, MambaOptions.DEFAULTS));
        assertMessage(
                "there are no settings for shared transformer",
                () -> shared(shared).withMixer(LayerSymbol.SHARED, null));
        LayerPattern pattern = LayerPattern.parse("MME");
        assertMessage(
                "'E' at index 2 but there are no settings for mixture of experts",
                () -> HybridStackOptions.of(8, pattern));
        HybridStackOptions options = HybridStackOptions.mamba(8, 2);
        assertMessage("positions is -1", () -> options.withPositions(-1));
        assertMessage("null", () -> options.withNorm(null));
        assertMessage("model size is 0", () -> HybridStackOptions.mamba(0, 2));
        assertMessage(
                "do not divide", () -> new HybridStack(HybridStackOptions.mambaFormer(12, 2)));
        Map<LayerSymbol, MixerOptions> only = Map.of(LayerSymbol.MAMBA, MambaOptions.DEFAULTS);
        new HybridStackOptions(8, LayerPattern.mamba(2), only, NormOptions.LAYER_NORM, 0, true);
        assertMessage(
                "'*' at index 1",
                () ->
                        new HybridStackOptions(
                                8,
                                LayerPattern.mambaFormer(2),
                                only,
                                NormOptions.LAYER_NORM,
                                0,
                                true));
    }

    @Test
    void aStateOfAnotherDepthIsRefused() {
        HybridStack two = initialized(HybridStackOptions.mamba(8, 2));
        HybridStack three = initialized(HybridStackOptions.mamba(8, 3));
        NDArray x = manager.ones(new Shape(1, 2, 8));
        MixerState state = two.mix(store, x, null, true, false).state();
        assertMessage(
                "of 2 layers but the stack has 3", () -> three.mix(store, x, state, false, false));
        assertMessage("position is -1", () -> SequencePositions.of(3, -1));
        assertMessage("null", () -> new StackState(null, SequencePositions.of(0)));
        assertMessage("positions are null", () -> new StackState(List.of(), null));
    }

    @Test
    void servesAsAModel(@TempDir Path folder)
            throws IOException, MalformedModelException, TranslateException {
        HybridStackOptions options = small(HybridStackOptions.standardHybrid(8, 2, 20));
        NDArray x = manager.randomNormal(0, 1, new Shape(1, 5, 8), DataType.FLOAT32);
        float[] saved;
        try (Model model = Model.newInstance("stack")) {
            HybridStack stack = new HybridStack(options);
            stack.initialize(model.getNDManager(), DataType.FLOAT32, x.getShape());
            model.setBlock(stack);
            saved = predict(model, x);
            model.save(folder, "stack");
        }
        try (Model model = Model.newInstance("stack")) {
            model.setBlock(new HybridStack(options));
            model.load(folder, "stack");
            assertArrayEquals(saved, predict(model, x));
        }
    }

    private static float[] predict(Model model, NDArray x) throws TranslateException {
        try (Predictor<NDList, NDList> predictor = model.newPredictor(new NoopTranslator())) {
            return predictor.predict(new NDList(x)).singletonOrThrow().toFloatArray();
        }
    }

    @Test
    void memoryStaysFlatOverManyPredictions() throws IOException {
        Path statistics = Path.of("/proc/self/statm");
        Assumptions.assumeTrue(Files.exists(statistics), "resident memory is read from /proc");
        HybridStack stack = initialized(HybridStackOptions.mambaFormer(64, 2));
        NDArray prompt = manager.randomNormal(0, 1, new Shape(1, 64, 64), DataType.FLOAT32);
        NDArray token = manager.randomNormal(0, 1, new Shape(1, 1, 64), DataType.FLOAT32);
        int rounds = LONG ? 500 : 8;
        predictions(stack, prompt, token, rounds);
        // The heap and the allocator's arenas may still grow once; a leak grows every time.
        long grown = Long.MAX_VALUE;
        for (int stretch = 0; stretch < 4 && grown >= 30; stretch++) {
            long before = residentPages(statistics);
            predictions(stack, prompt, token, 2 * rounds);
            grown = Math.min(grown, (residentPages(statistics) - before) * 4 / 1024);
        }
        // A round makes about 6 MiB on the way with the naive ops.
        assertTrue(grown < 30, "resident memory grew by " + grown + " MiB again and again");
    }

    private void predictions(HybridStack stack, NDArray prompt, NDArray token, int rounds) {
        for (int round = 0; round < rounds; round++) {
            MixerOutput result = stack.mix(store, prompt, null, true, false);
            for (int i = 0; i < 10; i++) {
                MixerOutput next = stack.mix(store, token, result.state(), true, false);
                result.state().close();
                result.output().close();
                result = next;
            }
            result.state().close();
            result.output().close();
        }
    }

    private static long residentPages(Path statistics) throws IOException {
        return Long.parseLong(Files.readString(statistics).split(" ")[1]);
    }

    private static void assertMessage(String part, Runnable action) {
        String message = assertThrows(IllegalArgumentException.class, action::run).getMessage();
        assertTrue(message.contains(part), message);
    }
}
