/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include <vector>

#include "causal_conv1d.h"
#include "selective_scan_naive.h"

/** The causal convolution as its formula reads, and its gradients, sequence by sequence. */
namespace djlmamba::test {

/** The convolution as its formula reads, in double, over contiguous arrays; empty arrays are options that are off. */
struct NaiveConv {
  cpu::CausalConv1dSizes sizes;
  Array x, weight, bias, initial_state;
  bool silu = false;
  int64_t sequences = 1;
  std::vector<int64_t> offsets;  // empty: a row is one sequence

  int64_t begin(int64_t sequence) const { return offsets.empty() ? 0 : offsets[sequence + sequence / sequences]; }
  int64_t end(int64_t sequence) const { return offsets.empty() ? sizes.length : offsets[sequence + sequence / sequences + 1]; }

  /** Step t, counted along its row, of a sequence numbered over all batches; or one before its first. */
  double& at(Array& values, Array& state, int64_t sequence, int64_t t, int64_t d) const {
    const int64_t row = sequence / sequences * sizes.length + t;
    return t >= begin(sequence) ? values[row * sizes.channels + d]
                                : state[(sequence * (sizes.width - 1) + t - begin(sequence) + sizes.width - 1) * sizes.channels + d];
  }

  double input(int64_t sequence, int64_t t, int64_t d) const {
    if (t < begin(sequence) && initial_state.empty()) return 0;
    return at(const_cast<Array&>(x), const_cast<Array&>(initial_state), sequence, t, d);
  }

  double before_activation(int64_t sequence, int64_t t, int64_t d) const {
    double y = bias.empty() ? 0 : bias[d];
    for (int64_t k = 0; k < sizes.width; ++k) y += weight[d * sizes.width + k] * input(sequence, t - sizes.width + 1 + k, d);
    return y;
  }
};

struct ConvResults {
  Array out, final_state, d_x, d_weight, d_bias, d_initial_state;
};

inline ConvResults naive_forward(const NaiveConv& c) {
  const auto& s = c.sizes;
  ConvResults r;
  for (int64_t q = 0; q < s.batch * c.sequences; ++q) {
    for (int64_t t = c.begin(q); t < c.end(q); ++t) {
      for (int64_t d = 0; d < s.channels; ++d) {
        const double y = c.before_activation(q, t, d);
        r.out.push_back(c.silu ? y * naive_sigmoid(y) : y);
      }
    }
    for (int64_t j = 0; j < s.width - 1; ++j) {
      for (int64_t d = 0; d < s.channels; ++d) r.final_state.push_back(c.input(q, c.end(q) - s.width + 1 + j, d));
    }
  }
  return r;
}

inline void naive_backward(const NaiveConv& c, const Array& d_out, const Array& d_final, ConvResults& r) {
  const auto& s = c.sizes;
  r.d_x.assign(c.x.size(), 0);
  r.d_weight.assign(c.weight.size(), 0);
  r.d_bias.assign(s.channels, 0);
  r.d_initial_state.assign(s.batch * c.sequences * (s.width - 1) * s.channels, 0);
  for (int64_t q = 0; q < s.batch * c.sequences; ++q) {
    for (int64_t d = 0; d < s.channels; ++d) {
      for (int64_t j = 0; j < s.width - 1 && !d_final.empty(); ++j) {
        c.at(r.d_x, r.d_initial_state, q, c.end(q) - s.width + 1 + j, d) += d_final[(q * (s.width - 1) + j) * s.channels + d];
      }
      for (int64_t t = c.begin(q); t < c.end(q); ++t) {
        double g = d_out[(q / c.sequences * s.length + t) * s.channels + d];
        if (c.silu) {
          const double y = c.before_activation(q, t, d), sig = naive_sigmoid(y);
          g *= sig * (1 + y * (1 - sig));
        }
        r.d_bias[d] += g;
        for (int64_t k = 0; k < s.width; ++k) {
          const int64_t from = t - s.width + 1 + k;
          r.d_weight[d * s.width + k] += g * c.input(q, from, d);
          c.at(r.d_x, r.d_initial_state, q, from, d) += g * c.weight[d * s.width + k];
        }
      }
    }
  }
}

}  // namespace djlmamba::test
