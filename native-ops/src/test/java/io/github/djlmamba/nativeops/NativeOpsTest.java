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
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import io.github.djlmamba.ops.AdamStep;
import io.github.djlmamba.ops.CausalConv1d;
import io.github.djlmamba.ops.Linear;
import io.github.djlmamba.ops.OpsProvider;
import io.github.djlmamba.ops.OpsProviders;
import io.github.djlmamba.ops.ReferenceOps;
import io.github.djlmamba.ops.SelectiveScan;
import java.lang.reflect.Proxy;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** How the provider is chosen, what it refuses, and who owns its results. */
class NativeOpsTest {

    private OpsProvider provider;
    private NDManager manager;

    @BeforeEach
    void open() {
        provider = NativeTests.provider();
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
    void isPreferredForWhatItTakes() {
        assertEquals("native", OpsProviders.forArrays(Device.cpu(), DataType.FLOAT32).name());
        assertEquals("native", OpsProviders.forArrays(Device.cpu(), DataType.FLOAT64).name());
        assertEquals(
                ReferenceOps.NAME, OpsProviders.forArrays(Device.cpu(), DataType.FLOAT16).name());
        assertFalse(provider.supports(Device.gpu(0), DataType.FLOAT32));
        assertFalse(provider.supports(Device.cpu(), DataType.FLOAT16));
        assertFalse(provider.supports(Device.cpu(), DataType.INT64));
    }

    @Test
    void canBePassedOver() {
        OpsProviders.force(ReferenceOps.NAME);
        assertEquals(
                ReferenceOps.NAME, OpsProviders.forArrays(Device.cpu(), DataType.FLOAT32).name());
        OpsProviders.force(NativeOps.NAME);
        assertThrows(
                IllegalStateException.class,
                () -> OpsProviders.forArrays(Device.cpu(), DataType.FLOAT16));
    }

    @Test
    void describesWhatRuns() {
        assertNull(provider.unavailableReason());
        String description = provider.description();
        assertTrue(
                description.matches(
                        "native: C\\+\\+ ops on libtorch \\d+\\.\\d+\\.\\d+, instruction set"
                                + " (baseline|avx2|avx512), linear by"
                                + " ((aten|onednn)/){2}(aten|onednn)"
                                + ",(float32|bfloat16)/(float32|bfloat16)"),
                description);
    }

    @Test
    void resultsBelongToTheManagerOfTheFirstInput() {
        NDArray shared = manager.ones(new Shape(3, 4));
        try (NDManager inner = manager.newSubManager()) {
            NDArray result = provider.linear(Linear.of(inner.ones(new Shape(2, 4)), shared));
            assertSame(inner, result.getManager());
            assertEquals(new Shape(2, 3), result.getShape());
        }
        assertEquals(1, manager.getManagedArrays().size());
    }

    @Test
    void aManagerThatTakesNoMoreGetsAnErrorAndNoResults() {
        NDManager capped = manager.newSubManager();
        NDArray u = capped.ones(new Shape(1, 2, 3));
        NDArray matrix = capped.ones(new Shape(1, 2, 4));
        SelectiveScan scan = SelectiveScan.of(u, u, capped.ones(new Shape(3, 4)), matrix, matrix);
        capped.cap();
        int held = capped.getManagedArrays().size();
        assertThrows(IllegalStateException.class, () -> provider.selectiveScan(scan));
        Linear linear = Linear.of(u, manager.ones(new Shape(2, 3)));
        assertThrows(IllegalStateException.class, () -> provider.linear(linear));
        assertEquals(held, capped.getManagedArrays().size());
    }

    @Test
    void arraysOfOtherEnginesAreRefused() {
        NDArray x = manager.ones(new Shape(1, 2, 3));
        NDArray foreign =
                (NDArray)
                        Proxy.newProxyInstance(
                                NDArray.class.getClassLoader(),
                                new Class<?>[] {NDArray.class},
                                (proxy, method, arguments) -> {
                                    throw new AssertionError("not to be asked " + method);
                                });
        refused("weight", () -> provider.linear(Linear.of(x, foreign)));
        refused("input", () -> provider.linear(Linear.of(foreign, x)));
        refused("weight", () -> provider.causalConv1d(CausalConv1d.of(x, foreign)));
        refused("delta", () -> provider.selectiveScan(SelectiveScan.of(x, foreign, x, x, x)));
        AdamStep.Options options = new AdamStep.Options(0.1, 0.9, 0.999, 1e-8, 0, true, 0, 1);
        AdamStep.Slot slot = new AdamStep.Slot(x, foreign, x, false);
        refused("firstMoment", () -> provider.adamStep(AdamStep.of(List.of(slot), options, 1)));
    }

    @Test
    void argumentsThatNobodyCheckedAreRefusedByTheLibrary() {
        NDArray x = manager.ones(new Shape(1, 2, 3));
        NDArray wide = manager.ones(new Shape(1, 2, 4));
        refused("input", () -> provider.linear(Linear.of(x, manager.ones(new Shape(2, 4)))));
        refused("delta", () -> provider.selectiveScan(SelectiveScan.of(x, wide, x, x, x)));
        refused("weight", () -> provider.causalConv1d(CausalConv1d.of(x, x)));
        refused(
                "type",
                () -> provider.linear(Linear.of(x, x.get(0).toType(DataType.INT32, false))));
    }

    @Test
    void nullAndClosedHandlesAreRefused() {
        NDArray x = manager.ones(new Shape(2, 3));
        long handle = ((PtNDArray) x).getHandle();
        refused("handle", () -> NativeBindings.linear(0, handle, 0));
        refused("handle", () -> NativeBindings.linear(handle, -1, 0));
        refused("handle", () -> NativeBindings.causalConv1d(0, handle, 0, 0, true, null));
        refused(
                "handle",
                () -> NativeBindings.selectiveScan(0, 0, 0, 0, 0, 0, 0, 0, 0, true, null));
        refused(
                "handle",
                () -> NativeBindings.selectiveScanStep(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, true));
        refused("handle", () -> NativeBindings.causalConv1dStep(handle, 0, handle, 0, 0, true));
        refused(
                "offsets",
                () -> NativeBindings.causalConv1d(handle, handle, 0, 0, true, new long[] {0}));
        refused("handles", () -> adam(null, new long[0], new boolean[0]));
        refused("flags", () -> adam(new long[0], new long[0], null));
        refused("handle", () -> adam(new long[] {0}, new long[] {handle}, new boolean[1]));
        refused("length", () -> adam(new long[] {handle}, new long[0], new boolean[1]));
        x.close();
        assertThrows(IllegalStateException.class, () -> provider.linear(Linear.of(x, x)));
    }

    private static double adam(long[] parameters, long[] moments, boolean[] decay) {
        return NativeBindings.adamStep(
                parameters, moments, moments, decay, 1, 0.1, 0.9, 0.999, 1e-8, 0, true, 0, 1);
    }

    @Test
    void failuresOfLibtorchAreEngineExceptions() {
        NDArray row = manager.ones(new Shape(1, 1)).broadcast(new Shape(1L << 27, 1));
        NDArray weight = manager.ones(new Shape(1, 1)).broadcast(new Shape(1L << 27, 1));
        assertThrows(EngineException.class, () -> provider.linear(Linear.of(row, weight)));
    }

    private static void refused(String named, Runnable call) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, call::run);
        assertTrue(e.getMessage().contains(named), e.getMessage());
        assertEquals(1, e.getMessage().lines().count(), e.getMessage());
    }
}
