/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The selective scan and its gradient as plain loops in double, written from the formula alone. */
final class ScanLoop {

    private final ScanCase.Size size;
    private final Map<String, double[]> in;
    private final double[] u;
    private final double[] delta;
    private final double[] a;
    private final double[] b;
    private final double[] c;
    private final boolean softplus;

    /** The state after each step, from the initial one: (B, L + 1, D, N). */
    private final double[] history;

    /** The output before the gate: (B, L, D). */
    private final double[] ungated;

    ScanLoop(ScanCase.Size size, Map<String, double[]> values, boolean softplus) {
        this.size = size;
        in = values;
        u = values.get("u");
        delta = values.get("delta");
        a = values.get("a");
        b = values.get("b");
        c = values.get("c");
        this.softplus = softplus;
        history = new double[size.batch() * (size.length() + 1) * size.channels() * size.states()];
        ungated = new double[size.batch() * size.length() * size.channels()];
    }

    /** Computes the output and the final state. */
    List<double[]> forward() {
        int d = size.channels();
        int n = size.states();
        double[] output = new double[ungated.length];
        double[] state = new double[size.batch() * d * n];
        for (int i = 0; i < size.batch(); i++) {
            int before = i * (size.length() + 1) * d * n;
            if (in.containsKey("initialState")) {
                System.arraycopy(in.get("initialState"), i * d * n, history, before, d * n);
            }
            for (int t = 0; t < size.length(); t++) {
                for (int k = 0; k < d; k++) {
                    output[sequence(i, t, k)] = step(i, t, k);
                }
            }
            int last = (i * (size.length() + 1) + size.length()) * d * n;
            System.arraycopy(history, last, state, i * d * n, d * n);
        }
        return List.of(output, state);
    }

    private double step(int i, int t, int k) {
        int at = sequence(i, t, k);
        double dt = stepSize(at, k);
        double y = 0;
        for (int j = 0; j < size.states(); j++) {
            int grouped = grouped(i, t, k, j);
            double h =
                    Math.exp(dt * a[k * size.states() + j]) * history[state(i, t, k, j)]
                            + dt * b[grouped] * u[at];
            history[state(i, t + 1, k, j)] = h;
            y += c[grouped] * h;
        }
        if (in.containsKey("skip")) {
            y += in.get("skip")[k] * u[at];
        }
        ungated[at] = y;
        return in.containsKey("gate") ? y * silu(in.get("gate")[at]) : y;
    }

    /** Computes the gradients of cotangent . results, after the forward pass. */
    Map<String, double[]> backward(double[] outputCotangent, double[] stateCotangent) {
        forward();
        Map<String, double[]> gradients = new LinkedHashMap<>();
        in.forEach((name, values) -> gradients.put(name, new double[values.length]));
        int n = size.states();
        double[] carried = new double[n];
        for (int i = 0; i < size.batch(); i++) {
            for (int k = 0; k < size.channels(); k++) {
                int row = (i * size.channels() + k) * n;
                System.arraycopy(stateCotangent, row, carried, 0, n);
                for (int t = size.length() - 1; t >= 0; t--) {
                    stepBack(i, t, k, outputCotangent[sequence(i, t, k)], carried, gradients);
                }
                if (in.containsKey("initialState")) {
                    System.arraycopy(carried, 0, gradients.get("initialState"), row, n);
                }
            }
        }
        return gradients;
    }

    private void stepBack(
            int i, int t, int k, double cotangent, double[] carried, Map<String, double[]> to) {
        int at = sequence(i, t, k);
        double ofY = cotangent;
        if (in.containsKey("gate")) {
            double z = in.get("gate")[at];
            to.get("gate")[at] = cotangent * ungated[at] * siluSlope(z);
            ofY = cotangent * silu(z);
        }
        double ofU = 0;
        if (in.containsKey("skip")) {
            to.get("skip")[k] += ofY * u[at];
            ofU += ofY * in.get("skip")[k];
        }
        double dt = stepSize(at, k);
        double ofStep = 0;
        for (int j = 0; j < size.states(); j++) {
            int grouped = grouped(i, t, k, j);
            double rate = a[k * size.states() + j];
            double decay = Math.exp(dt * rate);
            double decayed = decay * history[state(i, t, k, j)];
            to.get("c")[grouped] += ofY * history[state(i, t + 1, k, j)];
            double ofState = carried[j] + ofY * c[grouped];
            to.get("b")[grouped] += ofState * dt * u[at];
            ofU += ofState * dt * b[grouped];
            ofStep += ofState * (rate * decayed + b[grouped] * u[at]);
            to.get("a")[k * size.states() + j] += ofState * dt * decayed;
            carried[j] = ofState * decay;
        }
        to.get("u")[at] = ofU;
        double ofDelta = softplus ? ofStep * softplusSlope(biased(at, k)) : ofStep;
        to.get("delta")[at] = ofDelta;
        if (in.containsKey("deltaBias")) {
            to.get("deltaBias")[k] += ofDelta;
        }
    }

    private double biased(int at, int k) {
        return in.containsKey("deltaBias") ? delta[at] + in.get("deltaBias")[k] : delta[at];
    }

    private double stepSize(int at, int k) {
        double x = biased(at, k);
        return !softplus || x > 20 ? x : Math.log1p(Math.exp(x));
    }

    private static double softplusSlope(double x) {
        return x > 20 ? 1 : 1 / (1 + Math.exp(-x));
    }

    static double silu(double x) {
        return x / (1 + Math.exp(-x));
    }

    static double siluSlope(double x) {
        double sigmoid = 1 / (1 + Math.exp(-x));
        return sigmoid * (1 + x * (1 - sigmoid));
    }

    private int sequence(int i, int t, int k) {
        return (i * size.length() + t) * size.channels() + k;
    }

    private int grouped(int i, int t, int k, int j) {
        int groups = Math.max(1, size.groups());
        int group = k / (size.channels() / groups);
        return ((i * size.length() + t) * groups + group) * size.states() + j;
    }

    private int state(int i, int t, int k, int j) {
        return ((i * (size.length() + 1) + t) * size.channels() + k) * size.states() + j;
    }
}
