/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.task;

import ai.djl.ndarray.types.Shape;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apiguardian.api.API;

/**
 * Linear functions without noise: y = w.x with w and all x drawn from N(0, I).
 *
 * <p>Source: Garg et al. 2022, "What Can Transformers Learn In-Context?" (arXiv 2208.01066),
 * section 2; used with 20 dimensions and 41 points by Park et al. 2024, "Can Mamba Learn How to
 * Learn?" (arXiv 2402.04248). As in their code a curriculum zeroes coordinates of x, not of w.
 *
 * <p>Both w and x are rounded to float when drawn; y is the double sum over the rounded values in
 * the order of the coordinates, rounded to float. {@link IclPrompts#weights()} holds w, shape (B,
 * d). Immutable and safe for use by several threads.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class LinearRegression extends AbstractIclTask {

    /** The name of the task. */
    public static final String NAME = "linear-regression";

    /**
     * Creates the task.
     *
     * @param dims the dimensions of an x, d
     * @param points the examples of a full prompt, N
     * @throws IllegalArgumentException if one is not positive
     */
    public LinearRegression(int dims, int points) {
        super(dims, points);
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public IclMetric metric() {
        return IclMetric.squaredErrorPerDimension(dims());
    }

    @Override
    public List<String> baselines() {
        return List.of("zero", "averaging", "3-nearest-neighbours", "least-squares");
    }

    @Override
    protected Map<String, Shape> otherShapes(int currentPoints) {
        return Map.of(IclPrompts.WEIGHTS, new Shape(dims()));
    }

    @Override
    protected void samplePrompt(Random random, int currentDims, PromptWriter prompt) {
        float[] weights = new float[dims()];
        for (int j = 0; j < weights.length; j++) {
            weights[j] = (float) random.nextGaussian();
            prompt.setOther(IclPrompts.WEIGHTS, j, weights[j]);
        }
        for (int i = 0; i < prompt.points(); i++) {
            double y = 0;
            for (int j = 0; j < weights.length; j++) {
                // Drawn even where it is zeroed, so that the others do not depend on the
                // curriculum.
                float x = (float) random.nextGaussian();
                if (j < currentDims) {
                    prompt.setX(i, j, x);
                    y += (double) weights[j] * x;
                }
            }
            prompt.setY(i, (float) y);
        }
    }
}
