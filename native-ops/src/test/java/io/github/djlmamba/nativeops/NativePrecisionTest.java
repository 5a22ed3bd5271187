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
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import io.github.djlmamba.ops.Linear;
import io.github.djlmamba.ops.OpsProviders;
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.ops.ReferenceOps;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What a stretch of bfloat16 changes, and what it leaves as it was. */
class NativePrecisionTest {

    private NDManager manager;

    @BeforeEach
    void open() {
        NativeTests.provider();
        manager = NDManager.newBaseManager(Device.cpu(), "PyTorch");
    }

    @AfterEach
    void close() {
        if (manager != null) {
            manager.close();
            OpsProviders.force(null);
        }
    }

    @Test
    void castRoundsToNearestEven() {
        // Between 1 and 1 + 2^-7, the next bfloat16 number, and a tie on either side.
        float[] values = {1, 1 + 0x1p-8f, 1 + 3 * 0x1p-8f, 1 + 0x1p-9f, -3.14159f, 1e38f};
        float[] expected = {1, 1, 1 + 0x1p-6f, 1, -3.140625f, 0x1.2cp126f};
        NDArray reduced = Precision.BFLOAT16.cast(manager.create(values));
        assertTrue(Precision.isBfloat16(reduced));
        assertEquals(DataType.UNKNOWN, reduced.getDataType());
        assertSame(reduced, Precision.BFLOAT16.cast(reduced));
        NDArray back = Precision.FLOAT32.cast(reduced);
        assertArrayEquals(expected, back.toFloatArray());
        assertSame(back, Precision.FLOAT32.cast(back));
        assertFalse(Precision.isBfloat16(back));
    }

    @Test
    void castsAreDifferentiable() {
        NDArray x = manager.create(new float[] {1, 2, 3});
        x.setRequiresGradient(true);
        try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
            NDArray reduced = Precision.BFLOAT16.cast(x);
            collector.backward(Precision.FLOAT32.cast(reduced).mul(x).sum());
        }
        assertArrayEquals(new float[] {2, 4, 6}, x.getGradient().toFloatArray());
    }

    @Test
    void otherTypesAreNoBfloat16() {
        assertFalse(Precision.isBfloat16(manager.ones(new Shape(2), DataType.FLOAT16)));
        assertThrows(
                IllegalArgumentException.class,
                () -> Precision.BFLOAT16.cast(manager.ones(new Shape(2), DataType.INT64)));
    }

    @Test
    void stretchesNestAndEndWithTheirThread() throws InterruptedException {
        NDArray x = manager.ones(new Shape(2, 3));
        NDArray weight = manager.ones(new Shape(4, 3));
        assertFalse(Precision.isBfloat16(Linear.of(x, weight).run()));
        Precision.BFLOAT16.within(
                () -> {
                    assertEquals(Precision.BFLOAT16, Precision.active());
                    assertTrue(Precision.isBfloat16(Linear.of(x, weight).run()));
                    Precision.FLOAT32.within(
                            () -> {
                                assertFalse(Precision.isBfloat16(Linear.of(x, weight).run()));
                                return null;
                            });
                    assertTrue(Precision.isBfloat16(Linear.of(x, weight).run()));
                    return null;
                });
        assertEquals(Precision.FLOAT32, Precision.active());
        assertFalse(Precision.isBfloat16(Linear.of(x, weight).run()));
        AtomicReference<Precision> elsewhere = new AtomicReference<>();
        Precision.BFLOAT16.within(
                () -> {
                    Thread other = new Thread(() -> elsewhere.set(Precision.active()));
                    other.start();
                    try {
                        other.join();
                    } catch (InterruptedException e) {
                        throw new IllegalStateException(e);
                    }
                    return null;
                });
        assertEquals(Precision.FLOAT32, elsewhere.get());
    }

    @Test
    void anExceptionRestoresThePrecision() {
        assertThrows(
                IllegalStateException.class,
                () ->
                        Precision.BFLOAT16.within(
                                () -> {
                                    throw new IllegalStateException();
                                }));
        assertEquals(Precision.FLOAT32, Precision.active());
        NDArray x = manager.ones(new Shape(2, 3));
        assertFalse(Precision.isBfloat16(Linear.of(x, x).run()));
    }

    @Test
    void aLaterStretchSeesChangedParameters() {
        NDArray x = manager.ones(new Shape(1, 2));
        NDArray weight = manager.ones(new Shape(1, 2));
        weight.setRequiresGradient(true);
        assertEquals(2, product(x, weight));
        weight.stopGradient().muli(3);
        assertEquals(6, product(x, weight));
    }

    @Test
    void theReferenceOpsComputeInBfloat16Too() {
        OpsProviders.force(ReferenceOps.NAME);
        NDArray x = manager.ones(new Shape(1, 2));
        assertEquals(2, product(x, manager.ones(new Shape(1, 2))));
    }

    private static float product(NDArray x, NDArray weight) {
        NDArray result = Precision.BFLOAT16.within(() -> Linear.of(x, weight).run());
        assertTrue(Precision.isBfloat16(result));
        return Precision.FLOAT32.cast(result).getFloat();
    }
}
