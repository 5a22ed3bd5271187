/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.benchmark;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.github.djlmamba.ops.CausalConv1dStep;
import io.github.djlmamba.ops.SelectiveScanStep;
import io.github.djlmamba.ops.StateSpaceDualStep;

/** The decode steps with the sizes to time them at. */
final class DecodeSteps {

    private DecodeSteps() {}

    /** One token of a selective scan for each of B rows, with everything around it. */
    static StepBenchmark selectiveScan(long rows, long channels, long states) {
        Shape tokens = new Shape(rows, channels);
        Shape matrix = new Shape(rows, states);
        return new StepBenchmark(
                "selective_scan_step",
                "B" + rows + " D" + channels + " N" + states,
                manager ->
                        new NDList(
                                uniform(manager, tokens),
                                uniform(manager, tokens),
                                uniform(manager, new Shape(channels, states)).exp().neg(),
                                uniform(manager, matrix),
                                uniform(manager, matrix),
                                uniform(manager, new Shape(channels)),
                                uniform(manager, tokens),
                                uniform(manager, new Shape(channels)),
                                uniform(manager, new Shape(rows, channels, states))),
                inputs ->
                        SelectiveScanStep.of(
                                        inputs.get(8),
                                        inputs.get(0),
                                        inputs.get(1),
                                        inputs.get(2),
                                        inputs.get(3),
                                        inputs.get(4))
                                .withSkip(inputs.get(5))
                                .withGate(inputs.get(6))
                                .withDeltaBias(inputs.get(7))
                                .withDeltaSoftplus(true)
                                .run());
    }

    /** One token of a state space dual for each of B rows, as Mamba-2 has it. */
    static StepBenchmark stateSpaceDual(
            long rows, long heads, long headSize, long states, long groups) {
        Shape matrix = new Shape(rows, groups, states);
        return new StepBenchmark(
                "state_space_dual_step",
                String.format("B%d H%d P%d N%d G%d", rows, heads, headSize, states, groups),
                manager ->
                        new NDList(
                                uniform(manager, new Shape(rows, heads, headSize)),
                                uniform(manager, new Shape(rows, heads)),
                                uniform(manager, new Shape(heads)).exp().neg(),
                                uniform(manager, matrix),
                                uniform(manager, matrix),
                                uniform(manager, new Shape(heads)),
                                uniform(manager, new Shape(heads)),
                                uniform(manager, new Shape(rows, heads, headSize, states))),
                inputs ->
                        StateSpaceDualStep.of(
                                        inputs.get(7),
                                        inputs.get(0),
                                        inputs.get(1),
                                        inputs.get(2),
                                        inputs.get(3),
                                        inputs.get(4))
                                .withSkip(inputs.get(5))
                                .withDeltaBias(inputs.get(6))
                                .withDeltaSoftplus(true)
                                .run());
    }

    /** One token of a causal convolution for each of B rows. */
    static StepBenchmark causalConv1d(long rows, long channels, long width) {
        return new StepBenchmark(
                "causal_conv1d_step",
                "B" + rows + " D" + channels + " W" + width,
                manager ->
                        new NDList(
                                uniform(manager, new Shape(rows, channels)),
                                uniform(manager, new Shape(channels, width)),
                                uniform(manager, new Shape(channels)),
                                uniform(manager, new Shape(rows, width - 1, channels))),
                inputs ->
                        CausalConv1dStep.of(inputs.get(3), inputs.get(0), inputs.get(1))
                                .withBias(inputs.get(2))
                                .withSilu(true)
                                .run());
    }

    private static NDArray uniform(NDManager manager, Shape shape) {
        return manager.randomUniform(-1, 1, shape, DataType.FLOAT32);
    }
}
