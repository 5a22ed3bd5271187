/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.task;

import org.apiguardian.api.API;

/**
 * How the prediction of one answer is scored. Lower is better.
 *
 * <p>Implementations are pure functions, safe for use by several threads.
 */
@API(status = API.Status.EXPERIMENTAL)
public interface IclMetric {

    /**
     * Returns the metric's name as reports show it.
     *
     * @return for example {@code squared_error/d}
     */
    String name();

    /**
     * Scores one prediction.
     *
     * @param prediction the model's value
     * @param target the true answer
     * @return the score
     */
    double score(double prediction, double target);

    /**
     * Returns the squared error divided by the dimensions, so that always predicting 0 scores about
     * 1 on standard normal linear functions of any size.
     *
     * @param dims the divisor d, at least 1
     * @return the metric {@code squared_error/d}
     * @throws IllegalArgumentException if dims is not positive
     */
    static IclMetric squaredErrorPerDimension(int dims) {
        if (dims < 1) {
            throw new IllegalArgumentException(
                    "The number of dims must be at least 1, but is " + dims + ".");
        }
        return new IclMetric() {
            @Override
            public String name() {
                return "squared_error/d";
            }

            @Override
            public double score(double prediction, double target) {
                double error = prediction - target;
                return error * error / dims;
            }
        };
    }
}
