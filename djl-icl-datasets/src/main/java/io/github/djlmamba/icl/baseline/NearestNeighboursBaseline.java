/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.baseline;

import com.oracle.labs.mlrg.olcut.util.Pair;
import java.util.Arrays;
import org.apiguardian.api.API;
import org.tribuo.math.distance.L2Distance;
import org.tribuo.math.la.DenseVector;
import org.tribuo.math.la.SGDVector;
import org.tribuo.math.neighbour.NeighboursQueryFactory;
import org.tribuo.math.neighbour.bruteforce.NeighboursBruteForceFactory;

/**
 * Predicts the mean y of the k examples seen whose x is nearest in Euclidean distance, of all of
 * them where fewer have been seen.
 *
 * <p>The search is Tribuo's brute-force query: with some dozens of points in many dimensions a tree
 * saves nothing. It is used without Tribuo's model and trainer around it, since each position of
 * each prompt has a data set of its own, and there are tens of thousands.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class NearestNeighboursBaseline implements Baseline {

    private static final NeighboursQueryFactory SEARCH =
            new NeighboursBruteForceFactory(new L2Distance(), 1);

    private final int neighbours;

    /**
     * Creates the baseline.
     *
     * @param neighbours k, at least 1
     * @throws IllegalArgumentException if it is not positive
     */
    public NearestNeighboursBaseline(int neighbours) {
        if (neighbours < 1) {
            throw new IllegalArgumentException(
                    "The number of neighbours must be at least 1, but is " + neighbours + ".");
        }
        this.neighbours = neighbours;
    }

    @Override
    public String name() {
        return neighbours + "-nearest-neighbours";
    }

    @Override
    public double[] predict(double[][] xs, double[] ys) {
        SGDVector[] vectors =
                Arrays.stream(xs).map(DenseVector::createDenseVector).toArray(SGDVector[]::new);
        double[] predictions = new double[ys.length];
        for (int i = 1; i < ys.length; i++) {
            int count = Math.min(neighbours, i);
            double sum = 0;
            for (Pair<Integer, Double> neighbour :
                    SEARCH.createNeighboursQuery(Arrays.copyOf(vectors, i))
                            .query(vectors[i], count)) {
                sum += ys[neighbour.getA()];
            }
            predictions[i] = sum / count;
        }
        return predictions;
    }
}
