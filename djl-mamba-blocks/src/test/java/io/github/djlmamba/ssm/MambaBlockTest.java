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
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MambaBlockTest {

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

    private MambaBlock initialized(MambaBlock.Builder builder, long modelSize, DataType type) {
        MambaBlock block = builder.setModelSize(modelSize).build();
        block.initialize(manager, type, new Shape(1, 1, modelSize));
        return block;
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void isTheFormulaOfThePaper(boolean bias) {
        int batch = 2;
        int length = 9;
        int size = 6;
        MambaBlock.Builder builder =
                MambaBlock.builder()
                        .optStateSize(3)
                        .optConvolutionWidth(bias ? 3 : 4)
                        .optDeltaRank(2)
                        .optProjectionBias(bias);
        MambaBlock block = initialized(builder, size, DataType.FLOAT64);
        // Biases and D start at constants, which would hide where they are used.
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
        double[] expected =
                naive(block.getParameters(), x.toDoubleArray(), batch, length, size, bias);
        assertArrayEquals(expected, actual, 1e-12);
    }

    /** Section 3 of the paper in plain loops, one sequence and one channel at a time. */
    private static double[] naive(
            ParameterList parameters, double[] x, int batch, int length, int size, boolean bias) {
        Map<String, double[]> values = new LinkedHashMap<>();
        for (Pair<String, Parameter> entry : parameters) {
            values.put(entry.getKey(), entry.getValue().getArray().toDoubleArray());
        }
        double[] taps = values.get("conv1d_weight");
        double[] skip = values.get("D");
        int channels = skip.length;
        int width = taps.length / channels;
        double[] stateLog = values.get("A_log");
        int states = stateLog.length / channels;
        double[] deltaBias = values.get("dt_bias");
        int rank = values.get("03dt_proj_weight").length / channels;
        double[] result = new double[x.length];
        for (int b = 0; b < batch; b++) {
            double[][] both = new double[length][];
            double[][] state = new double[channels][states];
            for (int t = 0; t < length; t++) {
                int at = (b * length + t) * size;
                both[t] =
                        project(
                                values.get("01in_proj_weight"),
                                bias ? values.get("01in_proj_bias") : null,
                                Arrays.copyOfRange(x, at, at + size));
                double[] u = new double[channels];
                for (int d = 0; d < channels; d++) {
                    double sum = values.get("conv1d_bias")[d];
                    for (int k = 0; k < width; k++) {
                        int s = t - width + 1 + k;
                        sum += s < 0 ? 0 : taps[d * width + k] * both[s][d];
                    }
                    u[d] = silu(sum);
                }
                double[] selection = project(values.get("02x_proj_weight"), null, u);
                double[] delta =
                        project(
                                values.get("03dt_proj_weight"),
                                deltaBias,
                                Arrays.copyOf(selection, rank));
                double[] y = new double[channels];
                for (int d = 0; d < channels; d++) {
                    double step = Math.log1p(Math.exp(delta[d]));
                    for (int n = 0; n < states; n++) {
                        double a = -Math.exp(stateLog[d * states + n]);
                        state[d][n] =
                                Math.exp(step * a) * state[d][n]
                                        + step * selection[rank + n] * u[d];
                        y[d] += selection[rank + states + n] * state[d][n];
                    }
                    y[d] = (y[d] + skip[d] * u[d]) * silu(both[t][channels + d]);
                }
                double[] output =
                        project(
                                values.get("04out_proj_weight"),
                                bias ? values.get("04out_proj_bias") : null,
                                y);
                System.arraycopy(output, 0, result, at, size);
            }
        }
        return result;
    }

    @Test
    void parametersHaveTheCheckpointsShapes() {
        MambaBlock block = initialized(MambaBlock.builder(), 40, DataType.FLOAT32);
        Map<String, Shape> shapes = new LinkedHashMap<>();
        for (Pair<String, Parameter> entry : block.getParameters()) {
            shapes.put(entry.getKey(), entry.getValue().getArray().getShape());
        }
        Map<String, Shape> expected = new LinkedHashMap<>();
        expected.put("conv1d_weight", new Shape(80, 4));
        expected.put("conv1d_bias", new Shape(80));
        expected.put("dt_bias", new Shape(80));
        expected.put("A_log", new Shape(80, 16));
        expected.put("D", new Shape(80));
        expected.put("01in_proj_weight", new Shape(160, 40));
        expected.put("02x_proj_weight", new Shape(3 + 32, 80));
        expected.put("03dt_proj_weight", new Shape(80, 3));
        expected.put("04out_proj_weight", new Shape(40, 80));
        assertEquals(expected, shapes);
        assertEquals(List.copyOf(expected.keySet()), List.copyOf(shapes.keySet()));
    }

    @Test
    void startsAsThePaperSays() {
        MambaBlock block =
                initialized(MambaBlock.builder().optOutputScale(0.25), 128, DataType.FLOAT32);
        ParameterList parameters = block.getParameters();
        float[] stateLog = parameters.get("A_log").getArray().toFloatArray();
        for (int i = 0; i < stateLog.length; i++) {
            assertEquals(Math.log(1 + i % 16), stateLog[i], 1e-6);
        }
        for (float skip : parameters.get("D").getArray().toFloatArray()) {
            assertEquals(1, skip);
        }
        double[] logSteps = new double[256];
        float[] bias = parameters.get("dt_bias").getArray().toFloatArray();
        for (int i = 0; i < bias.length; i++) {
            logSteps[i] = Math.log(Math.log1p(Math.exp(bias[i])));
        }
        double low = Math.log(0.001);
        double high = Math.log(0.1);
        assertUniform("log of the steps", logSteps, low, high);
        assertUniform(parameters, "conv1d_weight", 0.5);
        assertUniform(parameters, "conv1d_bias", 0.5);
        assertUniform(parameters, "01in_proj_weight", 1 / Math.sqrt(128));
        assertUniform(parameters, "02x_proj_weight", 1 / Math.sqrt(256));
        assertUniform(parameters, "03dt_proj_weight", 1 / Math.sqrt(8));
        assertUniform(parameters, "04out_proj_weight", 0.25 / Math.sqrt(256));
    }

    @Test
    void biasesOfProjectionsStartAtZero() {
        MambaBlock block =
                initialized(
                        MambaBlock.builder().optProjectionBias(true).optConvolutionBias(false),
                        16,
                        DataType.FLOAT32);
        ParameterList parameters = block.getParameters();
        assertEquals(10, parameters.size());
        assertArrayEquals(
                new float[64], parameters.get("01in_proj_bias").getArray().toFloatArray());
        assertArrayEquals(
                new float[16], parameters.get("04out_proj_bias").getArray().toFloatArray());
    }

    @Test
    void theStateHasConstantSize() {
        MambaBlock block = initialized(MambaBlock.builder(), 16, DataType.FLOAT32);
        ParameterStore parameters = new ParameterStore(manager, false);
        for (long length : new long[] {1, 2, 30}) {
            NDArray x = manager.ones(new Shape(2, length, 16));
            MambaState state = (MambaState) block.mix(parameters, x, null, true, false).state();
            assertEquals(new Shape(2, 3, 32), state.convolution().getShape());
            assertEquals(new Shape(2, 32, 16), state.scan().getShape());
        }
    }

    @Test
    void wrongSettingsAreNamed() {
        assertMessage("model size is 0", () -> MambaBlock.builder().build());
        assertMessage("state size is 0", () -> MambaBlock.builder().optStateSize(0));
        assertMessage(
                "convolution width is -1", () -> MambaBlock.builder().optConvolutionWidth(-1));
        assertMessage("expansion is 0", () -> MambaBlock.builder().optExpansion(0));
        assertMessage("rank of delta is -1", () -> MambaBlock.builder().optDeltaRank(-1));
        MambaBlock block = MambaBlock.builder().setModelSize(4).build();
        assertMessage("(1, 4)", () -> block.initialize(manager, DataType.FLOAT32, new Shape(1, 4)));
    }
}
