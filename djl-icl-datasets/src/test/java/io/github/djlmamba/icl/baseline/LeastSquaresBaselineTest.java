/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.baseline;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.djlmamba.icl.task.IclPrompts;
import io.github.djlmamba.icl.task.IclTask;
import io.github.djlmamba.icl.task.LinearRegression;
import java.util.Arrays;
import java.util.Random;
import org.ejml.simple.SimpleMatrix;
import org.junit.jupiter.api.Test;

class LeastSquaresBaselineTest {

    private static final Baseline BASELINE = new LeastSquaresBaseline();

    private static double dot(double[] one, double[] other) {
        double sum = 0;
        for (int j = 0; j < one.length; j++) {
            sum += one[j] * other[j];
        }
        return sum;
    }

    private static double[][] gaussians(Random random, int rows, int columns) {
        double[][] values = new double[rows][columns];
        for (double[] row : values) {
            Arrays.setAll(row, j -> random.nextGaussian());
        }
        return values;
    }

    /**
     * The definition: the pseudo-inverse, from a singular value decomposition, times the answers.
     */
    private static double pseudoInverse(double[][] xs, double[] ys, int i) {
        SimpleMatrix seen = new SimpleMatrix(Arrays.copyOf(xs, i));
        SimpleMatrix answers = new SimpleMatrix(i, 1, true, Arrays.copyOf(ys, i));
        SimpleMatrix weights = seen.pseudoInverse().mult(answers);
        return dot(weights.getDDRM().getData(), xs[i]);
    }

    @Test
    void isExactFromAsManyExamplesAsDimensionsOn() {
        Random random = new Random(1);
        for (int dims : new int[] {1, 2, 8, 20}) {
            for (int prompt = 0; prompt < 200; prompt++) {
                double[][] xs = gaussians(random, 2 * dims + 1, dims);
                double[] weights = gaussians(random, 1, dims)[0];
                double[] ys = Arrays.stream(xs).mapToDouble(x -> dot(x, weights)).toArray();
                double[] predictions = BASELINE.predict(xs, ys);
                for (int i = dims; i < ys.length; i++) {
                    assertEquals(
                            ys[i],
                            predictions[i],
                            1e-6 * Math.sqrt(dot(weights, weights) * dot(xs[i], xs[i])));
                }
            }
        }
    }

    @Test
    void isThePseudoInverseBelowAtAndAboveTheDimensionsWithNoise() {
        Random random = new Random(2);
        for (int dims : new int[] {1, 5, 12}) {
            double[][] xs = gaussians(random, 3 * dims, dims);
            double[] ys = random.doubles(xs.length).map(x -> random.nextGaussian()).toArray();
            double[] predictions = BASELINE.predict(xs, ys);
            for (int i = 1; i < ys.length; i++) {
                double expected = pseudoInverse(xs, ys, i);
                assertEquals(expected, predictions[i], 1e-8 * Math.max(1, Math.abs(expected)));
            }
        }
    }

    @Test
    void isThePseudoInverseWhereTheRankIsShort() {
        Random random = new Random(3);
        double[][] xs = gaussians(random, 20, 6);
        for (double[] x : xs) {
            // A curriculum zeroes the last coordinates; one more is a sum of others.
            x[3] = x[0] - 2 * x[1];
            x[4] = 0;
            x[5] = 0;
        }
        xs[4] = xs[2].clone();
        xs[5] = new double[6];
        double[] ys = random.doubles(20).map(x -> random.nextGaussian()).toArray();
        ys[4] = ys[2];
        double[] predictions = BASELINE.predict(xs, ys);
        for (int i = 1; i < ys.length; i++) {
            double expected = pseudoInverse(xs, ys, i);
            assertEquals(
                    expected,
                    predictions[i],
                    1e-8 * Math.max(1, Math.abs(expected)),
                    "position " + i);
        }
    }

    @Test
    void predictsZeroFromInputsThatAreAllZero() {
        for (double prediction : BASELINE.predict(new double[5][3], new double[] {1, 2, 3, 4, 5})) {
            assertEquals(0, prediction);
        }
    }

    @Test
    void meanErrorFallsOnTheKnownLine() {
        // The part of w outside the span of i random inputs has mean squared length d - i.
        int dims = 10;
        int count = 4000;
        IclTask task = new LinearRegression(dims, 16);
        IclPrompts prompts = task.sample(8, 0, count);
        double[][] predictions = BASELINE.predict(prompts);
        for (int i = 0; i < 16; i++) {
            double sum = 0;
            for (int prompt = 0; prompt < count; prompt++) {
                sum +=
                        task.metric()
                                .score(
                                        predictions[prompt][i],
                                        prompts.ys().values()[prompt * 16 + i]);
            }
            double expected = Math.max(0, dims - i) / (double) dims;
            assertEquals(expected, sum / count, i < dims ? 0.15 * expected : 1e-6, "position " + i);
        }
    }
}
