/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * What the scan, the convolution and their steps say of states, slots and packed sequences that do
 * not fit.
 */
class StepArgumentsTest {

    private final NDManager manager = NDManager.newBaseManager();

    @AfterEach
    void close() {
        manager.close();
    }

    private NDArray zeros(long... shape) {
        return manager.zeros(new Shape(shape));
    }

    private SelectiveScanStep scan(NDArray state) {
        return SelectiveScanStep.of(
                state, zeros(2, 6), zeros(2, 6), zeros(6, 3), zeros(2, 2, 3), zeros(2, 2, 3));
    }

    private CausalConv1dStep convolution(NDArray state) {
        return CausalConv1dStep.of(state, zeros(2, 6), zeros(6, 4));
    }

    private static void refused(String op, Runnable check, String... parts) {
        String message = assertThrows(IllegalArgumentException.class, check::run).getMessage();
        assertTrue(message.startsWith(op + ": "), message);
        for (String part : parts) {
            assertTrue(message.contains(part), "\"" + message + "\" lacks " + part);
        }
    }

    @Test
    void theStateIsChecked() {
        String scan = "selective scan step";
        for (NDArray state : List.of(zeros(2, 6), zeros(2, 6, 4), zeros(2, 5, 3))) {
            refused(scan, scan(state)::check, "state", state.getShape().toString());
        }
        refused(scan, scan(zeros(3, 6, 3))::check, "3 slots for 2 rows", "withSlots");
        refused(scan, scan(null)::check, "state", "null");
        NDArray wide = manager.zeros(new Shape(2, 6, 3), DataType.FLOAT64);
        refused(scan, scan(wide)::check, "state", "float64", "expected float32");
        String conv = "causal conv1d step";
        for (NDArray state : List.of(zeros(2, 6), zeros(2, 4, 6), zeros(2, 3, 5))) {
            refused(conv, convolution(state)::check, "state", state.getShape().toString());
        }
        refused(conv, convolution(zeros(1, 3, 6))::check, "1 slots for 2 rows", "withSlots");
        NDArray closed = zeros(2, 3, 6);
        closed.close();
        assertThrows(IllegalStateException.class, () -> convolution(closed).check());
    }

    @Test
    void slotsAreChecked() {
        for (long[] slots : new long[][] {{0, 4}, {-2, 1}, {3, 3}}) {
            NDArray array = manager.create(slots);
            refused(
                    "selective scan step",
                    scan(zeros(4, 6, 3)).withSlots(array)::check,
                    "slots name slot");
            refused(
                    "causal conv1d step",
                    convolution(zeros(4, 3, 6)).withSlots(array)::check,
                    "slots name slot");
        }
        NDArray three = manager.create(new long[] {0, 1, 2});
        refused("selective scan step", scan(zeros(4, 6, 3)).withSlots(three)::check, "(B)");
        NDArray floats = manager.create(new float[] {0, 1});
        refused(
                "causal conv1d step",
                convolution(zeros(4, 3, 6)).withSlots(floats)::check,
                "int64");
        convolution(zeros(4, 3, 6)).withSlots(manager.create(new long[] {-1, -1})).check();
    }

    @Test
    void theOtherArgumentsAreChecked() {
        NDArray state = zeros(2, 6, 3);
        refused("selective scan step", scan(state).withGate(zeros(2, 5))::check, "gate", "(B, D)");
        refused("selective scan step", scan(state).withSkip(zeros(5))::check, "skip", "(D)");
        NDArray b = zeros(2, 4, 3);
        refused(
                "selective scan step",
                SelectiveScanStep.of(state, zeros(2, 6), zeros(2, 6), zeros(6, 3), b, b)::check,
                "4 groups",
                "6 channels");
        NDArray taps = zeros(2, 3, 6);
        refused("causal conv1d step", convolution(taps).withBias(zeros(5))::check, "bias", "(D)");
        refused(
                "causal conv1d step",
                CausalConv1dStep.of(taps, zeros(2, 1, 6), zeros(6, 4))::check,
                "x",
                "(B, D)");
    }

    @Test
    void packedSequencesMustFillTheRows() {
        NDArray x = zeros(2, 5, 6);
        NDArray b = zeros(2, 5, 3);
        SelectiveScan scan = SelectiveScan.of(x, x, zeros(6, 3), b, b);
        CausalConv1d convolution = CausalConv1d.of(x, zeros(6, 4));
        for (PackedSequences packed :
                List.of(
                        PackedSequences.ofLengths(2, 3),
                        PackedSequences.ofLengths(new long[][] {{2, 2}, {1, 3}}))) {
            refused("selective scan", scan.withSequences(packed)::check, "sequences fill (B, L)");
            refused("causal conv1d", convolution.withSequences(packed)::check, "(2, 5)");
        }
        PackedSequences packed = PackedSequences.ofLengths(new long[][] {{2, 3}, {5, 0}});
        refused(
                "selective scan",
                scan.withSequences(packed).withInitialState(zeros(2, 6, 3))::check,
                "(B, S, D, N) = (2, 2, 6, 3)");
        refused(
                "causal conv1d",
                convolution.withSequences(packed).withInitialState(zeros(2, 3, 6))::check,
                "(B, S, W - 1, D) = (2, 2, 3, 6)");
    }

    @Test
    void activationsAreOfOneType() {
        Bfloat16Checks.assumeAvailable();
        Supplier<NDArray> reduced = () -> Precision.BFLOAT16.cast(zeros(2, 5, 6));
        refused(
                "causal conv1d",
                CausalConv1d.of(reduced.get(), Precision.BFLOAT16.cast(zeros(6, 4)))::check,
                "weight",
                "expected float32");
        refused(
                "selective scan",
                SelectiveScan.of(
                                reduced.get(),
                                zeros(2, 5, 6),
                                zeros(6, 3),
                                zeros(2, 5, 3),
                                zeros(2, 5, 3))
                        ::check,
                "delta",
                "bfloat16");
    }
}
