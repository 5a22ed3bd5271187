/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include <cmath>
#include <vector>

#include "selective_scan.h"

/** The selective scan as its formula reads, in double, over contiguous arrays; its gradients by the chain rule, step by step. */
namespace djlmamba::test {

using Array = std::vector<double>;

struct NaiveScan {
  cpu::SelectiveScanSizes sizes;
  /* Empty arrays are options that are off. */
  Array u, delta, a, b, c, skip, z, delta_bias, initial_state;
  bool softplus = false;
  int64_t sequences = 1;
  std::vector<int64_t> offsets;  // empty: a row is one sequence

  /** Where a sequence, numbered over all batches, begins and ends in its row. */
  int64_t begin(int64_t sequence) const { return offsets.empty() ? 0 : offsets[sequence + sequence / sequences]; }
  int64_t end(int64_t sequence) const { return offsets.empty() ? sizes.length : offsets[sequence + sequence / sequences + 1]; }
};

struct NaiveScanOutputs {
  Array out, final_state;
};

struct NaiveScanGradients {
  Array u, delta, a, b, c, skip, z, delta_bias, initial_state;
};

inline double naive_softplus(double x) { return x > 20 ? x : std::log1p(std::exp(x)); }
inline double naive_sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

/** The scan of one channel of one sequence; all_states, when given, receives the states before each step and after the last. */
inline void naive_scan_channel(const NaiveScan& s, int64_t sequence, int64_t d, NaiveScanOutputs& o, Array* y_out, Array* all_states) {
  const auto& z = s.sizes;
  const int64_t g = d / (z.channels / z.groups);
  const int64_t batch = sequence / s.sequences;
  const int64_t state_row = (sequence * z.channels + d) * z.states;
  Array h(static_cast<size_t>(z.states));
  for (int64_t n = 0; n < z.states; ++n) h[n] = s.initial_state.empty() ? 0 : s.initial_state[state_row + n];
  if (all_states) *all_states = h;
  for (int64_t t = s.begin(sequence); t < s.end(sequence); ++t) {
    const int64_t i = (batch * z.length + t) * z.channels + d;
    const int64_t row = ((batch * z.length + t) * z.groups + g) * z.states;
    double x = s.delta[i] + (s.delta_bias.empty() ? 0 : s.delta_bias[d]);
    if (s.softplus) x = naive_softplus(x);
    double y = s.skip.empty() ? 0 : s.skip[d] * s.u[i];
    for (int64_t n = 0; n < z.states; ++n) {
      h[n] = std::exp(x * s.a[d * z.states + n]) * h[n] + x * s.b[row + n] * s.u[i];
      y += s.c[row + n] * h[n];
    }
    if (all_states) all_states->insert(all_states->end(), h.begin(), h.end());
    if (y_out) y_out->push_back(y);
    o.out[i] = s.z.empty() ? y : y * s.z[i] * naive_sigmoid(s.z[i]);
  }
  for (int64_t n = 0; n < z.states; ++n) o.final_state[state_row + n] = h[n];
}

inline NaiveScanOutputs naive_scan(const NaiveScan& s) {
  const auto& z = s.sizes;
  NaiveScanOutputs o{Array(z.batch * z.length * z.channels), Array(z.batch * s.sequences * z.channels * z.states)};
  for (int64_t sequence = 0; sequence < z.batch * s.sequences; ++sequence) {
    for (int64_t d = 0; d < z.channels; ++d) naive_scan_channel(s, sequence, d, o, nullptr, nullptr);
  }
  return o;
}

/** d_final_state may be empty. */
inline NaiveScanGradients naive_scan_backward(const NaiveScan& s, const Array& d_out, const Array& d_final_state) {
  const auto& z = s.sizes;
  NaiveScanGradients r;
  r.u.resize(s.u.size());
  r.delta.resize(s.delta.size());
  r.a.resize(s.a.size());
  r.b.resize(s.b.size());
  r.c.resize(s.c.size());
  r.skip.resize(z.channels);
  r.z.resize(s.z.size());
  r.delta_bias.resize(z.channels);
  r.initial_state.resize(z.batch * s.sequences * z.channels * z.states);
  NaiveScanOutputs o{Array(z.batch * z.length * z.channels), Array(z.batch * s.sequences * z.channels * z.states)};
  for (int64_t sequence = 0; sequence < z.batch * s.sequences; ++sequence) {
    const int64_t batch = sequence / s.sequences;
    const int64_t begin = s.begin(sequence);
    for (int64_t d = 0; d < z.channels; ++d) {
      const int64_t g = d / (z.channels / z.groups);
      Array y, h, d_h(z.states);
      naive_scan_channel(s, sequence, d, o, &y, &h);
      const int64_t state_row = (sequence * z.channels + d) * z.states;
      for (int64_t n = 0; n < z.states; ++n) d_h[n] = d_final_state.empty() ? 0 : d_final_state[state_row + n];
      for (int64_t t = s.end(sequence) - 1; t >= begin; --t) {
        const int64_t i = (batch * z.length + t) * z.channels + d;
        const int64_t row = ((batch * z.length + t) * z.groups + g) * z.states;
        const double v = s.delta[i] + (s.delta_bias.empty() ? 0 : s.delta_bias[d]);
        const double x = s.softplus ? naive_softplus(v) : v;
        double d_y = d_out[i];
        if (!s.z.empty()) {
          const double sig = naive_sigmoid(s.z[i]);
          r.z[i] = d_out[i] * y[t - begin] * sig * (1 + s.z[i] * (1 - sig));
          d_y *= s.z[i] * sig;
        }
        double d_x = 0, d_u = s.skip.empty() ? 0 : s.skip[d] * d_y;
        r.skip[d] += d_y * s.u[i];
        for (int64_t n = 0; n < z.states; ++n) {
          const double before = h[(t - begin) * z.states + n];
          const double decay = std::exp(x * s.a[d * z.states + n]);
          r.c[row + n] += d_y * h[(t - begin + 1) * z.states + n];
          d_h[n] += d_y * s.c[row + n];
          r.b[row + n] += d_h[n] * x * s.u[i];
          d_u += d_h[n] * x * s.b[row + n];
          d_x += d_h[n] * (s.b[row + n] * s.u[i] + before * decay * s.a[d * z.states + n]);
          r.a[d * z.states + n] += d_h[n] * before * decay * x;
          d_h[n] *= decay;
        }
        const double d_v = s.softplus && v <= 20 ? d_x * naive_sigmoid(v) : d_x;
        r.u[i] = d_u;
        r.delta[i] = d_v;
        r.delta_bias[d] += d_v;
      }
      for (int64_t n = 0; n < z.states; ++n) r.initial_state[state_row + n] = d_h[n];
    }
  }
  return r;
}

}  // namespace djlmamba::test
