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
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.function.UnaryOperator;
import org.apiguardian.api.API;

/**
 * Causal attention (Vaswani et al., 2017, section 3.2.1) with grouped queries (Ainslie et al.,
 * 2023) and a window of keys (Beltagy et al., 2020) if wanted:
 *
 * <pre>
 *   w_ts   = softmax over s of scale (q_t . k_s),   s at most t and, with a window, after t - window
 *   output = sum over s of w_ts v_s
 * </pre>
 *
 * <p>Shapes: queries and the output (B, L, H, P), keys and values (B, T, K, P) with T at least L
 * and K a divisor of H. Query head h reads key head h / (H / K). The queries are those of the last
 * L of the T tokens. The last axis of each should be contiguous; others may have any stride, so
 * that the parts of a projection and views of a growing state are taken as they are. Activations
 * may be bfloat16. Immutable and thread safe; the arrays it names are not copied.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class CausalAttention {

    private final NDArray queries;
    private final NDArray keys;
    private final NDArray values;
    private Double scale;
    private long window;

    private CausalAttention(NDArray queries, NDArray keys, NDArray values) {
        this.queries = queries;
        this.keys = keys;
        this.values = values;
    }

    private CausalAttention copy() {
        CausalAttention copy = new CausalAttention(queries, keys, values);
        copy.scale = scale;
        copy.window = window;
        return copy;
    }

    /**
     * Names the required inputs.
     *
     * @param queries the queries of the last tokens, of shape (B, L, H, P)
     * @param keys the keys of all tokens, of shape (B, T, K, P)
     * @param values their values, of the same shape
     * @return the op, with a scale of 1 / sqrt(P) and without a window
     */
    public static CausalAttention of(NDArray queries, NDArray keys, NDArray values) {
        return new CausalAttention(queries, keys, values);
    }

    /**
     * Sets the factor of the products; 1 / sqrt(P) unless set.
     *
     * @param newScale the factor
     * @return a copy of the op with it
     */
    public CausalAttention withScale(double newScale) {
        CausalAttention copy = copy();
        copy.scale = newScale;
        return copy;
    }

    /**
     * Sets the number of keys that a query reads at most: its own and those before.
     *
     * @param newWindow the number, or 0 for all
     * @return a copy of the op with it
     */
    public CausalAttention withWindow(long newWindow) {
        CausalAttention copy = copy();
        copy.window = newWindow;
        return copy;
    }

    /**
     * Returns the queries.
     *
     * @return the queries, of shape (B, L, H, P)
     */
    public NDArray queries() {
        return queries;
    }

    /**
     * Returns the keys.
     *
     * @return the keys, of shape (B, T, K, P)
     */
    public NDArray keys() {
        return keys;
    }

    /**
     * Returns the values.
     *
     * @return the values, of shape (B, T, K, P)
     */
    public NDArray values() {
        return values;
    }

    /**
     * Returns the factor of the products.
     *
     * @return the factor
     */
    public double scale() {
        return scale == null ? 1 / Math.sqrt(queries.getShape().get(3)) : scale;
    }

    /**
     * Returns the number of keys that a query reads at most.
     *
     * @return the number, or 0 for all
     */
    public long window() {
        return window;
    }

    /**
     * Checks the inputs and runs the op on the provider for them.
     *
     * @return the weighted values, in the queries' manager
     * @throws IllegalArgumentException if a shape, type, device or number does not fit
     * @throws IllegalStateException if an array is closed
     */
    public NDArray run() {
        check();
        return OpsProviders.forArrays(queries.getDevice(), queries.getDataType())
                .causalAttention(this);
    }

    /**
     * Checks the inputs without running anything.
     *
     * @throws IllegalArgumentException if a shape, type, device or number does not fit
     * @throws IllegalStateException if an array is closed
     */
    public void check() {
        ArgumentCheck check = new ArgumentCheck("causal attention", true);
        check.array("queries", queries);
        check.axes("queries", queries, "(B, L, H, P)", 4);
        Shape shape = queries.getShape();
        if (shape.get(2) == 0 || shape.get(3) == 0) {
            throw check.failure(
                    "queries",
                    "has shape " + shape + "; expected at least one head and one channel");
        }
        check.array("keys", keys);
        check.axes("keys", keys, "(B, T, K, P)", 4);
        Shape keyShape = keys.getShape();
        long total = keyShape.get(1);
        long keyHeads = keyShape.get(2);
        if (total < shape.get(1) || keyHeads == 0 || shape.get(2) % keyHeads != 0) {
            throw check.failure(
                    "keys",
                    "has shape "
                            + keyShape
                            + " beside queries "
                            + shape
                            + "; expected (B, T, K, P) with T at least L and K a divisor of H");
        }
        check.array("keys", keys, "(B, T, K, P)", shape.get(0), total, keyHeads, shape.get(3));
        check.array("values", values, "(B, T, K, P), as in keys", keyShape.getShape());
        if (!Double.isFinite(scale())) {
            throw check.failure("scale", "is " + scale + "; expected a number");
        }
        if (window < 0) {
            throw check.failure("window", "is " + window + "; expected 1 or more, or 0 for none");
        }
        check.elements("the output", shape.getShape());
    }

    /**
     * Computes the op by NDArray operations, all scores at once.
     *
     * @return the weighted values, in the queries' manager
     */
    public NDArray naive() {
        return NaiveForm.compute(
                        queries,
                        queries.getManager(),
                        1,
                        wide -> new NDList(queries.size() == 0 ? nothing(wide) : attend(wide)))
                .singletonOrThrow();
    }

    private NDArray nothing(UnaryOperator<NDArray> wide) {
        return wide.apply(queries).add(0);
    }

    private NDArray attend(UnaryOperator<NDArray> wide) {
        Shape shape = queries.getShape();
        long length = shape.get(1);
        long total = keys.getShape().get(1);
        long keyHeads = keys.getShape().get(2);
        long group = shape.get(2) / keyHeads;
        // (B, K, H / K L, P): the queries that share a key head are rows of one matrix product.
        NDArray rows =
                wide.apply(queries)
                        .reshape(shape.get(0), length, keyHeads, group, shape.get(3))
                        .transpose(0, 2, 3, 1, 4)
                        .reshape(shape.get(0), keyHeads, group * length, shape.get(3));
        NDArray factor = Scalars.like(rows, scale());
        NDArray scores = rows.mul(factor).matMul(wide.apply(keys).transpose(0, 2, 3, 1));
        NDArray masked = scores.add(mask(rows, group, length, total));
        return masked.softmax(3)
                .matMul(wide.apply(values).transpose(0, 2, 1, 3))
                .reshape(shape.get(0), keyHeads, group, length, shape.get(3))
                .transpose(0, 3, 1, 2, 4)
                .reshape(shape);
    }

    /** Gives 0 where a query may read a key, else minus infinity: (H / K L, T). */
    private NDArray mask(NDArray like, long group, long length, long total) {
        NDManager manager = like.getManager();
        Shape shape = new Shape(length, total);
        NDArray reads = manager.arange(0, Math.toIntExact(total), 1, DataType.INT64);
        NDArray last =
                manager.arange((int) (total - length), (int) total, 1, DataType.INT64)
                        .reshape(length, 1);
        NDArray hidden = reads.gt(last);
        if (window > 0) {
            hidden = hidden.logicalOr(reads.lte(last.sub(window)));
        }
        DataType type = like.getDataType();
        NDArray mask =
                NDArrays.where(
                        hidden,
                        manager.full(shape, Float.NEGATIVE_INFINITY, type),
                        manager.zeros(shape, type));
        return group == 1 ? mask : mask.tile(new long[] {group, 1});
    }
}
