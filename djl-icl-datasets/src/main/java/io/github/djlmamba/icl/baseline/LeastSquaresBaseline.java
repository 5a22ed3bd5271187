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
import org.ejml.dense.row.factory.DecompositionFactory_DDRM;
import org.ejml.dense.row.linsol.qr.SolvePseudoInverseQrp_DDRM;
import org.ejml.interfaces.decomposition.QRPDecomposition_F64;
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

    /**
     * A pivot below this part of the largest input is taken for 0: far above the rounding of an
     * input that depends on the others, far below the pivots of random inputs, which are exact to
     * 6e-8 at best.
     */
    private static final double SINGULAR = 1e-12;

    /** Creates the baseline. */
    public LeastSquaresBaseline() {}

    @Override
    public String name() {
        return "least-squares";
    }

    @Override
    public double[] predict(double[][] xs, double[] ys) {
        int dims = xs[0].length;
        QRPDecomposition_F64<DMatrixRMaj> decomposition = DecompositionFactory_DDRM.qrp();
        decomposition.setSingularThreshold(SINGULAR);
        LinearSolverDense<DMatrixRMaj> solver = new SolvePseudoInverseQrp_DDRM(decomposition, true);
        DMatrixRMaj weights = new DMatrixRMaj(dims, 1);
        double[] predictions = new double[ys.length];
        for (int i = 1; i < ys.length; i++) {
            DMatrixRMaj seen = new DMatrixRMaj(Arrays.copyOf(xs, i));
            if (!solver.setA(seen)) {
                throw new ArithmeticException(
                        "The inputs before position " + i + " have no QR decomposition.");
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
