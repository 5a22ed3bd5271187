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
    private final PackedSequences packed;
    private final Map<String, double[]> in;
    private final double[] u;
    private final double[] delta;
    private final double[] a;
    private final double[] b;
    private final double[] c;
    private final boolean softplus;

    /** The state before each step: (B, L, D, N). */
    private final double[] before;

    /** The output before the gate: (B, L, D). */
    private final double[] ungated;

    ScanLoop(
            ScanCase.Size size,
            PackedSequences packed,
            Map<String, double[]> values,
            boolean softplus) {
        this.size = size;
        this.packed = packed;
        in = values;
        u = values.get("u");
        delta = values.get("delta");
        a = values.get("a");
        b = values.get("b");
        c = values.get("c");
        this.softplus = softplus;
        ungated = new double[size.batch() * size.length() * size.channels()];
        before = new double[ungated.length * size.states()];
    }

    /** Computes the output and the final state. */
    List<double[]> forward() {
        int n = size.states();
        double[] output = new double[ungated.length];
        double[] finalState = new double[size.batch() * sequences() * size.channels() * n];
        for (int i = 0; i < size.batch(); i++) {
            for (int s = 0; s < sequences(); s++) {
                for (int k = 0; k < size.channels(); k++) {
                    double[] state = new double[n];
                    int row = state(i, s, k);
                    if (in.containsKey("initialState")) {
                        System.arraycopy(in.get("initialState"), row, state, 0, n);
                    }
                    for (int t = begin(i, s); t < end(i, s); t++) {
                        output[sequence(i, t, k)] = step(i, t, k, state);
                    }
                    System.arraycopy(state, 0, finalState, row, n);
                }
            }
        }
        return List.of(output, finalState);
    }

    /** Advances the state of a channel by one step. */
    private double step(int i, int t, int k, double[] state) {
        int at = sequence(i, t, k);
        double dt = stepSize(at, k);
        System.arraycopy(state, 0, before, at * size.states(), size.states());
        double y = 0;
        for (int j = 0; j < size.states(); j++) {
            int grouped = grouped(i, t, k, j);
            state[j] = Math.exp(dt * a[k * size.states() + j]) * state[j] + dt * b[grouped] * u[at];
            y += c[grouped] * state[j];
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
            for (int s = 0; s < sequences(); s++) {
                for (int k = 0; k < size.channels(); k++) {
                    int row = state(i, s, k);
                    System.arraycopy(stateCotangent, row, carried, 0, n);
                    for (int t = end(i, s) - 1; t >= begin(i, s); t--) {
                        stepBack(i, t, k, outputCotangent[sequence(i, t, k)], carried, gradients);
                    }
                    if (in.containsKey("initialState")) {
                        System.arraycopy(carried, 0, gradients.get("initialState"), row, n);
                    }
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
            double decayed = decay * before[at * size.states() + j];
            to.get("c")[grouped] += ofY * (decayed + dt * b[grouped] * u[at]);
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

    private int sequences() {
        return packed == null ? 1 : packed.sequences();
    }

    private int begin(int i, int s) {
        return packed == null ? 0 : (int) packed.begin(i, s);
    }

    private int end(int i, int s) {
        return packed == null ? size.length() : (int) packed.end(i, s);
    }

    /** Where the state of a channel of a sequence begins in the states. */
    private int state(int i, int s, int k) {
        return ((i * sequences() + s) * size.channels() + k) * size.states();
    }
}
