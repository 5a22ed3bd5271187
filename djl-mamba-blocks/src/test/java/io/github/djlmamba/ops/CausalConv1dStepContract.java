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
import io.github.djlmamba.ops.ConvCase.Option;
import io.github.djlmamba.ops.ConvCase.Size;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What a provider's causal convolution's step computes and leaves in the state. */
public abstract class CausalConv1dStepContract {

    private static final Tolerance FLOAT = Tolerance.of(3e-4, 1e-3);
    private static final Tolerance BFLOAT16 = Tolerance.of(1e-2, 5e-2);
    private static final Set<Option> ALL = EnumSet.allOf(Option.class);

    /** The provider under test. */
    protected abstract OpsProvider provider();

    @Test
    void everyCombinationIsTheOpOfOneToken() {
        for (int width : new int[] {1, 2, 3, 4, 5, 7}) {
            for (Set<Option> options : ConvCase.allOptions()) {
                for (int channels : new int[] {5, 33, 1100}) {
                    check(
                            new ConvCase(
                                    new Size(3, 1, channels, width), options, Layout.CONTIGUOUS));
                }
            }
        }
        check(new ConvCase(new Size(0, 1, 4, 4), ALL, Layout.CONTIGUOUS));
    }

    @Test
    void argumentsInEveryLayout() {
        for (Layout layout : Layout.values()) {
            check(new ConvCase(new Size(3, 1, 6, 4), ALL, layout));
        }
    }

    @Test
    void bfloat16ActivationsBesideAFloatState() {
        Bfloat16Checks.assumeAvailable();
        ConvCase one = new ConvCase(new Size(5, 1, 48, 4), ALL, Layout.SLICED);
        one.roundToBfloat16();
        StepChecks.oneToken(one, DataType.UNKNOWN, BFLOAT16, step(one));
    }

    @Test
    void manyStepsAreTheOpOfManyTokens() {
        ConvCase many = new ConvCase(new Size(2, 40, 6, 4), ALL, Layout.CONTIGUOUS);
        StepChecks.manyTokens(many, step(many));
    }

    @Test
    void slotsNameTheStatesAndPaddingTouchesNone() {
        ConvCase one = new ConvCase(new Size(4, 1, 6, 4), ALL, Layout.CONTIGUOUS);
        StepChecks.slots(one, step(one));
    }

    @Test
    void paddingMayHoldAnything() {
        ConvCase one = new ConvCase(new Size(2, 1, 6, 3), ALL, Layout.CONTIGUOUS);
        StepChecks.padding(one, step(one));
    }

    @Test
    void repeatsToTheBit() {
        ConvCase one = new ConvCase(new Size(5, 1, 48, 4), ALL, Layout.CONTIGUOUS);
        StepChecks.repeats(one, step(one));
    }

    @Test
    void leavesNoArraysBehind() {
        ConvCase one = new ConvCase(new Size(2, 1, 6, 3), ALL, Layout.CONTIGUOUS);
        StepChecks.leavesNoArrays(one, step(one));
    }

    @Test
    void aWantedGradientIsRefused() {
        ConvCase one = new ConvCase(new Size(2, 1, 6, 3), ALL, Layout.CONTIGUOUS);
        StepChecks.refusesGradients(one, "weight", "causal conv1d", step(one));
    }

    private void check(ConvCase one) {
        StepChecks.oneToken(one, DataType.FLOAT32, FLOAT, step(one));
        StepChecks.oneToken(one, DataType.FLOAT64, OpChecks.DOUBLE, step(one));
    }

    private StepChecks.Step step(ConvCase one) {
        return (state, token, slots) -> {
            CausalConv1dStep step = one.step(state, token).withSlots(slots);
            step.check();
            return provider().causalConv1dStep(step);
        };
    }
}
