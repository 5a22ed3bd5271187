/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.nativeops;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import io.github.djlmamba.ops.Layout;
import io.github.djlmamba.ops.Linear;
import io.github.djlmamba.ops.LinearCase;
import io.github.djlmamba.ops.LinearContract;
import io.github.djlmamba.ops.OpChecks;
import io.github.djlmamba.ops.OpsProvider;
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.ops.Sample;
import io.github.djlmamba.ops.Tolerance;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class NativeLinearTest extends LinearContract {

    private static final List<String> CHOICES =
            List.of(
                    "linear=aten,float32",
                    "linear=aten,bfloat16",
                    "linear=onednn,bfloat16/float32",
                    "linear=onednn/aten/onednn,float32/bfloat16");

    @Override
    protected OpsProvider provider() {
        return NativeTests.provider();
    }

    @Override
    protected float decodeRowTolerance() {
        return 0;
    }

    @Test
    void everyChoiceOfProductsComputesTheSame() {
        OpsProvider provider = provider();
        assumeTrue(System.getenv("DJLMAMBA_LINEAR") == null, "a choice is forced");
        String before = provider.timedChoice();
        try {
            for (String choice : CHOICES) {
                if (provider.repeatTimedChoice(choice)) {
                    bfloat16(provider);
                    LinearCase linear =
                            new LinearCase(new Shape(3, 5), 33, 18, true, Layout.TRANSPOSED);
                    Tolerance tolerance = Tolerance.ofLargest(1e-5);
                    OpChecks.forward(provider, linear, DataType.FLOAT32, tolerance);
                    OpChecks.gradients(provider, linear, DataType.FLOAT32, name -> tolerance);
                    weightGradientsAreSummedInFloat32();
                }
            }
        } finally {
            assertTrue(provider.repeatTimedChoice(before));
        }
    }

    @Test
    void aChoiceCanBeRepeated() {
        OpsProvider provider = provider();
        assumeTrue(System.getenv("DJLMAMBA_LINEAR") == null, "a choice is forced");
        String before = provider.timedChoice();
        try {
            assertTrue(provider.repeatTimedChoice("linear=aten,bfloat16/float32"));
            assertEquals("linear=aten/aten/aten,bfloat16/float32", provider.timedChoice());
            assertTrue(provider.description().endsWith("aten/aten/aten,bfloat16/float32"));
            for (String unknown : List.of("", "linear=", "linear=mkl", "linear=aten/aten", "x")) {
                boolean nothing = unknown.equals("linear=");
                assertEquals(nothing, provider.repeatTimedChoice(unknown), unknown);
                assertEquals("linear=aten/aten/aten,bfloat16/float32", provider.timedChoice());
            }
        } finally {
            assertTrue(provider.repeatTimedChoice(before));
            assertEquals(before, provider.timedChoice());
        }
    }

    /** Of sums in bfloat16 nothing would be left after some thousand rows. */
    @Test
    void weightGradientsAreSummedInFloat32() {
        NativeTests.provider();
        Random random = new Random(1);
        int rows = 5000;
        Sample x = sample(new Shape(rows, 6), random);
        Sample g = sample(new Shape(rows, 4), random);
        double[] weightGradient = new double[4 * 6];
        double[] biasGradient = new double[4];
        for (int row = 0; row < rows; row++) {
            for (int o = 0; o < 4; o++) {
                biasGradient[o] += g.values()[row * 4 + o];
                for (int i = 0; i < 6; i++) {
                    weightGradient[o * 6 + i] += g.values()[row * 4 + o] * x.values()[row * 6 + i];
                }
            }
        }
        try (NDManager manager = NDManager.newBaseManager();
                GradientCollector collector = manager.getEngine().newGradientCollector()) {
            NDArray weight = manager.ones(new Shape(4, 6));
            NDArray bias = manager.ones(new Shape(4));
            NDArray single = x.array(manager, DataType.FLOAT32);
            for (NDArray leaf : List.of(weight, bias, single)) {
                leaf.setRequiresGradient(true);
            }
            NDArray y =
                    Precision.BFLOAT16.within(() -> Linear.of(single, weight).withBias(bias).run());
            assertTrue(Precision.isBfloat16(y));
            NDArray cotangent = g.array(manager, DataType.UNKNOWN);
            collector.backward(Precision.FLOAT32.cast(y).mul(cotangent).sum());
            Map.of(weight, weightGradient, bias, biasGradient)
                    .forEach(
                            (leaf, expected) -> {
                                NDArray gradient = leaf.getGradient();
                                assertEquals(DataType.FLOAT32, gradient.getDataType());
                                Tolerance.ofLargest(1e-5)
                                        .check("gradient", expected, Sample.read(gradient));
                            });
            assertEquals(DataType.FLOAT32, single.getGradient().getDataType());
        }
    }

    private static Sample sample(Shape shape, Random random) {
        return Sample.draw(shape, Layout.CONTIGUOUS, random::nextGaussian).roundedToBfloat16();
    }

    @Test
    void doublesStayDoublesInBfloat16() {
        NativeTests.provider();
        try (NDManager manager = NDManager.newBaseManager()) {
            NDArray x = manager.ones(new Shape(2, 3), DataType.FLOAT64);
            NDArray y = Precision.BFLOAT16.within(() -> Linear.of(x, x).run());
            assertEquals(DataType.FLOAT64, y.getDataType());
            assertFalse(Precision.isBfloat16(y));
        }
    }
}
