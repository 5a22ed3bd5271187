/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ssm;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.nn.ParameterList;
import java.util.Arrays;

/** What the tests of the state space blocks share. */
final class BlockTesting {

    private BlockTesting() {}

    static double[] project(double[] weight, double[] bias, double[] x) {
        double[] y = new double[weight.length / x.length];
        for (int o = 0; o < y.length; o++) {
            y[o] = bias == null ? 0 : bias[o];
            for (int i = 0; i < x.length; i++) {
                y[o] += weight[o * x.length + i] * x[i];
            }
        }
        return y;
    }

    static double silu(double x) {
        return x / (1 + Math.exp(-x));
    }

    static void assertUniform(ParameterList parameters, String name, double bound) {
        float[] floats = parameters.get(name).getArray().toFloatArray();
        double[] values = new double[floats.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = floats[i];
        }
        assertUniform(name, values, -bound, bound);
    }

    /** Compares with the uniform distribution by the Kolmogorov-Smirnov distance at 0.1%. */
    static void assertUniform(String name, double[] values, double low, double high) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        double distance = 0;
        for (int i = 0; i < sorted.length; i++) {
            double share = (sorted[i] - low) / (high - low);
            assertTrue(share > -1e-4 && share < 1 + 1e-4, name + " leaves its bounds");
            distance = Math.max(distance, Math.abs(share - (i + 0.5) / sorted.length));
        }
        assertTrue(distance < 1.95 / Math.sqrt(sorted.length), name + ": distance " + distance);
    }

    static void assertMessage(String part, Runnable action) {
        String message = assertThrows(IllegalArgumentException.class, action::run).getMessage();
        assertTrue(message.contains(part), message);
    }
}
