/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

/* The steps of one head and their decays in the state space dual; compiled once per instruction set (see simd.h). */

#include "arena.h"
#include "simd_math.h"
#include "state_space_dual.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

/** What makes delta' of the delta of one head. */
template <typename T>
struct DeltaTransform {
  T bias;
  bool softplus;
  T low;
  T high;

  /** delta' of a vector of deltas and, if kDerivative, its derivative. */
  template <bool kDerivative>
  DJLMAMBA_ALWAYS_INLINE Vec<T> apply(Vec<T> delta, Vec<T>* derivative) const {
    using Int = typename Simd<T>::I;
    Vec<T> x = delta + bias, slope = set1(T(1));
    if (softplus) djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE::softplus<1, kDerivative>(&x, &x, &slope);
    if constexpr (kDerivative) *derivative = (Vec<T>)((Int)slope & (x >= low) & (x <= high));
    return min(set1(high), max(set1(low), x));
  }
};

template <typename Args>
DJLMAMBA_INLINE auto delta_transform(const Args& in, int64_t head) {
  using T = decltype(Args::delta_min);
  return DeltaTransform<T>{in.delta_bias == nullptr ? T(0) : in.delta_bias[head], in.softplus, in.delta_min, in.delta_max};
}

/** delta' of `tokens` tokens of one head that lie `stride` apart, and zeros up to `padded`; with kDerivative also its derivative by delta. */
template <typename T, bool kDerivative, typename X>
static void read_deltas(const X* from, int64_t stride, const DeltaTransform<T>& transform, int64_t tokens, int64_t padded, T* delta, T* derivative) {
  constexpr int kLanes = Simd<T>::kLanes;
  for (int64_t t = 0; t < padded; t += kLanes) {
    const int64_t count = tokens - t < kLanes ? tokens - t : kLanes;
    X gathered[kLanes] = {};
    for (int64_t i = 0; i < count; ++i) gathered[i] = from[(t + i) * stride];
    Vec<T> slope = {};
    const Vec<T> value = transform.template apply<kDerivative>(load_unaligned<X>(gathered), &slope);
    store<T>(delta + t, value);
    if constexpr (kDerivative) store<T>(derivative + t, slope);
  }
  for (int64_t t = tokens; t < padded; ++t) delta[t] = T(0);
}

constexpr int64_t kDecayBlock = 16;

/*
 * Decays of one head over one chunk. With a(t) = delta'(t) A, the decay from token j to token i is exp(a(j+1) + ... + a(i)). It is put together from sums
 * inside blocks of 16 tokens and sums of whole blocks, each added up directly: a difference of cumulative sums would lose what follows a large step. All
 * factors are at most 1 where A is negative, and for growth no factor is larger than the whole. Every factor depends on tokens between j and i alone.
 */
template <typename T>
struct Decays {
  T* delta;         // [token]
  T* a;             // [token]: delta' A log2(e)
  T* from_block;    // [token]: from before the token's block to the token
  T* to_block;      // [token]: from the token to the end of its block
  T* from_start;    // [token]: from before the chunk to the token
  T* to_end;        // [token]: from the token to the end of the chunk
  T* to_block_delta;  // to_block delta'
  T* to_end_delta;  // to_end delta'
  T* between;       // [later block][earlier block]: over the blocks between the two
  T* totals;        // [block]
  T* sums;          // [3 blocks]
  T whole;          // over the whole chunk
  int64_t blocks;

  void take(Arena& arena, int64_t chunk) {
    T** const arrays[] = {&delta, &a, &from_block, &to_block, &from_start, &to_end, &to_block_delta, &to_end_delta};
    for (T** array : arrays) *array = arena.take<T>(chunk);
    between = arena.take<T>(kDecayBlock * kDecayBlock);
    totals = arena.take<T>(kDecayBlock);
    sums = arena.take<T>(3 * kDecayBlock);
  }

  /** From delta, which is filled up with zeros to `padded` tokens. */
  void compute(T a_log2, int64_t padded) {
    constexpr int kLanes = Simd<T>::kLanes;
    blocks = padded / kDecayBlock;
    for (int64_t t = 0; t < padded; t += kLanes) store<T>(a + t, a_log2 * load(delta + t));
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t first = b * kDecayBlock;
      T before = 0, after = 0;
      for (int64_t k = 0; k < kDecayBlock; ++k) {
        before += a[first + k];
        from_block[first + k] = before;
        to_block[first + kDecayBlock - 1 - k] = after;
        after += a[first + kDecayBlock - 1 - k];
      }
      totals[b] = before;
    }
    T* const before_block = sums;
    T* const after_block = sums + kDecayBlock;
    T sum = 0;
    for (int64_t b = 0; b < kDecayBlock; ++b) {
      before_block[b] = sum;
      if (b < blocks) sum += totals[b];
    }
    sums[2 * kDecayBlock] = sum;
    sum = 0;
    for (int64_t b = kDecayBlock - 1; b >= 0; --b) {
      after_block[b] = sum;
      if (b < blocks) sum += totals[b];
    }
    for (int64_t b = 0; b < 2 * kDecayBlock + kLanes; b += kLanes) store<T>(sums + b, exp2(load(sums + b)));
    whole = sums[2 * kDecayBlock];
    for (int64_t later = 1; later < blocks; ++later) {
      T* row = between + later * kDecayBlock;
      sum = 0;
      for (int64_t b = later - 1; b >= 0; --b) {
        row[b] = sum;
        sum += totals[b];
      }
      for (int64_t b = 0; b < later; b += kLanes) store<T>(row + b, exp2(load(row + b)));
    }
    for (int64_t t = 0; t < padded; t += kLanes) {
      const Vec<T> step = load(delta + t), from = exp2(load(from_block + t)), to = exp2(load(to_block + t));
      const Vec<T> end = after_block[t / kDecayBlock] * to;
      store<T>(from_block + t, from);
      store<T>(to_block + t, to);
      store<T>(from_start + t, before_block[t / kDecayBlock] * from);
      store<T>(to_end + t, end);
      store<T>(to_block_delta + t, to * step);
      store<T>(to_end_delta + t, end * step);
    }
  }
};

/** The vectors of a block of 16 tokens. */
template <typename T>
constexpr int kBlockVectors = static_cast<int>(kDecayBlock) / Simd<T>::kLanes;

/** 0, 1, ... 15 as integers of the size of T. */
template <typename T>
DJLMAMBA_INLINE void block_indices(typename Simd<T>::I (&index)[kBlockVectors<T>]) {
  for (int v = 0; v < kBlockVectors<T>; ++v) {
    for (int lane = 0; lane < Simd<T>::kLanes; ++lane) index[v][lane] = v * Simd<T>::kLanes + lane;
  }
}

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
