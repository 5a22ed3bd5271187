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
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What the state space dual and its step say of arguments that do not fit, beside shapes. */
class StateSpaceDualArgumentsTest {

    private static final long HUGE = 1L << 21;

    private final NDManager manager = NDManager.newBaseManager();

    @AfterEach
    void close() {
        manager.close();
    }

    private StateSpaceDual dual(long groups, long states) {
        return StateSpaceDual.of(
                zeros(2, 5, 6, 4),
                zeros(2, 5, 6),
                zeros(6),
                zeros(2, 5, groups, states),
                zeros(2, 5, groups, states));
    }

    private NDArray zeros(long... shape) {
        return manager.zeros(new Shape(shape));
    }

    private static void refused(Runnable call, String... parts) {
        String message = assertThrows(IllegalArgumentException.class, call::run).getMessage();
        assertTrue(message.startsWith("state space dual"), message);
        for (String part : parts) {
            assertTrue(message.contains(part), "\"" + message + "\" lacks " + part);
        }
    }

    @Test
    void groupsMustDivideTheHeads() {
        for (long groups : new long[] {0, 4, 5, 12}) {
            refused(dual(groups, 3)::check, groups + " groups", "6 heads");
        }
    }

    @Test
    void headsChannelsAndStatesMustExist() {
        refused(dual(2, 0)::check, "b has shape (2, 5, 2, 0)", "at least one state");
        for (long[] shape : new long[][] {{2, 5, 0, 4}, {2, 5, 6, 0}}) {
            StateSpaceDual empty =
                    StateSpaceDual.of(
                            zeros(shape),
                            zeros(2, 5, shape[2]),
                            zeros(shape[2]),
                            zeros(2, 5, 3),
                            zeros(2, 5, 3));
            refused(empty::check, "x has shape", "at least one head and channel");
        }
    }

    @Test
    void chunksHaveTheirSizes() {
        for (int chunk : new int[] {-1, 2, 15, 257}) {
            refused(dual(2, 3).withChunkSize(chunk)::check, "chunkSize is " + chunk, "256");
        }
    }

    @Test
    void limitsMustNotCross() {
        refused(dual(2, 3).withDeltaLimits(1, 0.5)::check, "deltaLimits are 1.0 and 0.5");
        refused(dual(2, 3).withDeltaLimits(Double.NaN, 1)::check, "deltaLimits are NaN");
        refused(dual(2, 3).withDeltaLimits(0, Double.NaN)::check, "deltaLimits are 0.0 and NaN");
    }

    @Test
    void packedSequencesMustFillTheRows() {
        PackedSequences packed = PackedSequences.ofLengths(new long[][] {{2, 3}, {5, 0}});
        StateSpaceDual fits = dual(2, 3).withSequences(packed);
        fits.withInitialState(zeros(2, 2, 6, 4, 3)).check();
        refused(
                fits.withInitialState(zeros(2, 6, 4, 3))::check,
                "initialState has shape (2, 6, 4, 3)",
                "(B, S, H, P, N) = (2, 2, 6, 4, 3)");
        refused(
                dual(2, 3).withSequences(PackedSequences.ofLengths(5))::check,
                "sequences fill (B, L) = (1, 5)",
                "(2, 5)");
        refused(
                dual(2, 3).withSequences(PackedSequences.ofLengths(new long[][] {{4}, {4}}))::check,
                "sequences fill (B, L) = (2, 4)");
    }

    @Test
    void sizesThatOverflowAreRefused() {
        NDArray one = manager.ones(new Shape(1));
        StateSpaceDual states =
                StateSpaceDual.of(
                        one.broadcast(new Shape(HUGE, 1 << 10, 1, HUGE)),
                        one.broadcast(new Shape(HUGE, 1 << 10, 1)),
                        one,
                        one.broadcast(new Shape(HUGE, 1 << 10, HUGE)),
                        one.broadcast(new Shape(HUGE, 1 << 10, HUGE)));
        refused(states::check, "the states", "more bytes than can be addressed");
        StateSpaceDual finalState =
                StateSpaceDual.of(
                        zeros(HUGE, 0, 1, HUGE),
                        zeros(HUGE, 0, 1),
                        one,
                        zeros(HUGE, 0, HUGE),
                        zeros(HUGE, 0, HUGE));
        refused(finalState::check, "the final state", "more bytes than can be addressed");
    }

    private StateSpaceDualStep step(NDArray state) {
        return StateSpaceDualStep.of(
                state, zeros(2, 6, 4), zeros(2, 6), zeros(6), zeros(2, 3), zeros(2, 3));
    }

    @Test
    void stepsCheckWhatTokensHave() {
        NDArray state = zeros(2, 6, 4, 3);
        step(state).withSkip(zeros(6, 4)).withGate(zeros(2, 6, 4)).withDeltaBias(zeros(6)).check();
        refused(step(state).withSkip(zeros(4))::check, "step: skip has shape (4)");
        refused(step(state).withGate(zeros(2, 6))::check, "gate has shape (2, 6)", "(B, H, P)");
        refused(step(state).withDeltaBias(zeros(5))::check, "deltaBias has shape (5)");
        refused(step(state).withDeltaLimits(2, 1)::check, "deltaLimits are 2.0 and 1.0");
        refused(
                StateSpaceDualStep.of(
                                state,
                                zeros(2, 1, 6, 4),
                                zeros(2, 6),
                                zeros(6),
                                zeros(2, 3),
                                zeros(2, 3))
                        ::check,
                "x has shape (2, 1, 6, 4)",
                "(B, H, P)");
    }

    @Test
    void stepsCheckTheState() {
        refused(step(null)::check, "state is null");
        refused(step(zeros(2, 6, 4, 2))::check, "state has shape (2, 6, 4, 2)", "(2, 6, 4, 3)");
        refused(step(zeros(6, 4, 3))::check, "state has shape (6, 4, 3)", "(slots, H, P, N)");
        refused(step(zeros(3, 6, 4, 3))::check, "state has 3 slots for 2 rows", "withSlots");
        refused(
                step(manager.zeros(new Shape(2, 6, 4, 3), DataType.FLOAT64))::check,
                "state has type float64");
    }

    @Test
    void stepsCheckTheSlots() {
        StateSpaceDualStep step = step(zeros(5, 6, 4, 3));
        step.withSlots(manager.create(new long[] {4, -1})).check();
        step.withSlots(manager.create(new long[] {-1, -1})).check();
        refused(step.withSlots(manager.create(new long[] {1, 5}))::check, "name slot 5", "to 4");
        refused(step.withSlots(manager.create(new long[] {-2, 0}))::check, "name slot -2");
        refused(step.withSlots(manager.create(new long[] {3, 3}))::check, "slot 3 for two rows");
        refused(step.withSlots(manager.create(new long[] {3}))::check, "slots has shape (1)");
        refused(step.withSlots(manager.create(new int[] {0, 1}))::check, "type int32", "int64");
    }
}
