/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.baseline;

import org.apiguardian.api.API;

/**
 * Predicts w.x_i with w the mean of y_k x_k over the examples seen, an unbiased estimate where x ~
 * N(0, I).
 *
 * <p>Source: Garg et al. 2022 (arXiv 2208.01066), section 3.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class AveragingBaseline implements Baseline {

    /** Creates the baseline. */
    public AveragingBaseline() {}

    @Override
    public String name() {
        return "averaging";
    }

    @Override
    public double[] predict(double[][] xs, double[] ys) {
        double[] predictions = new double[ys.length];
        double[] sum = new double[xs[0].length];
        for (int i = 0; i < ys.length; i++) {
            double dot = 0;
            for (int j = 0; j < sum.length; j++) {
                dot += sum[j] * xs[i][j];
                sum[j] += ys[i] * xs[i][j];
            }
            predictions[i] = i == 0 ? 0 : dot / i;
        }
        return predictions;
    }
}
