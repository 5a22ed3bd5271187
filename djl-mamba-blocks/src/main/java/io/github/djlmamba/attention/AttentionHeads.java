/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.attention;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import io.github.djlmamba.ops.CausalAttention;
import io.github.djlmamba.ops.PackedSequences;
import io.github.djlmamba.ops.RotaryEmbedding;
import io.github.djlmamba.ops.SequenceAppend;
import io.github.djlmamba.state.MixerInput;
import io.github.djlmamba.state.MixerOutput;
import io.github.djlmamba.state.SequencePositions;
import java.util.List;
import java.util.function.Function;
import org.apiguardian.api.API;

/**
 * What causal attention does between its two projections, without a parameter: queries, keys and
 * values in, the heads' outputs side by side out, with the state and the positions.
 *
 * <pre>
 *   q, k   = turned by their positions                          (if rotary)
 *   w_ts   = softmax over s of scale q_t . k_s                  (s at most t, after t - window)
 *   output = sum over s of w_ts v_s, the heads side by side
 * </pre>
 *
 * <p>{@link CausalSelfAttentionBlock} is this between two projections of its own; a block whose
 * projections are shared or adapted uses it too. Immutable and thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class AttentionHeads {

    private final long heads;
    private final long keyValueHeads;
    private final long headSize;
    private final double scale;
    private final long window;
    private final RotaryOptions rotary;

    /**
     * Settles the sizes.
     *
     * @param options the settings, of which bias and initial weights do not matter here
     * @param size the size of the vectors that are projected, from which the head size follows
     *     unless it is set
     * @throws IllegalArgumentException if the heads do not divide the size and no head size is set,
     *     or if the rotary settings do not fit the head size
     */
    public AttentionHeads(AttentionOptions options, long size) {
        heads = options.heads();
        keyValueHeads = options.keyValueHeads() == 0 ? heads : options.keyValueHeads();
        if (options.headSize() == 0 && size % heads != 0) {
            throw new IllegalArgumentException(
                    "attention: "
                            + heads
                            + " heads do not divide the model size "
                            + size
                            + "; choose a number of heads that does, or set the head size");
        }
        headSize = options.headSize() == 0 ? size / heads : options.headSize();
        scale = options.scale() == 0 ? 1 / Math.sqrt(headSize) : options.scale();
        window = options.window();
        rotary = options.rotary();
        if (rotary != null) {
            rotary.rotated(headSize);
        }
    }

    /**
     * Returns the number of values for each token that {@link #mix} takes.
     *
     * @return (H + 2 K) P
     */
    public long projectedSize() {
        return (heads + 2 * keyValueHeads) * headSize;
    }

    /**
     * Returns the number of values of all queries, which is that of the output too.
     *
     * @return H P
     */
    public long mixedSize() {
        return heads * headSize;
    }

    /**
     * Returns the number of values of all keys, which is that of all values too.
     *
     * @return K P
     */
    public long keysSize() {
        return keyValueHeads * headSize;
    }

    /**
     * Attends. Not all arrays made on the way are closed: call it from a mixer, which does that.
     *
     * @param projected queries, keys and values side by side, (B, L, (H + 2 K) P)
     * @param input what the mixer was given: its packed sequences, and whether it keeps a state
     * @param past the state before, already checked to be open and of this batch; null for none
     * @return the outputs of the heads side by side, (B, L, H P), and the {@link AttentionState} if
     *     it is wanted
     * @throws IllegalArgumentException if the state is not of such heads
     */
    public MixerOutput mix(NDArray projected, MixerInput input, AttentionState past) {
        long batch = projected.getShape().get(0);
        long length = projected.getShape().get(1);
        SequencePositions seen =
                past == null
                        ? SequencePositions.alike(batch, 0)
                        : checkedPositions(past, Math.toIntExact(batch));
        if (input.sequences() != null && batch * length > 0) {
            return new MixerOutput(eachByItself(projected, input.sequences()), null);
        }
        NDList parts = queriesKeysValues(projected, seen);
        NDArray keys = parts.get(1);
        NDArray values = parts.get(2);
        if (past != null) {
            keys = SequenceAppend.of(past.keys(), keys).run();
            values = SequenceAppend.of(past.values(), values).run();
        }
        NDArray mixed = attended(parts.get(0), keys, values, seen);
        if (!input.keepState()) {
            return new MixerOutput(mixed, null);
        }
        boolean shared = past == null;
        return new MixerOutput(
                mixed,
                new AttentionState(kept(keys, shared), kept(values, shared), seen.plus(length)));
    }

    /** Attends from each sequence to itself alone, its positions counted from 0. */
    private NDArray eachByItself(NDArray projected, PackedSequences sequences) {
        SequencePositions start = SequencePositions.of(0);
        NDList rows = new NDList();
        for (int row = 0; row < sequences.batch(); row++) {
            NDList mixed = new NDList();
            for (int s = 0; s < sequences.sequences(); s++) {
                long begin = sequences.begin(row, s);
                long end = sequences.end(row, s);
                if (end > begin) {
                    NDIndex one = new NDIndex("{}:{}, {}:{}", row, row + 1, begin, end);
                    NDList parts = queriesKeysValues(projected.get(one), start);
                    mixed.add(attended(parts.get(0), parts.get(1), parts.get(2), start));
                }
            }
            rows.add(joined(mixed, 1));
        }
        return joined(rows, 0);
    }

    private static NDArray joined(NDList arrays, int axis) {
        return arrays.size() == 1 ? arrays.head() : NDArrays.concat(arrays, axis);
    }

    /** Splits what is projected into heads, (B, L, H or K, P), and turns queries and keys. */
    private NDList queriesKeysValues(NDArray projected, SequencePositions seen) {
        Shape shape = projected.getShape();
        NDArray all =
                projected.reshape(shape.get(0), shape.get(1), heads + 2 * keyValueHeads, headSize);
        if (rotary == null) {
            return all.split(new long[] {heads, heads + keyValueHeads}, 2);
        }
        NDList parts = all.split(new long[] {heads + keyValueHeads}, 2);
        NDArray turned =
                byRun(
                        seen,
                        run ->
                                RotaryEmbedding.of(rows(parts.get(0), run, 0))
                                        .withRotated(rotary.rotated(headSize))
                                        .withBase(rotary.base())
                                        .withInterleaved(rotary.interleaved())
                                        .withPosition(run.position())
                                        .run());
        NDList result = turned.split(new long[] {heads}, 2);
        result.add(parts.get(1));
        return result;
    }

    /** Attends over the keys that each sequence has, those at the end, and joins the heads. */
    private NDArray attended(
            NDArray queries, NDArray keys, NDArray values, SequencePositions seen) {
        Shape shape = queries.getShape();
        long before = keys.getShape().get(1) - shape.get(1);
        return byRun(
                        seen,
                        run -> {
                            long hidden = Math.max(0, before - run.position());
                            return CausalAttention.of(
                                            rows(queries, run, 0),
                                            rows(keys, run, hidden),
                                            rows(values, run, hidden))
                                    .withScale(scale)
                                    .withWindow(window)
                                    .run();
                        })
                .reshape(shape.get(0), shape.get(1), heads * headSize);
    }

    /** Computes something for each group of sequences with one position, and joins the results. */
    private static NDArray byRun(
            SequencePositions seen, Function<SequencePositions.Run, NDArray> function) {
        List<SequencePositions.Run> runs = seen.runs();
        if (runs.isEmpty()) {
            return function.apply(new SequencePositions.Run(0, 0, 0));
        }
        NDList results = new NDList();
        for (SequencePositions.Run run : runs) {
            results.add(function.apply(run));
        }
        return joined(results, 0);
    }

    /** The rows of a group, without the first tokens; the array itself where that is all of it. */
    private static NDArray rows(NDArray array, SequencePositions.Run run, long skipped) {
        return run.to() - run.from() == array.getShape().get(0) && skipped == 0
                ? array
                : array.get("{}:{}, {}:", run.from(), run.to(), skipped);
    }

    /** What later queries may read, of keys or values that share memory with others or do not. */
    private NDArray kept(NDArray array, boolean shared) {
        long total = array.getShape().get(1);
        long read = window == 0 ? total : Math.min(total, window - 1);
        NDArray last = read == total ? array : array.get(":, {}:", total - read);
        // Copies, since views would keep the queries in memory for as long as the state lives;
        // by a sum, since duplicate() cuts the gradient.
        return shared ? last.add(0) : last;
    }

    /** Gives the numbers of tokens before, after checking that the state is of such a block. */
    private SequencePositions checkedPositions(AttentionState past, int batch) {
        Shape shape = past.keys().getShape();
        long length = shape.dimension() == 4 ? shape.get(1) : -1;
        Shape expected = new Shape(batch, length, keyValueHeads, headSize);
        if (!shape.equals(expected) || !past.values().getShape().equals(expected)) {
            throw new IllegalArgumentException(
                    "attention: the state has keys "
                            + shape
                            + " and values "
                            + past.values().getShape()
                            + "; expected (B, T, K, P) = "
                            + new Shape(batch, -1, keyValueHeads, headSize)
                            + " for both; give the state that this block left");
        }
        SequencePositions seen = past.positions();
        if (seen == null || seen.size() != batch) {
            throw new IllegalArgumentException(
                    "attention: the state has positions "
                            + seen
                            + " for a batch of "
                            + batch
                            + "; expected one for each sequence; give the state that this block"
                            + " left");
        }
        long most = seen.greatest();
        long least = window == 0 ? most : Math.min(most, window - 1);
        if (batch > 0 && (length < least || length > most)) {
            throw new IllegalArgumentException(
                    "attention: the state holds "
                            + length
                            + " of "
                            + most
                            + " tokens"
                            + (window == 0 ? "" : ", for a window of " + window)
                            + "; expected "
                            + least
                            + " or more; give the state that this block left");
        }
        return seen;
    }
}
