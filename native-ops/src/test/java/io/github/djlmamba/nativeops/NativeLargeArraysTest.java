/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.nativeops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.NDScope;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import io.github.djlmamba.ops.CausalConv1d;
import io.github.djlmamba.ops.Effort;
import io.github.djlmamba.ops.GatedProduct;
import io.github.djlmamba.ops.Linear;
import io.github.djlmamba.ops.OpsProvider;
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.ops.RmsNormalization;
import io.github.djlmamba.ops.RotaryEmbedding;
import io.github.djlmamba.ops.SelectiveScan;
import io.github.djlmamba.ops.StateSpaceDual;
import java.util.Random;
import java.util.function.LongFunction;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Arrays of more than 2^31 elements. The inputs repeat one row of the batch and take no memory; an
 * output takes 4 GiB in bfloat16, so that these tests run at length alone.
 */
class NativeLargeArraysTest {

    private static final long ROWS = 65_537;
    private static final long TOKENS = 128;
    private static final long CHANNELS = 256;

    private OpsProvider provider;
    private NDManager manager;
    private Random random;

    @BeforeEach
    void open() {
        provider = NativeTests.provider();
        manager = NDManager.newBaseManager(Device.cpu(), "PyTorch");
        random = new Random(1);
    }

    @AfterEach
    void close() {
        if (manager != null) {
            manager.close();
        }
    }

    @Test
    void convolution() {
        NDArray x = row(TOKENS, CHANNELS);
        NDArray weight = parameter(CHANNELS, 4);
        check(rows -> provider.causalConv1d(CausalConv1d.of(repeated(x, rows), weight)).output());
    }

    @Test
    void scan() {
        NDArray u = row(TOKENS, CHANNELS);
        NDArray delta = row(TOKENS, CHANNELS);
        NDArray b = row(TOKENS, 2);
        NDArray c = row(TOKENS, 2);
        NDArray a = parameter(CHANNELS, 2);
        check(
                rows ->
                        provider.selectiveScan(
                                        SelectiveScan.of(
                                                        repeated(u, rows),
                                                        repeated(delta, rows),
                                                        a,
                                                        repeated(b, rows),
                                                        repeated(c, rows))
                                                .withDeltaSoftplus(true))
                                .output());
    }

    @Test
    void dual() {
        NDArray x = row(TOKENS, 4, CHANNELS / 4);
        NDArray delta = row(TOKENS, 4);
        NDArray b = row(TOKENS, 1, 4);
        NDArray c = row(TOKENS, 1, 4);
        NDArray a = parameter(4);
        check(
                rows ->
                        provider.stateSpaceDual(
                                        StateSpaceDual.of(
                                                        repeated(x, rows),
                                                        repeated(delta, rows),
                                                        a,
                                                        repeated(b, rows),
                                                        repeated(c, rows))
                                                .withDeltaSoftplus(true))
                                .output());
    }

    @Test
    void norm() {
        NDArray x = row(TOKENS, CHANNELS);
        check(rows -> provider.rmsNorm(RmsNormalization.of(repeated(x, rows))).output());
    }

    @Test
    void product() {
        NDArray gate = row(TOKENS, CHANNELS);
        NDArray x = row(TOKENS, CHANNELS);
        check(
                rows ->
                        provider.gatedProduct(
                                GatedProduct.of(repeated(gate, rows), repeated(x, rows))));
    }

    @Test
    void rotation() {
        NDArray x = row(TOKENS, 4, CHANNELS / 4);
        check(rows -> provider.rotaryEmbedding(RotaryEmbedding.of(repeated(x, rows))));
    }

    @Test
    void linear() {
        NDArray x = parameter(1, TOKENS, 3);
        NDArray weight = parameter(CHANNELS, 3);
        NDArray bias = parameter(CHANNELS);
        check(
                rows ->
                        Precision.BFLOAT16.within(
                                () ->
                                        provider.linear(
                                                Linear.of(repeated(x, rows), weight)
                                                        .withBias(bias))));
    }

    @Test
    void gradientOfTheConvolution() {
        NDArray weight = parameter(CHANNELS, 4);
        checkGradient(x -> provider.causalConv1d(CausalConv1d.of(x, weight)).output());
    }

    @Test
    void gradientOfTheNorm() {
        checkGradient(x -> provider.rmsNorm(RmsNormalization.of(x)).output());
    }

    @Test
    void moreThanCanBeAddressedIsRefused() {
        NDArray x = parameter(1, 1, 1).broadcast(new Shape(1L << 31, 1L << 30, 1));
        NDArray weight = parameter(1, 4);
        CausalConv1d convolution = CausalConv1d.of(x, weight);
        IllegalArgumentException refusal =
                assertThrows(
                        IllegalArgumentException.class, () -> provider.causalConv1d(convolution));
        assertTrue(refusal.getMessage().contains("addressed"), refusal.getMessage());
    }

    /** Computes many rows and one: all are alike. */
    private void check(LongFunction<NDArray> op) {
        assumeTrue(Effort.LONG, "takes 5 GiB of memory; runs under -Plong");
        float[] expected;
        try (NDArray one = op.apply(1)) {
            expected = read(one, 0);
        }
        try (NDArray many = op.apply(ROWS)) {
            assertTrue(many.size() > 1L << 31);
            float[] first = read(many, 0);
            assertArrayEquals(expected, first, 0.02f);
            for (long row : new long[] {ROWS / 2, ROWS - 1}) {
                assertArrayEquals(first, read(many, row), "row " + row);
            }
        }
    }

    /** The gradients of many rows that are alike are that of one each, and are added up. */
    private void checkGradient(UnaryOperator<NDArray> op) {
        assumeTrue(Effort.LONG, "takes 14 GiB of memory; runs under -Plong");
        NDArray x = parameter(1, TOKENS, CHANNELS);
        x.setRequiresGradient(true);
        NDArray weight = parameter(1, CHANNELS);
        float[] one = gradient(op, x, weight, 1);
        float[] many = gradient(op, x, weight, ROWS);
        float largest = 0;
        for (int i = 0; i < one.length; i++) {
            largest = Math.max(largest, Math.abs(one[i]));
            many[i] /= ROWS;
        }
        assertTrue(largest > 0);
        assertArrayEquals(one, many, 0.02f * largest);
    }

    /** The gradient of a weighted sum of the output, whose own gradient is as large. */
    private float[] gradient(UnaryOperator<NDArray> op, NDArray x, NDArray weight, long rows) {
        try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector();
                NDScope scope = new NDScope()) {
            scope.suppressNotUsedWarning();
            collector.zeroGradients();
            NDArray output = op.apply(repeated(Precision.BFLOAT16.cast(x), rows));
            NDArray sums =
                    Precision.BFLOAT16.within(() -> provider.linear(Linear.of(output, weight)));
            collector.backward(Precision.FLOAT32.cast(sums).sum());
            return x.getGradient().toFloatArray();
        }
    }

    private float[] read(NDArray array, long row) {
        try (NDArray narrow = array.get(new NDIndex("{}", row));
                NDArray wide = Precision.FLOAT32.cast(narrow)) {
            return wide.toFloatArray();
        }
    }

    /** Draws one row of the batch, in bfloat16. */
    private NDArray row(long... shape) {
        long[] sizes = new long[shape.length + 1];
        sizes[0] = 1;
        System.arraycopy(shape, 0, sizes, 1, shape.length);
        return Precision.BFLOAT16.cast(parameter(sizes));
    }

    private NDArray parameter(long... shape) {
        Shape sizes = new Shape(shape);
        float[] values = new float[Math.toIntExact(sizes.size())];
        for (int i = 0; i < values.length; i++) {
            values[i] = -random.nextFloat();
        }
        return manager.create(values, sizes);
    }

    private static NDArray repeated(NDArray row, long rows) {
        long[] sizes = row.getShape().getShape().clone();
        sizes[0] = rows;
        return row.broadcast(new Shape(sizes));
    }
}
