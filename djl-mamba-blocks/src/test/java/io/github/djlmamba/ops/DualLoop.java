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

/**
 * The state space dual and its gradient as plain loops in double, written from the formula alone.
 */
final class DualLoop {

    private final DualCase.Size size;
    private final PackedSequences packed;
    private final Map<String, double[]> in;
    private final double[] x;
    private final double[] a;
    private final double[] b;
    private final double[] c;
    private final boolean softplus;
    private final double minimum;
    private final double maximum;

    /** The state before each token: (B, L, H, P, N). */
    private final double[] before;

    /** The output before the gate: (B, L, H, P). */
    private final double[] ungated;

    DualLoop(
            DualCase.Size size,
            PackedSequences packed,
            Map<String, double[]> values,
            boolean softplus,
            double minimum,
            double maximum) {
        this.size = size;
        this.packed = packed;
        in = values;
        x = values.get("x");
        a = values.get("a");
        b = values.get("b");
        c = values.get("c");
        this.softplus = softplus;
        this.minimum = minimum;
        this.maximum = maximum;
        ungated = new double[x.length];
        before = new double[x.length * size.states()];
    }

    /** Computes the output and the final state. */
    List<double[]> forward() {
        double[] output = new double[x.length];
        double[] finalState = new double[sequences() * size.batch() * size.heads() * matrix()];
        double[] initial = in.get("initialState");
        for (int i = 0; i < size.batch(); i++) {
            for (int s = 0; s < sequences(); s++) {
                for (int h = 0; h < size.heads(); h++) {
                    double[] state = new double[matrix()];
                    int at = state(i, s, h);
                    if (initial != null) {
                        System.arraycopy(initial, at, state, 0, state.length);
                    }
                    for (int t = begin(i, s); t < end(i, s); t++) {
                        step(token(i, t, h), matrixRow(i, t, h), h, state, output);
                    }
                    System.arraycopy(state, 0, finalState, at, state.length);
                }
            }
        }
        return List.of(output, finalState);
    }

    /** Advances the state of a head by one token. */
    private void step(int token, int row, int h, double[] state, double[] output) {
        int n = size.states();
        double dt = stepSize(token, h);
        double decay = Math.exp(dt * a[h]);
        System.arraycopy(state, 0, before, token * matrix(), matrix());
        for (int p = 0; p < size.headSize(); p++) {
            int at = token * size.headSize() + p;
            double y = 0;
            for (int j = 0; j < n; j++) {
                int k = p * n + j;
                state[k] = decay * state[k] + dt * x[at] * b[row + j];
                y += c[row + j] * state[k];
            }
            if (in.containsKey("skip")) {
                y += in.get("skip")[skip(h, p)] * x[at];
            }
            ungated[at] = y;
            output[at] = in.containsKey("gate") ? y * ScanLoop.silu(in.get("gate")[at]) : y;
        }
    }

    /** Computes the gradients of cotangent . results, after the forward pass. */
    Map<String, double[]> backward(double[] outputCotangent, double[] stateCotangent) {
        forward();
        Map<String, double[]> gradients = new LinkedHashMap<>();
        in.forEach((name, values) -> gradients.put(name, new double[values.length]));
        for (int i = 0; i < size.batch(); i++) {
            for (int s = 0; s < sequences(); s++) {
                for (int h = 0; h < size.heads(); h++) {
                    double[] carried = new double[matrix()];
                    int at = state(i, s, h);
                    System.arraycopy(stateCotangent, at, carried, 0, carried.length);
                    for (int t = end(i, s) - 1; t >= begin(i, s); t--) {
                        stepBack(
                                token(i, t, h),
                                matrixRow(i, t, h),
                                h,
                                outputCotangent,
                                carried,
                                gradients);
                    }
                    if (in.containsKey("initialState")) {
                        System.arraycopy(
                                carried, 0, gradients.get("initialState"), at, carried.length);
                    }
                }
            }
        }
        return gradients;
    }

    private void stepBack(
            int token,
            int row,
            int h,
            double[] cotangent,
            double[] carried,
            Map<String, double[]> to) {
        int n = size.states();
        double dt = stepSize(token, h);
        double decay = Math.exp(dt * a[h]);
        double ofStep = 0;
        for (int p = 0; p < size.headSize(); p++) {
            int at = token * size.headSize() + p;
            double ofY = cotangent[at];
            if (in.containsKey("gate")) {
                double z = in.get("gate")[at];
                to.get("gate")[at] = ofY * ungated[at] * ScanLoop.siluSlope(z);
                ofY *= ScanLoop.silu(z);
            }
            double ofX = 0;
            if (in.containsKey("skip")) {
                to.get("skip")[skip(h, p)] += ofY * x[at];
                ofX += ofY * in.get("skip")[skip(h, p)];
            }
            for (int j = 0; j < n; j++) {
                double decayed = decay * before[token * matrix() + p * n + j];
                double drive = x[at] * b[row + j];
                to.get("c")[row + j] += ofY * (decayed + dt * drive);
                double ofState = carried[p * n + j] + ofY * c[row + j];
                to.get("b")[row + j] += ofState * dt * x[at];
                ofX += ofState * dt * b[row + j];
                ofStep += ofState * (a[h] * decayed + drive);
                to.get("a")[h] += ofState * dt * decayed;
                carried[p * n + j] = ofState * decay;
            }
            to.get("x")[at] = ofX;
        }
        double ofDelta = ofStep * slope(token, h);
        to.get("delta")[token] = ofDelta;
        if (in.containsKey("deltaBias")) {
            to.get("deltaBias")[h] += ofDelta;
        }
    }

    private double biased(int token, int h) {
        double delta = in.get("delta")[token];
        return in.containsKey("deltaBias") ? delta + in.get("deltaBias")[h] : delta;
    }

    private double unlimited(int token, int h) {
        double raw = biased(token, h);
        return !softplus || raw > 20 ? raw : Math.log1p(Math.exp(raw));
    }

    /** The least distance of a step from either limit. */
    double distanceFromLimits() {
        double least = Double.POSITIVE_INFINITY;
        for (int token = 0; token < in.get("delta").length; token++) {
            double step = unlimited(token, token % size.heads());
            least = Math.min(least, Math.abs(step - minimum));
            least = Math.min(least, Math.abs(step - maximum));
        }
        return least;
    }

    private double stepSize(int token, int h) {
        return Math.max(minimum, Math.min(maximum, unlimited(token, h)));
    }

    private double slope(int token, int h) {
        double step = unlimited(token, h);
        if (step < minimum || step > maximum) {
            return 0;
        }
        double raw = biased(token, h);
        return !softplus || raw > 20 ? 1 : 1 / (1 + Math.exp(-raw));
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

    private int matrix() {
        return size.headSize() * size.states();
    }

    private int token(int i, int t, int h) {
        return (i * size.length() + t) * size.heads() + h;
    }

    private int skip(int h, int p) {
        return in.get("skip").length == size.heads() ? h : h * size.headSize() + p;
    }

    private int matrixRow(int i, int t, int h) {
        int groups = Math.max(1, size.groups());
        int group = h / (size.heads() / groups);
        return ((i * size.length() + t) * groups + group) * size.states();
    }

    private int state(int i, int s, int h) {
        return ((i * sequences() + s) * size.heads() + h) * matrix();
    }
}
