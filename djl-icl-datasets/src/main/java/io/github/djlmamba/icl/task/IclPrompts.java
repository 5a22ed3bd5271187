/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.task;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.apiguardian.api.API;

/**
 * A batch of prompts: for each, N examples (x, y) of one hidden function.
 *
 * <p>A model sees x_0, y_0, x_1, y_1, ... and predicts each y_i from what stands before it. The
 * arrays are shared, not copied; see {@link FloatArray}.
 *
 * @param xs the inputs, shape (B, N, d)
 * @param ys the answers, shape (B, N), or (B, N, outputs) for tasks whose answers are vectors
 * @param others the task's further arrays by name, each with B as its first axis; {@value #WEIGHTS}
 *     holds the parameters of the hidden functions, {@value #MASK} of shape (B, N) is 1 where a
 *     position counts in loss and metric and 0 where it does not
 */
@API(status = API.Status.EXPERIMENTAL)
public record IclPrompts(FloatArray xs, FloatArray ys, Map<String, FloatArray> others) {

    /** The name of the array that holds the parameters of the hidden functions. */
    public static final String WEIGHTS = "weights";

    /** The name of the array that marks the scored positions. */
    public static final String MASK = "mask";

    /**
     * Checks that the shapes fit each other.
     *
     * @param xs the inputs
     * @param ys the answers
     * @param others the task's further arrays by name
     * @throws IllegalArgumentException if xs is not (B, N, d), ys neither (B, N) nor (B, N,
     *     outputs), the mask not (B, N), another array's first axis not B, an axis empty, or a
     *     further array is called xs or ys
     */
    public IclPrompts {
        Shape x = Objects.requireNonNull(xs, "xs").shape();
        Shape y = Objects.requireNonNull(ys, "ys").shape();
        if (x.dimension() != 3 || x.size() == 0) {
            throw new IllegalArgumentException(
                    "xs must be of shape (prompts, points, dims), none of them 0, but is "
                            + x
                            + ".");
        }
        boolean fits = y.dimension() == 2 || y.dimension() == 3 && y.get(2) > 0;
        if (!fits || y.get(0) != x.get(0) || y.get(1) != x.get(1)) {
            throw new IllegalArgumentException(
                    "ys must be of shape (prompts, points) or (prompts, points, outputs) with the prompts and points of xs "
                            + x
                            + ", but is "
                            + y
                            + ".");
        }
        Map<String, FloatArray> copy = new LinkedHashMap<>(others);
        copy.forEach((name, array) -> checkOther(name, array.shape(), x));
        others = Collections.unmodifiableMap(copy);
    }

    /**
     * Creates prompts with scalar answers and no further arrays.
     *
     * @param xs the inputs, row-major (B, N, d)
     * @param ys the answers, row-major (B, N)
     * @param prompts B
     * @param points N
     * @param dims d
     * @return the prompts, over the given arrays
     * @throws IllegalArgumentException if the sizes do not fit
     */
    public static IclPrompts of(float[] xs, float[] ys, int prompts, int points, int dims) {
        return new IclPrompts(
                new FloatArray(xs, new Shape(prompts, points, dims)),
                new FloatArray(ys, new Shape(prompts, points)),
                Map.of());
    }

    /**
     * Copies prompts from NDArrays.
     *
     * @param xs the inputs, float32 of shape (B, N, d)
     * @param ys the answers, float32 of shape (B, N) or (B, N, outputs)
     * @return the prompts
     * @throws IllegalArgumentException if a type or a shape does not fit
     */
    public static IclPrompts of(NDArray xs, NDArray ys) {
        return new IclPrompts(FloatArray.of(xs), FloatArray.of(ys), Map.of());
    }

    private static void checkOther(String name, Shape shape, Shape x) {
        if (name.equals("xs") || name.equals("ys")) {
            throw new IllegalArgumentException("A further array may not be called " + name + ".");
        }
        if (shape.dimension() == 0 || shape.get(0) != x.get(0)) {
            throw new IllegalArgumentException(
                    "The first axis of "
                            + name
                            + " must be the prompts of xs "
                            + x
                            + ", but its shape is "
                            + shape
                            + ".");
        }
        if (name.equals(MASK) && !shape.equals(x.slice(0, 2))) {
            throw new IllegalArgumentException(
                    "The mask must be of shape " + x.slice(0, 2) + ", but is " + shape + ".");
        }
    }

    /**
     * Returns the number of prompts.
     *
     * @return B
     */
    public int count() {
        return (int) xs.shape().get(0);
    }

    /**
     * Returns the number of examples of each prompt.
     *
     * @return N
     */
    public int points() {
        return (int) xs.shape().get(1);
    }

    /**
     * Returns the dimensions of an x.
     *
     * @return d
     */
    public int dims() {
        return (int) xs.shape().get(2);
    }

    /**
     * Returns the parameters of the hidden functions, where the task gives them.
     *
     * @return for linear regression, shape (B, d)
     */
    public Optional<FloatArray> weights() {
        return Optional.ofNullable(others.get(WEIGHTS));
    }

    /**
     * Returns the mask of scored positions.
     *
     * @return ones and zeros of shape (B, N), or nothing where all positions count
     */
    public Optional<FloatArray> mask() {
        return Optional.ofNullable(others.get(MASK));
    }

    /**
     * Returns a copy of some of the prompts.
     *
     * @param from the first prompt
     * @param to one past the last prompt
     * @return the prompts from (inclusive) to (exclusive)
     * @throws IndexOutOfBoundsException if the prompts are not all there
     */
    public IclPrompts slice(int from, int to) {
        Map<String, FloatArray> sliced = new LinkedHashMap<>();
        others.forEach((name, array) -> sliced.put(name, array.rows(from, to)));
        return new IclPrompts(xs.rows(from, to), ys.rows(from, to), sliced);
    }

    /**
     * Copies all arrays into NDArrays that carry their names.
     *
     * @param manager owns the results
     * @return xs, ys and then the others in order
     */
    public NDList toNDList(NDManager manager) {
        NDList list = new NDList(2 + others.size());
        list.add(named("xs", xs, manager));
        list.add(named("ys", ys, manager));
        others.forEach((name, array) -> list.add(named(name, array, manager)));
        return list;
    }

    private static NDArray named(String name, FloatArray array, NDManager manager) {
        NDArray copy = array.toNDArray(manager);
        copy.setName(name);
        return copy;
    }
}
