/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import ai.djl.ndarray.types.DataType;
import io.github.djlmamba.ops.ScanCase.Option;
import io.github.djlmamba.ops.ScanCase.Size;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What a provider's selective scan's step computes and leaves in the state. */
public abstract class SelectiveScanStepContract {

    private static final Tolerance FLOAT = Tolerance.of(3e-4, 1e-3);
    private static final Tolerance BFLOAT16 = Tolerance.of(1e-2, 5e-2);
    private static final Set<Option> ALL = EnumSet.allOf(Option.class);

    /** The provider under test. */
    protected abstract OpsProvider provider();

    @Test
    void everyCombinationIsTheOpOfOneToken() {
        for (int groups : new int[] {0, 2}) {
            for (Set<Option> options : ScanCase.allOptions()) {
                check(new ScanCase(new Size(3, 1, 6, 5, groups), options, Layout.CONTIGUOUS));
            }
        }
    }

    @Test
    void sizesOfTheGridAndOddOnes() {
        for (int states : new int[] {1, 2, 16, 17, 32, 64}) {
            for (int channels : new int[] {4, 36, 2048}) {
                for (int groups : new int[] {1, 2, 4}) {
                    check(
                            new ScanCase(
                                    new Size(2, 1, channels, states, groups),
                                    ALL,
                                    Layout.CONTIGUOUS));
                }
            }
        }
        check(new ScanCase(new Size(0, 1, 4, 2, 1), ALL, Layout.CONTIGUOUS));
    }

    @Test
    void argumentsInEveryLayout() {
        for (Layout layout : Layout.values()) {
            check(new ScanCase(new Size(3, 1, 6, 5, 2), ALL, layout));
        }
    }

    @Test
    void bfloat16ActivationsBesideAFloatState() {
        Bfloat16Checks.assumeAvailable();
        ScanCase one = new ScanCase(new Size(5, 1, 48, 16, 2), ALL, Layout.SLICED);
        one.roundToBfloat16();
        StepChecks.oneToken(one, DataType.UNKNOWN, BFLOAT16, step(one));
    }

    @Test
    void manyStepsAreTheOpOfManyTokens() {
        ScanCase many = new ScanCase(new Size(2, 40, 6, 5, 2), ALL, Layout.CONTIGUOUS);
        StepChecks.manyTokens(many, step(many));
    }

    @Test
    void slotsNameTheStatesAndPaddingTouchesNone() {
        ScanCase one = new ScanCase(new Size(4, 1, 6, 5, 2), ALL, Layout.CONTIGUOUS);
        StepChecks.slots(one, step(one));
    }

    @Test
    void paddingMayHoldAnything() {
        ScanCase one = new ScanCase(new Size(2, 1, 6, 3, 1), ALL, Layout.CONTIGUOUS);
        StepChecks.padding(one, step(one));
    }

    @Test
    void repeatsToTheBit() {
        ScanCase one = new ScanCase(new Size(5, 1, 48, 16, 2), ALL, Layout.CONTIGUOUS);
        StepChecks.repeats(one, step(one));
    }

    @Test
    void leavesNoArraysBehind() {
        ScanCase one = new ScanCase(new Size(2, 1, 6, 3, 1), ALL, Layout.CONTIGUOUS);
        StepChecks.leavesNoArrays(one, step(one));
    }

    @Test
    void aWantedGradientIsRefused() {
        ScanCase one = new ScanCase(new Size(2, 1, 6, 3, 1), ALL, Layout.CONTIGUOUS);
        StepChecks.refusesGradients(one, "a", "selective scan", step(one));
    }

    private void check(ScanCase one) {
        StepChecks.oneToken(one, DataType.FLOAT32, FLOAT, step(one));
        StepChecks.oneToken(one, DataType.FLOAT64, OpChecks.DOUBLE, step(one));
    }

    private StepChecks.Step step(ScanCase one) {
        return (state, token, slots) -> {
            SelectiveScanStep step = one.step(state, token).withSlots(slots);
            step.check();
            return provider().selectiveScanStep(step);
        };
    }
}
