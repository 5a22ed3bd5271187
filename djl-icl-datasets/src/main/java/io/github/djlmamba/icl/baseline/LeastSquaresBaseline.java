/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.baseline;

import java.util.Arrays;
import org.apiguardian.api.API;
import org.ejml.data.DMatrixRMaj;
import org.ejml.dense.row.factory.LinearSolverFactory_DDRM;
import org.ejml.interfaces.linsol.LinearSolverDense;

/**
 * Predicts w.x_i with w the least-squares solution over the examples seen, of all solutions the one
 * of smallest norm. On linear functions without noise it is the best possible below d examples and
 * exact from d on.
 *
 * <p>Solved in double by a QR decomposition with column pivoting and, where the rank is below d,
 * its completion to the minimum-norm solution (EJML).
 */
@API(status = API.Status.EXPERIMENTAL)
public final class LeastSquaresBaseline implements Baseline {

    /** Creates the baseline. */
    public LeastSquaresBaseline() {}

    @Override
    public String name() {
        return "least-squares";
    }

    @Override
    public double[] predict(double[][] xs, double[] ys) {
        int dims = xs[0].length;
        LinearSolverDense<DMatrixRMaj> solver =
                LinearSolverFactory_DDRM.leastSquaresQrPivot(true, false);
        DMatrixRMaj weights = new DMatrixRMaj(dims, 1);
        double[] predictions = new double[ys.length];
        for (int i = 1; i < ys.length; i++) {
            DMatrixRMaj seen = new DMatrixRMaj(Arrays.copyOf(xs, i));
            if (!solver.setA(seen)) {
                throw new IllegalArgumentException(
                        "The inputs before position " + i + " are not finite numbers.");
            }
            solver.solve(new DMatrixRMaj(i, 1, true, Arrays.copyOf(ys, i)), weights);
            double dot = 0;
            for (int j = 0; j < dims; j++) {
                dot += weights.get(j) * xs[i][j];
            }
            predictions[i] = dot;
        }
        return predictions;
    }
}
