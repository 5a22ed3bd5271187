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
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.function.DoubleUnaryOperator;
import org.apiguardian.api.API;

/**
 * The rotary embedding of positions (Su et al., 2021, section 3.2), of the first R of the P
 * channels of each head; the others pass:
 *
 * <pre>
 *   (a, b) becomes (a cos w - b sin w, b cos w + a sin w),   w = (position + t) base^(-2 i / R)
 * </pre>
 *
 * <p>for pair i of token t, with i from 0 to R / 2 - 1: channels i and i + R / 2, as most
 * checkpoints have it, or the neighbours 2 i and 2 i + 1.
 *
 * <p>Shapes: x and the output (B, L, H, P). The last axis of x should be contiguous; others may
 * have any stride. Activations may be bfloat16. Immutable and thread safe; the array it names is
 * not copied.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class RotaryEmbedding {

    /** The base unless set. */
    public static final double DEFAULT_BASE = 10_000;

    /** Positions beyond lose too much of their angle in double. */
    private static final long MOST_POSITION = 1L << 40;

    private final NDArray x;
    private long rotated;
    private long position;
    private double base = DEFAULT_BASE;
    private boolean interleaved;

    private RotaryEmbedding(NDArray x) {
        this.x = x;
    }

    private RotaryEmbedding copy() {
        RotaryEmbedding copy = new RotaryEmbedding(x);
        copy.rotated = rotated;
        copy.position = position;
        copy.base = base;
        copy.interleaved = interleaved;
        return copy;
    }

    /**
     * Names the required input.
     *
     * @param x queries or keys, of shape (B, L, H, P)
     * @return the op for all channels, from position 0
     */
    public static RotaryEmbedding of(NDArray x) {
        return new RotaryEmbedding(x);
    }

    /**
     * Sets the number of channels that are turned; all of them unless set.
     *
     * @param number R, even and at most P; 0 for P
     * @return a copy of the op with it
     */
    public RotaryEmbedding withRotated(long number) {
        RotaryEmbedding copy = copy();
        copy.rotated = number;
        return copy;
    }

    /**
     * Sets the position of the first token; 0 unless set.
     *
     * @param newPosition the number of tokens before x
     * @return a copy of the op with it
     */
    public RotaryEmbedding withPosition(long newPosition) {
        RotaryEmbedding copy = copy();
        copy.position = newPosition;
        return copy;
    }

    /**
     * Sets the base of the frequencies, often called theta; {@value #DEFAULT_BASE} unless set.
     *
     * @param newBase a positive number
     * @return a copy of the op with it
     */
    public RotaryEmbedding withBase(double newBase) {
        RotaryEmbedding copy = copy();
        copy.base = newBase;
        return copy;
    }

    /**
     * Sets whether pairs are neighbours, rather than a half apart.
     *
     * @param newInterleaved true for channels 2 i and 2 i + 1
     * @return a copy of the op with it
     */
    public RotaryEmbedding withInterleaved(boolean newInterleaved) {
        RotaryEmbedding copy = copy();
        copy.interleaved = newInterleaved;
        return copy;
    }

    /**
     * Returns what is turned.
     *
     * @return x, of shape (B, L, H, P)
     */
    public NDArray x() {
        return x;
    }

    /**
     * Returns the number of channels that are turned.
     *
     * @return R
     */
    public long rotated() {
        return rotated == 0 ? x.getShape().get(3) : rotated;
    }

    /**
     * Returns the position of the first token.
     *
     * @return the number of tokens before x
     */
    public long position() {
        return position;
    }

    /**
     * Returns the base of the frequencies.
     *
     * @return the base
     */
    public double base() {
        return base;
    }

    /**
     * Returns whether pairs are neighbours.
     *
     * @return true for channels 2 i and 2 i + 1
     */
    public boolean interleaved() {
        return interleaved;
    }

    /**
     * Checks the inputs and runs the op on the provider for them.
     *
     * @return the turned array, in x's manager
     * @throws IllegalArgumentException if a shape, type, device or number does not fit
     * @throws IllegalStateException if an array is closed
     */
    public NDArray run() {
        check();
        return OpsProviders.forArrays(x.getDevice(), x.getDataType()).rotaryEmbedding(this);
    }

    /**
     * Checks the inputs without running anything.
     *
     * @throws IllegalArgumentException if a shape, type, device or number does not fit
     * @throws IllegalStateException if an array is closed
     */
    public void check() {
        ArgumentCheck check = new ArgumentCheck("rotary embedding", true);
        check.array("x", x);
        check.axes("x", x, "(B, L, H, P)", 4);
        long size = x.getShape().get(3);
        if (rotated() < 2 || rotated() % 2 != 0 || rotated() > size) {
            throw check.failure(
                    "rotated",
                    "is "
                            + rotated()
                            + "; expected an even number from 2 to the head size "
                            + size);
        }
        if (!(base > 0) || Double.isInfinite(base)) {
            throw check.failure("base", "is " + base + "; expected a positive number");
        }
        if (position < 0 || position > MOST_POSITION) {
            throw check.failure("position", "is " + position + "; expected 0 to " + MOST_POSITION);
        }
    }

    /**
     * Computes the op by NDArray operations.
     *
     * @return the turned array, in x's manager
     */
    public NDArray naive() {
        return NaiveForm.compute(
                        x,
                        x.getManager(),
                        1,
                        wide ->
                                new NDList(
                                        x.size() == 0
                                                ? wide.apply(x).add(0)
                                                : turned(wide.apply(x))))
                .singletonOrThrow();
    }

    private NDArray turned(NDArray wide) {
        long pairs = rotated() / 2;
        NDArray cosine = angles(wide, Math::cos);
        NDArray sine = angles(wide, Math::sin);
        NDArray first;
        NDArray second;
        if (interleaved) {
            Shape shape = wide.getShape();
            NDArray split =
                    wide.get("..., :{}", rotated()).reshape(shape.slice(0, 3).add(pairs, 2));
            first = split.get("..., 0");
            second = split.get("..., 1");
        } else {
            first = wide.get("..., :{}", pairs);
            second = wide.get("..., {}:{}", pairs, rotated());
        }
        NDList turned =
                new NDList(
                        first.mul(cosine).sub(second.mul(sine)),
                        second.mul(cosine).add(first.mul(sine)));
        NDArray joined =
                interleaved
                        ? NDArrays.stack(turned, 4)
                                .reshape(wide.getShape().slice(0, 3).add(rotated()))
                        : NDArrays.concat(turned, 3);
        return rotated() == wide.getShape().get(3)
                ? joined
                : joined.concat(wide.get("..., {}:", rotated()), 3);
    }

    /** A function of the angle of each token and pair: (L, 1, R / 2). */
    private NDArray angles(NDArray like, DoubleUnaryOperator function) {
        int length = Math.toIntExact(x.getShape().get(1));
        int pairs = Math.toIntExact(rotated() / 2);
        double[] values = new double[length * pairs];
        for (int t = 0; t < length; t++) {
            for (int i = 0; i < pairs; i++) {
                double frequency = Math.pow(base, -2.0 * i / rotated());
                values[t * pairs + i] = function.applyAsDouble((position + t) * frequency);
            }
        }
        // A copy, since the array itself lies in memory that the JVM may free before the backward
        // pass reads it.
        try (NDArray exact = like.getManager().create(values, new Shape(length, 1, pairs))) {
            return like.getDataType() == DataType.FLOAT64
                    ? exact.duplicate()
                    : exact.toType(like.getDataType(), true);
        }
    }
}
