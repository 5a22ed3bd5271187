/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ssm;

import static io.github.djlmamba.ssm.BlockTesting.assertMessage;
import static io.github.djlmamba.ssm.BlockTesting.assertUniform;
import static io.github.djlmamba.ssm.BlockTesting.project;
import static io.github.djlmamba.ssm.BlockTesting.silu;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.nn.ParameterList;
import ai.djl.training.ParameterStore;
import ai.djl.util.Pair;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class Mamba2BlockTest {

    private static final Mamba2Options SMALL =
            Mamba2Options.DEFAULTS.withHeadSize(2).withStateSize(3);

    private NDManager manager;

    @BeforeEach
    void open() {
        Engine.getInstance().setRandomSeed(3);
        manager = NDManager.newBaseManager();
    }

    @AfterEach
    void close() {
        manager.close();
    }

    private Mamba2Block initialized(Mamba2Options options, long modelSize, DataType type) {
        Mamba2Block block =
                Mamba2Block.builder().setModelSize(modelSize).optOptions(options).build();
        block.initialize(manager, type, new Shape(1, 1, modelSize));
        return block;
    }

    static Stream<Mamba2Options> variants() {
        Mamba2Options grouped = SMALL.withGroups(3);
        return Stream.of(
                SMALL,
                grouped,
                grouped.withNorm(Mamba2Options.Norm.AFTER_GATE, false, 0.1f),
                grouped.withNorm(Mamba2Options.Norm.BEFORE_GATE, true, 0.01f),
                SMALL.withNorm(Mamba2Options.Norm.BEFORE_GATE, false, 1e-5f),
                SMALL.withNorm(Mamba2Options.Norm.NONE, false, 1e-5f),
                SMALL.withSkipByChannel(true).withConvolutionBias(false).withConvolutionWidth(3),
                SMALL.withProjectionBias(true).withChannels(20).withDeltaLimits(0.01, 0.5),
                SMALL.withExpansion(1).withConvolutionWidth(1));
    }

    @ParameterizedTest
    @MethodSource("variants")
    void isTheFormulaOfThePaper(Mamba2Options options) {
        int batch = 2;
        int length = 9;
        int size = 6;
        Mamba2Block block = initialized(options, size, DataType.FLOAT64);
        // Biases, D and the norm start at constants, which would hide where they are used.
        for (Parameter parameter : block.getParameters().values()) {
            NDArray array = parameter.getArray();
            array.setRequiresGradient(false);
            array.addi(manager.randomNormal(0, 0.3f, array.getShape(), DataType.FLOAT64));
        }
        NDArray x = manager.randomNormal(0, 1, new Shape(batch, length, size), DataType.FLOAT64);
        double[] actual =
                block.forward(new ParameterStore(manager, false), new NDList(x), false)
                        .singletonOrThrow()
                        .toDoubleArray();
        Map<String, double[]> values = new LinkedHashMap<>();
        for (Pair<String, Parameter> entry : block.getParameters()) {
            values.put(entry.getKey(), entry.getValue().getArray().toDoubleArray());
        }
        double[] inputs = x.toDoubleArray();
        int row = length * size;
        for (int b = 0; b < batch; b++) {
            double[] expected =
                    naive(
                            options,
                            values,
                            Arrays.copyOfRange(inputs, b * row, (b + 1) * row),
                            size);
            assertArrayEquals(expected, Arrays.copyOfRange(actual, b * row, (b + 1) * row), 1e-12);
        }
    }

    /** Figure 6 of the paper in plain loops, for one sequence. */
    private static double[] naive(
            Mamba2Options options, Map<String, double[]> values, double[] x, int size) {
        int channels = (int) options.channelsFor(size);
        int heads = channels / options.headSize();
        int states = options.stateSize();
        int convolved = channels + 2 * options.groups() * states;
        int width = options.convolutionWidth();
        double[] taps = values.get("conv1d_weight");
        int length = x.length / size;
        double[] result = new double[x.length];
        double[][] projected = new double[length][];
        double[][] state = new double[channels][states];
        for (int t = 0; t < length; t++) {
            projected[t] =
                    project(
                            values.get("01in_proj_weight"),
                            values.get("01in_proj_bias"),
                            Arrays.copyOfRange(x, t * size, (t + 1) * size));
            double[] inner = new double[convolved];
            for (int d = 0; d < convolved; d++) {
                double sum = options.convolutionBias() ? values.get("conv1d_bias")[d] : 0;
                for (int k = 0; k < width; k++) {
                    int s = t - width + 1 + k;
                    sum += s < 0 ? 0 : taps[d * width + k] * projected[s][channels + d];
                }
                inner[d] = silu(sum);
            }
            double[] y = new double[channels];
            for (int d = 0; d < channels; d++) {
                int h = d / options.headSize();
                double raw = projected[t][channels + convolved + h] + values.get("dt_bias")[h];
                double delta =
                        Math.min(
                                options.deltaMaximum(),
                                Math.max(options.deltaMinimum(), Math.log1p(Math.exp(raw))));
                double decay = Math.exp(-delta * Math.exp(values.get("A_log")[h]));
                int b = channels + h / (heads / options.groups()) * states;
                int c = b + options.groups() * states;
                for (int n = 0; n < states; n++) {
                    state[d][n] = decay * state[d][n] + delta * inner[b + n] * inner[d];
                    y[d] += inner[c + n] * state[d][n];
                }
                y[d] += values.get("D")[options.skipByChannel() ? d : h] * inner[d];
            }
            double[] output =
                    project(
                            values.get("02out_proj_weight"),
                            values.get("02out_proj_bias"),
                            normed(options, values.get("norm_weight"), y, projected[t]));
            System.arraycopy(output, 0, result, t * size, size);
        }
        return result;
    }

    /** The gate, which the first entries of the projection are, and the norm. */
    private static double[] normed(
            Mamba2Options options, double[] weight, double[] y, double[] projected) {
        boolean before = options.norm() == Mamba2Options.Norm.BEFORE_GATE;
        double[] gated = y.clone();
        for (int d = 0; !before && d < y.length; d++) {
            gated[d] *= silu(projected[d]);
        }
        if (options.norm() == Mamba2Options.Norm.NONE) {
            return gated;
        }
        int group = y.length / (options.groupedNorm() ? options.groups() : 1);
        double[] result = new double[y.length];
        for (int d = 0; d < y.length; d++) {
            double squares = 0;
            for (int i = d / group * group; i < (d / group + 1) * group; i++) {
                squares += gated[i] * gated[i] / group;
            }
            result[d] = weight[d] * gated[d] / Math.sqrt(squares + options.normEpsilon());
            result[d] *= before ? silu(projected[d]) : 1;
        }
        return result;
    }

    @Test
    void parametersHaveTheCheckpointsShapes() {
        // Those of mamba2-130m.
        Mamba2Block block = initialized(Mamba2Options.DEFAULTS, 768, DataType.FLOAT32);
        Map<String, Shape> shapes = new LinkedHashMap<>();
        for (Pair<String, Parameter> entry : block.getParameters()) {
            shapes.put(entry.getKey(), entry.getValue().getArray().getShape());
        }
        Map<String, Shape> expected = new LinkedHashMap<>();
        expected.put("conv1d_weight", new Shape(1792, 4));
        expected.put("conv1d_bias", new Shape(1792));
        expected.put("dt_bias", new Shape(24));
        expected.put("A_log", new Shape(24));
        expected.put("D", new Shape(24));
        expected.put("norm_weight", new Shape(1536));
        expected.put("01in_proj_weight", new Shape(3352, 768));
        expected.put("02out_proj_weight", new Shape(768, 1536));
        assertEquals(expected, shapes);
        assertEquals(List.copyOf(expected.keySet()), List.copyOf(shapes.keySet()));
    }

    @Test
    void optionsGiveAndTakeParameters() {
        Mamba2Options options =
                SMALL.withProjectionBias(true)
                        .withConvolutionBias(false)
                        .withSkipByChannel(true)
                        .withNorm(Mamba2Options.Norm.NONE, false, 1e-5f);
        ParameterList parameters = initialized(options, 16, DataType.FLOAT32).getParameters();
        assertEquals(
                List.of(
                        "conv1d_weight",
                        "dt_bias",
                        "A_log",
                        "D",
                        "01in_proj_weight",
                        "01in_proj_bias",
                        "02out_proj_weight",
                        "02out_proj_bias"),
                parameters.keys());
        assertEquals(new Shape(16, 2), parameters.get("D").getArray().getShape());
        assertArrayEquals(
                new float[16], parameters.get("02out_proj_bias").getArray().toFloatArray());
    }

    @Test
    void startsAsTheAuthorsDo() {
        Mamba2Block block =
                Mamba2Block.builder()
                        .setModelSize(128)
                        .optOptions(Mamba2Options.DEFAULTS.withHeadSize(1))
                        .optOutputScale(0.25)
                        .build();
        block.initialize(manager, DataType.FLOAT32, new Shape(1, 1, 128));
        ParameterList parameters = block.getParameters();
        float[] stateLog = parameters.get("A_log").getArray().toFloatArray();
        float[] bias = parameters.get("dt_bias").getArray().toFloatArray();
        double[] rates = new double[256];
        double[] logSteps = new double[256];
        for (int i = 0; i < bias.length; i++) {
            rates[i] = Math.exp(stateLog[i]);
            logSteps[i] = Math.log(Math.log1p(Math.exp(bias[i])));
        }
        assertUniform("A", rates, 1, 16);
        assertUniform("log of the steps", logSteps, Math.log(0.001), Math.log(0.1));
        for (String ones : List.of("D", "norm_weight")) {
            for (float value : parameters.get(ones).getArray().toFloatArray()) {
                assertEquals(1, value);
            }
        }
        assertUniform(parameters, "conv1d_weight", 0.5);
        assertUniform(parameters, "conv1d_bias", 0.5);
        assertUniform(parameters, "01in_proj_weight", 1 / Math.sqrt(128));
        assertUniform(parameters, "02out_proj_weight", 0.25 / Math.sqrt(256));
    }

    @Test
    void theStateHasConstantSize() {
        Mamba2Block block = initialized(SMALL.withGroups(2), 16, DataType.FLOAT32);
        ParameterStore parameters = new ParameterStore(manager, false);
        for (long length : new long[] {1, 2, 30}) {
            NDArray x = manager.ones(new Shape(2, length, 16));
            Mamba2State state = (Mamba2State) block.mix(parameters, x, null, true, false).state();
            assertEquals(new Shape(2, 3, 32 + 12), state.convolution().getShape());
            assertEquals(new Shape(2, 16, 2, 3), state.dual().getShape());
        }
    }

    @Test
    void wrongSettingsAreNamed() {
        assertMessage("model size is 0", () -> Mamba2Block.builder().build());
        assertMessage("state size is 0", () -> SMALL.withStateSize(0));
        assertMessage("head size is -1", () -> SMALL.withHeadSize(-1));
        assertMessage("number of groups is 0", () -> SMALL.withGroups(0));
        assertMessage("convolution width is 0", () -> SMALL.withConvolutionWidth(0));
        assertMessage("expansion is 0", () -> SMALL.withExpansion(0));
        assertMessage("number of channels is -1", () -> SMALL.withChannels(-1));
        assertMessage(
                "epsilon of the norm is 0.0",
                () -> SMALL.withNorm(Mamba2Options.Norm.AFTER_GATE, true, 0));
        assertMessage("limits of delta are 1.0 and 0.0", () -> SMALL.withDeltaLimits(1, 0));
        assertMessage(
                "limits of delta are NaN and 1.0", () -> SMALL.withDeltaLimits(Double.NaN, 1));
        assertMessage(
                "head size 64 does not divide the 16 channels",
                () -> Mamba2Options.DEFAULTS.newMixer(8, 1));
        assertMessage(
                "3 groups do not divide the 8 heads", () -> SMALL.withGroups(3).newMixer(8, 1));
        assertMessage("norm is null", () -> SMALL.withNorm(null, true, 1e-5f));
    }
}
