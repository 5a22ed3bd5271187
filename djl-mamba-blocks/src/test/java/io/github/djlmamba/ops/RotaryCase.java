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
import ai.djl.ndarray.types.Shape;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** One call of the rotary embedding, with its loops in double. */
public final class RotaryCase extends OpCase {

    private final Shape shape;
    private final int rotated;
    private final long position;
    private final double base;
    private final boolean interleaved;
    private final Layout layout;

    /** Draws x, of shape (B, L, H, P). */
    public RotaryCase(
            Shape shape,
            int rotated,
            long position,
            double base,
            boolean interleaved,
            Layout layout) {
        this.shape = shape;
        this.rotated = rotated;
        this.position = position;
        this.base = base;
        this.interleaved = interleaved;
        this.layout = layout;
        Random random = new Random(toString().hashCode());
        inputs().put("x", Sample.draw(shape, layout, random::nextGaussian));
    }

    private RotaryEmbedding embedding(Map<String, NDArray> arrays) {
        return RotaryEmbedding.of(arrays.get("x"))
                .withRotated(rotated)
                .withPosition(position)
                .withBase(base)
                .withInterleaved(interleaved);
    }

    @Override
    public List<String> results() {
        return List.of("output");
    }

    @Override
    public List<Shape> shapes() {
        return List.of(shape);
    }

    @Override
    public List<NDArray> run(OpsProvider provider, Map<String, NDArray> arrays) {
        RotaryEmbedding embedding = embedding(arrays);
        embedding.check();
        return List.of(provider.rotaryEmbedding(embedding));
    }

    @Override
    public List<NDArray> naive(Map<String, NDArray> arrays) {
        return List.of(embedding(arrays).naive());
    }

    @Override
    public List<double[]> forward(Map<String, double[]> values) {
        return List.of(turned(values.get("x"), 1));
    }

    @Override
    public Map<String, double[]> backward(List<double[]> cotangents) {
        return Map.of("x", turned(cotangents.get(0), -1));
    }

    private double[] turned(double[] x, int direction) {
        double[] turned = x.clone();
        int headSize = (int) shape.get(3);
        int turns = rotated == 0 ? headSize : rotated;
        for (int start = 0; start < x.length; start += headSize) {
            long t = start / headSize / shape.get(2) % shape.get(1);
            for (int i = 0; i < turns / 2; i++) {
                double angle = direction * (position + t) * Math.pow(base, -2.0 * i / turns);
                int a = start + (interleaved ? 2 * i : i);
                int b = interleaved ? a + 1 : a + turns / 2;
                turned[a] = x[a] * Math.cos(angle) - x[b] * Math.sin(angle);
                turned[b] = x[b] * Math.cos(angle) + x[a] * Math.sin(angle);
            }
        }
        return turned;
    }

    @Override
    public String toString() {
        return "rotary embedding "
                + shape
                + " rotated "
                + rotated
                + " from "
                + position
                + " base "
                + base
                + (interleaved ? " interleaved " : " ")
                + layout;
    }
}
