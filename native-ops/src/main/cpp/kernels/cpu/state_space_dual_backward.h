/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

/* What the two forms of the backward pass of the state space dual share; compiled once per instruction set (see simd.h). */

#include "state_space_dual_chunk.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

/** Gradients of the parameters of the heads of a block, summed over a row of the batch. */
template <typename T>
struct HeadSums {
  T* d_skip;        // [head][channel]
  T* d_a;           // [head]
  T* d_delta_bias;  // [head]

  void take(Arena& arena, const HeadExtent& extent, int64_t heads) {
    d_skip = arena.take<T>(heads * extent.padded_channels);
    d_a = arena.take<T>(heads);
    d_delta_bias = arena.take<T>(heads);
  }

  HeadSums from(const HeadExtent& extent, int64_t head) const {
    return {d_skip + head * extent.padded_channels, d_a + head, d_delta_bias + head};
  }

  void clear(const HeadExtent& extent, int64_t heads) const {
    memset(d_skip, 0, static_cast<size_t>(heads * extent.padded_channels) * sizeof(T));
    memset(d_a, 0, static_cast<size_t>(heads) * sizeof(T));
    memset(d_delta_bias, 0, static_cast<size_t>(heads) * sizeof(T));
  }
};

/** Where a block's partial gradients of B and C are: [token of the row][state]. */
template <typename T>
struct PartialRows {
  T* d_b;
  T* d_c;

  PartialRows after(int64_t elements) const { return {d_b + elements, d_c + elements}; }
};

/** The gradient of y of one token from that of the output: d_out, gated. Whole vectors of scratch, zeros beyond the channels. */
template <typename T, typename X>
DJLMAMBA_INLINE void pack_d_y(const X* d_out, const X* z, int64_t channels, T* d_y, int64_t padded) {
  constexpr int kLanes = Simd<T>::kLanes;
  pack_row<T>(d_out, channels, d_y, padded);
  if (z == nullptr) return;
  for (int64_t p = 0; p < channels; p += kLanes) {
    const Vec<T> gate = load_first(z + p, channels - p < kLanes ? static_cast<int>(channels - p) : kLanes);
    store<T>(d_y + p, load(d_y + p) * (gate * sigmoid<T>(gate)));
  }
}

/** The gradient of z, where out = y silu(z). */
template <typename T>
DJLMAMBA_INLINE Vec<T> gate_gradient(Vec<T> d_out, Vec<T> y, Vec<T> z) {
  const Vec<T> open = sigmoid<T>(z);
  return d_out * y * open * fmadd(z, T(1) - open, set1(T(1)));
}

/** The gradient of delta from that of delta', added up for that of delta_bias, and written where it is wanted. */
template <typename T, typename X>
static void write_d_deltas(const T* d_delta, const T* derivative, int64_t tokens, X* to, int64_t stride, T* bias_sum) {
  constexpr int kLanes = Simd<T>::kLanes;
  for (int64_t t = 0; t < tokens; t += kLanes) {
    const int64_t count = tokens - t < kLanes ? tokens - t : kLanes;
    const Vec<T> gradient = load(d_delta + t) * load(derivative + t);
    for (int64_t i = 0; i < count; ++i) *bias_sum += gradient[i];
    if (to == nullptr) continue;
    X scattered[kLanes];
    store_unaligned<X>(scattered, gradient);
    for (int64_t i = 0; i < count; ++i) to[(t + i) * stride] = scattered[i];
  }
}

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
