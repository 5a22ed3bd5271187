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

/** Always predicts 0, the mean of y over all functions: what can be said without learning. */
@API(status = API.Status.EXPERIMENTAL)
public final class ZeroBaseline implements Baseline {

    /** Creates the baseline. */
    public ZeroBaseline() {}

    @Override
    public String name() {
        return "zero";
    }

    @Override
    public double[] predict(double[][] xs, double[] ys) {
        return new double[ys.length];
    }
}
