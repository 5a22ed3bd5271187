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
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import java.util.function.UnaryOperator;

/** The naive form of the state space dual: one sequence after the other, token by token. */
final class StateSpaceDualNaive {

    private final StateSpaceDual op;

    StateSpaceDualNaive(StateSpaceDual op) {
        this.op = op;
    }

    /** What a sequence has of its own, or all of a row or batch. */
    private record Tokens(
            NDArray x, NDArray delta, NDArray b, NDArray c, NDArray gate, NDArray initialState) {}

    /** Computes both results; the function makes of an activation what to compute with. */
    NDList outputAndFinalState(UnaryOperator<NDArray> wide) {
        Tokens all =
                new Tokens(
                        wide.apply(op.x()),
                        wide.apply(op.delta()),
                        wide.apply(op.b()),
                        wide.apply(op.c()),
                        wide.apply(op.gate()),
                        op.initialState());
        if (op.x().getShape().get(0) == 0 || op.x().getShape().get(1) == 0) {
            return new NDList(all.x().add(0), unchanged(all, op.stateShape()));
        }
        return op.sequences() == null ? sequence(all) : packed(all, op.sequences());
    }

    /** Computes one token of each row, whose arrays lack the axis L, from a state (B, H, P, N). */
    NDList step(UnaryOperator<NDArray> wide, NDArray before) {
        UnaryOperator<NDArray> asSequence =
                array -> array == null ? null : wide.apply(array).expandDims(1);
        Tokens tokens =
                new Tokens(
                        asSequence.apply(op.x()),
                        asSequence.apply(op.delta()),
                        asSequence.apply(op.b()),
                        asSequence.apply(op.c()),
                        asSequence.apply(op.gate()),
                        before);
        if (before.getShape().get(0) == 0) {
            return new NDList(tokens.x().squeeze(1).add(0), before);
        }
        NDList results = sequence(tokens);
        return new NDList(results.get(0).squeeze(1), results.get(1));
    }

    private static NDArray unchanged(Tokens in, Shape shape) {
        return in.initialState() != null
                ? in.initialState().add(0)
                : in.x().getManager().zeros(shape, in.x().getDataType());
    }

    private NDList packed(Tokens all, PackedSequences sequences) {
        NDList outputs = new NDList();
        NDList states = new NDList();
        int rows = (int) sequences.batch();
        Tokens[] byRow = split(all, evenly(rows), evenly(rows), 0);
        for (int row = 0; row < rows; row++) {
            NDList ofRow = row(byRow[row], sequences, row);
            outputs.add(ofRow.get(0));
            states.add(ofRow.get(1));
        }
        return new NDList(concat(outputs, 0), concat(states, 0));
    }

    private NDList row(Tokens in, PackedSequences sequences, int row) {
        NDList outputs = new NDList();
        NDList states = new NDList();
        int count = sequences.sequences();
        long[] cuts = new long[count - 1];
        for (int s = 0; s < cuts.length; s++) {
            cuts[s] = sequences.end(row, s);
        }
        Tokens[] bySequence = split(in, cuts, evenly(count), 1);
        Shape state = new Shape(1).add(op.stateShape().slice(2).getShape());
        for (int s = 0; s < count; s++) {
            Tokens part = bySequence[s];
            NDArray before = part.initialState();
            Tokens tokens =
                    new Tokens(
                            part.x(),
                            part.delta(),
                            part.b(),
                            part.c(),
                            part.gate(),
                            before == null ? null : before.squeeze(1));
            if (sequences.begin(row, s) == sequences.end(row, s)) {
                states.add(unchanged(tokens, state).expandDims(1));
            } else {
                NDList results = sequence(tokens);
                outputs.add(results.get(0));
                states.add(results.get(1).expandDims(1));
            }
        }
        return new NDList(concat(outputs, 1), concat(states, 1));
    }

    private static long[] evenly(int parts) {
        long[] cuts = new long[parts - 1];
        for (int i = 0; i < cuts.length; i++) {
            cuts[i] = i + 1;
        }
        return cuts;
    }

    /** Cuts tokens and states along an axis, which gives one more part than there are cuts. */
    private static Tokens[] split(Tokens in, long[] cuts, long[] stateCuts, int axis) {
        NDList x = in.x().split(cuts, axis);
        NDList delta = in.delta().split(cuts, axis);
        NDList b = in.b().split(cuts, axis);
        NDList c = in.c().split(cuts, axis);
        NDList gate = in.gate() == null ? null : in.gate().split(cuts, axis);
        NDList states = in.initialState() == null ? null : in.initialState().split(stateCuts, axis);
        Tokens[] parts = new Tokens[cuts.length + 1];
        for (int i = 0; i < parts.length; i++) {
            parts[i] =
                    new Tokens(
                            x.get(i),
                            delta.get(i),
                            b.get(i),
                            c.get(i),
                            gate == null ? null : gate.get(i),
                            states == null ? null : states.get(i));
        }
        return parts;
    }

    /** Concatenates arrays; DJL cuts the graph of an array concatenated with nothing. */
    private static NDArray concat(NDList arrays, int axis) {
        return arrays.size() == 1 ? arrays.get(0) : NDArrays.concat(arrays, axis);
    }

    /** Computes a batch of sequences of at least one token each, from (B, H, P, N) to the same. */
    private NDList sequence(Tokens in) {
        long length = in.x().getShape().get(1);
        long heads = in.x().getShape().get(2);
        NDArray step = stepSizes(in.delta());
        NDArray decay = step.mul(op.a()).exp().expandDims(3).expandDims(4);
        NDArray drive =
                step.expandDims(3)
                        .mul(in.x())
                        .expandDims(4)
                        .mul(SelectiveScan.perChannel(in.b(), heads).expandDims(3));
        // Split, since the gradient of each slice taken by itself would be as large as the whole.
        NDList decays = decay.split(length, 1);
        NDList drives = drive.split(length, 1);
        NDArray state = in.initialState() == null ? null : in.initialState().expandDims(1);
        NDList history = new NDList(drives.size());
        for (int t = 0; t < drives.size(); t++) {
            NDArray input = drives.get(t);
            state = state == null ? input : decays.get(t).mul(state).add(input);
            history.add(state);
        }
        NDArray output =
                concat(history, 1)
                        .mul(SelectiveScan.perChannel(in.c(), heads).expandDims(3))
                        .sum(new int[] {4});
        if (op.skip() != null) {
            NDArray skip = op.skip();
            output =
                    output.add(
                            in.x()
                                    .mul(
                                            skip.getShape().dimension() == 1
                                                    ? skip.expandDims(1)
                                                    : skip));
        }
        if (in.gate() != null) {
            // Not Activation.swish: what it multiplies by may be gone at the backward pass
            // (Scalars).
            output = output.mul(in.gate().mul(Activation.sigmoid(in.gate())));
        }
        return new NDList(output, state.squeeze(1));
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
