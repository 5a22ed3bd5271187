/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;

/** The naive form of the state space dual: one sequence after the other, token by token. */
final class StateSpaceDualNaive {

    private final StateSpaceDual op;

    StateSpaceDualNaive(StateSpaceDual op) {
        this.op = op;
    }

    /** Computes both results; the function makes of an activation what to compute with. */
    NDList outputAndFinalState(UnaryOperator<NDArray> wide) {
        List<NDArray> tokens = tokens(wide);
        return op.sequences() == null || op.x().getShape().size() == 0
                ? sequences(tokens, op.initialState(), op.stateShape())
                : PackedForm.compute(
                        op.sequences(),
                        tokens,
                        op.initialState(),
                        (own, before) -> sequences(own, before, stateOfOne()));
    }

    /** Computes one token of each row, whose arrays lack the axis L, from a state (B, H, P, N). */
    NDList step(UnaryOperator<NDArray> wide, NDArray before) {
        List<NDArray> tokens = new ArrayList<>();
        for (NDArray array : tokens(wide)) {
            tokens.add(array == null ? null : array.expandDims(1));
        }
        NDList results = sequences(tokens, before, before.getShape());
        return new NDList(results.get(0).squeeze(1), results.get(1));
    }

    /** What each token has of its own: x, delta, B, C, and the gate or null. */
    private List<NDArray> tokens(UnaryOperator<NDArray> wide) {
        return Arrays.asList(
                wide.apply(op.x()),
                wide.apply(op.delta()),
                wide.apply(op.b()),
                wide.apply(op.c()),
                wide.apply(op.gate()));
    }

    private Shape stateOfOne() {
        Shape state = op.stateShape();
        return new Shape(1).add(state.slice(state.dimension() - 3).getShape());
    }

    /** Computes a batch of sequences of equal length, one a row, from their states or zeros. */
    private NDList sequences(List<NDArray> tokens, NDArray before, Shape stateShape) {
        NDArray x = tokens.get(0);
        NDArray gate = tokens.get(4);
        if (x.getShape().size() == 0) {
            NDArray state =
                    before != null
                            ? before.add(0)
                            : x.getManager().zeros(stateShape, x.getDataType());
            return new NDList(x.add(0), state);
        }
        long length = x.getShape().get(1);
        long heads = x.getShape().get(2);
        NDArray step = stepSizes(tokens.get(1));
        NDArray decay = step.mul(op.a()).exp().expandDims(3).expandDims(4);
        NDArray drive = step.expandDims(3).mul(x).expandDims(4).mul(perHead(tokens.get(2), heads));
        // Split, since the gradient of each slice taken by itself would be as large as the whole.
        NDList decays = decay.split(length, 1);
        NDList drives = drive.split(length, 1);
        NDArray state = before == null ? null : before.expandDims(1);
        NDList history = new NDList(drives.size());
        for (int t = 0; t < drives.size(); t++) {
            NDArray input = drives.get(t);
            state = state == null ? input : decays.get(t).mul(state).add(input);
            history.add(state);
        }
        NDArray output =
                PackedForm.concat(history, 1).mul(perHead(tokens.get(3), heads)).sum(new int[] {4});
        if (op.skip() != null) {
            boolean byHead = op.skip().getShape().dimension() == 1;
            output = output.add(x.mul(byHead ? op.skip().expandDims(1) : op.skip()));
        }
        if (gate != null) {
            // Not Activation.swish: what it multiplies by may be gone at the backward pass
            // (Scalars).
            output = output.mul(gate.mul(Activation.sigmoid(gate)));
        }
        return new NDList(output, state.squeeze(1));
    }

    /** Gives each head the matrix of its group: (B, L, [G,] N) to (B, L, H or 1, 1, N). */
    private static NDArray perHead(NDArray grouped, long heads) {
        return SelectiveScan.perChannel(grouped, heads).expandDims(3);
    }

    private NDArray stepSizes(NDArray delta) {
        NDArray step = op.deltaBias() == null ? delta : delta.add(op.deltaBias());
        if (op.deltaSoftplus()) {
            step = Activation.softPlus(step);
        }
        return op.deltaMinimum() == Double.NEGATIVE_INFINITY
                        && op.deltaMaximum() == Double.POSITIVE_INFINITY
                ? step
                : step.clip(op.deltaMinimum(), op.deltaMaximum());
    }
}
