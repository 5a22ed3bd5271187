/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.baseline;

import ai.djl.ndarray.types.Shape;
import io.github.djlmamba.icl.task.IclPrompts;
import java.util.stream.IntStream;
import org.apiguardian.api.API;

/**
 * A classical estimator of y_i from the examples before it and x_i.
 *
 * <p>Implementations are pure functions, safe for use by several threads.
 */
@API(status = API.Status.EXPERIMENTAL)
public interface Baseline {

    /**
     * Returns the name that {@link Baselines#of(String)} knows the baseline by.
     *
     * @return lower-case words joined by hyphens
     */
    String name();

    /**
     * Predicts all answers of one prompt.
     *
     * @param xs the inputs, shape (N, d); not to be written to
     * @param ys the answers, length N; not to be written to. Only ys[0] to ys[i - 1] may influence
     *     prediction i
     * @return the predictions, length N; the first, which has no examples, is 0
     */
    double[] predict(double[][] xs, double[] ys);

    /**
     * Predicts all answers of all prompts, several prompts at a time. The result does not depend on
     * the number of threads.
     *
     * @param prompts the prompts
     * @return the predictions, shape (B, N)
     * @throws IllegalArgumentException if the answers are vectors
     */
    default double[][] predict(IclPrompts prompts) {
        Shape shape = prompts.ys().shape();
        if (shape.dimension() != 2) {
            throw new IllegalArgumentException(
                    "The baseline "
                            + name()
                            + " needs scalar answers, ys of shape (prompts, points), but ys is "
                            + shape
                            + ".");
        }
        int points = prompts.points();
        int dims = prompts.dims();
        float[] x = prompts.xs().values();
        float[] y = prompts.ys().values();
        return IntStream.range(0, prompts.count())
                .parallel()
                .mapToObj(
                        prompt -> {
                            double[][] xs = new double[points][dims];
                            double[] ys = new double[points];
                            for (int i = 0; i < points; i++) {
                                int row = prompt * points + i;
                                ys[i] = y[row];
                                for (int j = 0; j < dims; j++) {
                                    xs[i][j] = x[row * dims + j];
                                }
                            }
                            return predict(xs, ys);
                        })
                .toArray(double[][]::new);
    }
}
