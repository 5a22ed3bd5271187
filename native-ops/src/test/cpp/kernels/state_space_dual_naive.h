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
#include <limits>

#include "selective_scan_naive.h"
#include "state_space_dual.h"

/** The state space dual as its recurrence reads, in double, over contiguous arrays; its gradients by the chain rule, token by token. */
namespace djlmamba::test {

struct NaiveDual {
  cpu::StateSpaceDualSizes sizes;
  /* Empty arrays are options that are off; skip has heads or heads times head_size elements. */
  Array x, delta, a, b, c, skip, z, delta_bias, initial_state;
  bool softplus = false;
  double delta_min = -std::numeric_limits<double>::infinity();
  double delta_max = std::numeric_limits<double>::infinity();
  std::vector<int64_t> offsets;

  bool skip_by_channel() const { return static_cast<int64_t>(skip.size()) == sizes.heads * sizes.head_size && sizes.head_size > 1; }
  int64_t offset(int64_t batch, int64_t i) const { return offsets.empty() ? i * sizes.length : offsets[batch * (sizes.sequences + 1) + i]; }
};

struct NaiveDualOutputs {
  Array out, final_state;
};

struct NaiveDualGradients {
  Array x, delta, a, b, c, skip, z, delta_bias, initial_state;
};

struct NaiveStep {
  double delta;       // delta'
  double derivative;  // of it by delta
};

inline NaiveStep naive_step(const NaiveDual& s, int64_t i, int64_t head) {
  const double v = s.delta[i] + (s.delta_bias.empty() ? 0 : s.delta_bias[head]);
  const double x = s.softplus ? naive_softplus(v) : v;
  const double slope = s.softplus && v <= 20 ? naive_sigmoid(v) : 1;
  return {std::min(std::max(x, s.delta_min), s.delta_max), x >= s.delta_min && x <= s.delta_max ? slope : 0};
}

inline double naive_skip(const NaiveDual& s, int64_t head, int64_t p) {
  return s.skip.empty() ? 0 : s.skip_by_channel() ? s.skip[head * s.sizes.head_size + p] : s.skip[head];
}

/** One head of one sequence; all_states, when given, receives the states before each token and after the last. y_out is of the sequence's tokens. */
inline void naive_dual_head(const NaiveDual& s, int64_t batch, int64_t sequence, int64_t head, NaiveDualOutputs& o, Array* y_out, Array* all_states) {
  const auto& z = s.sizes;
  const int64_t g = head / (z.heads / z.groups), elements = z.head_size * z.states;
  const int64_t state = ((batch * z.sequences + sequence) * z.heads + head) * elements;
  Array h(static_cast<size_t>(elements));
  for (int64_t e = 0; e < elements; ++e) h[e] = s.initial_state.empty() ? 0 : s.initial_state[state + e];
  if (all_states) *all_states = h;
  for (int64_t t = s.offset(batch, sequence); t < s.offset(batch, sequence + 1); ++t) {
    const int64_t i = (batch * z.length + t) * z.heads + head, row = ((batch * z.length + t) * z.groups + g) * z.states;
    const double delta = naive_step(s, i, head).delta, decay = std::exp(delta * s.a[head]);
    for (int64_t p = 0; p < z.head_size; ++p) {
      const double x = s.x[i * z.head_size + p];
      double y = naive_skip(s, head, p) * x;
      for (int64_t n = 0; n < z.states; ++n) {
        double& e = h[p * z.states + n];
        e = decay * e + delta * x * s.b[row + n];
        y += s.c[row + n] * e;
      }
      if (y_out) y_out->push_back(y);
      const int64_t at = i * z.head_size + p;
      o.out[at] = s.z.empty() ? y : y * s.z[at] * naive_sigmoid(s.z[at]);
    }
    if (all_states) all_states->insert(all_states->end(), h.begin(), h.end());
  }
  for (int64_t e = 0; e < elements; ++e) o.final_state[state + e] = h[e];
}

inline NaiveDualOutputs naive_dual_outputs(const cpu::StateSpaceDualSizes& z) {
  return {Array(z.batch * z.length * z.heads * z.head_size), Array(z.batch * z.sequences * z.heads * z.head_size * z.states)};
}

inline NaiveDualOutputs naive_dual(const NaiveDual& s) {
  const auto& z = s.sizes;
  NaiveDualOutputs o = naive_dual_outputs(z);
  for (int64_t batch = 0; batch < z.batch; ++batch) {
    for (int64_t sequence = 0; sequence < z.sequences; ++sequence) {
      for (int64_t head = 0; head < z.heads; ++head) naive_dual_head(s, batch, sequence, head, o, nullptr, nullptr);
    }
  }
  return o;
}

/** d_final_state may be empty. */
inline NaiveDualGradients naive_dual_backward(const NaiveDual& s, const Array& d_out, const Array& d_final_state) {
  const auto& z = s.sizes;
  NaiveDualOutputs o = naive_dual_outputs(z);
  NaiveDualGradients r;
  r.x.resize(s.x.size());
  r.delta.resize(s.delta.size());
  r.a.resize(s.a.size());
  r.b.resize(s.b.size());
  r.c.resize(s.c.size());
  r.skip.resize(s.skip.size());
  r.z.resize(s.z.size());
  r.delta_bias.resize(z.heads);
  r.initial_state.resize(o.final_state.size());
  const int64_t elements = z.head_size * z.states;
  for (int64_t batch = 0; batch < z.batch; ++batch) {
    for (int64_t sequence = 0; sequence < z.sequences; ++sequence) {
      for (int64_t head = 0; head < z.heads; ++head) {
        const int64_t g = head / (z.heads / z.groups), state = ((batch * z.sequences + sequence) * z.heads + head) * elements;
        Array y, h, d_h(static_cast<size_t>(elements));
        naive_dual_head(s, batch, sequence, head, o, &y, &h);
        for (int64_t e = 0; e < elements; ++e) d_h[e] = d_final_state.empty() ? 0 : d_final_state[state + e];
        const int64_t begin = s.offset(batch, sequence), end = s.offset(batch, sequence + 1);
        for (int64_t t = end - 1; t >= begin; --t) {
          const int64_t i = (batch * z.length + t) * z.heads + head, row = ((batch * z.length + t) * z.groups + g) * z.states;
          const NaiveStep step = naive_step(s, i, head);
          const double decay = std::exp(step.delta * s.a[head]);
          double d_delta = 0, d_decay = 0;
          for (int64_t p = 0; p < z.head_size; ++p) {
            const int64_t at = i * z.head_size + p;
            double d_y = d_out[at];
            if (!s.z.empty()) {
              const double open = naive_sigmoid(s.z[at]);
              r.z[at] = d_out[at] * y[(t - begin) * z.head_size + p] * open * (1 + s.z[at] * (1 - open));
              d_y *= s.z[at] * open;
            }
            if (!s.skip.empty()) r.skip[s.skip_by_channel() ? head * z.head_size + p : head] += d_y * s.x[at];
            double d_input = 0;
            for (int64_t n = 0; n < z.states; ++n) {
              const int64_t e = p * z.states + n;
              const double before = h[(t - begin) * elements + e];
              r.c[row + n] += d_y * h[(t - begin + 1) * elements + e];
              d_h[e] += d_y * s.c[row + n];
              r.b[row + n] += d_h[e] * step.delta * s.x[at];
              d_input += d_h[e] * s.b[row + n];
              d_decay += d_h[e] * before;
              d_h[e] *= decay;
            }
            r.x[at] = naive_skip(s, head, p) * d_y + step.delta * d_input;
            d_delta += s.x[at] * d_input;
          }
          d_delta += d_decay * decay * s.a[head];
          r.a[head] += d_decay * decay * step.delta;
          r.delta[i] = d_delta * step.derivative;
          r.delta_bias[head] += r.delta[i];
        }
        for (int64_t e = 0; e < elements; ++e) r.initial_state[state + e] = d_h[e];
      }
    }
  }
  return r;
}

}  // namespace djlmamba::test
