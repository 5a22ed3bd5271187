/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

/* The weights of the causal convolution as its kernels read them; compiled once per instruction set (see simd.h). */

#include "arena.h"
#include "views.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

/** For every second element of two vectors: the even ones, or the odd ones. */
template <typename Int, int kLanes, int kOdd>
struct EverySecondIndex {
  alignas(DJLMAMBA_VECTOR_BYTES) Int index[kLanes] = {};
  constexpr EverySecondIndex() {
    for (int j = 0; j < kLanes; ++j) index[j] = 2 * j + kOdd;
  }
};

template <typename T, int kOdd>
DJLMAMBA_INLINE Vec<T> every_second(Vec<T> a, Vec<T> b) {
  using Int = typename Simd<T>::I;
  static constexpr EverySecondIndex<decltype(Int{}[0] + Int{}[0]), Simd<T>::kLanes, kOdd> kIndex;
  return __builtin_shuffle(a, b, *reinterpret_cast<const Int*>(kIndex.index));
}

/** Weights and biases of some channels in scratch, zeros beyond them. */
template <typename T>
struct Taps {
  int64_t row;  // elements of a row: the channels, padded to whole vectors
  T* weight;    // [width][row]
  T* bias;      // [row]

  void take(Arena& arena, int64_t width, int64_t channels) {
    constexpr int kLanes = Simd<T>::kLanes;
    row = (channels + kLanes - 1) / kLanes * kLanes;
    weight = arena.take<T>(width * row);
    bias = arena.take<T>(row);
  }

  /** Channels [first, first + count) of weight (channels, width) and, unless it is null, bias. */
  void load(const MatrixView<const T>& from_weight, const T* from_bias, int64_t width, int64_t first, int64_t count) const {
    constexpr int kLanes = Simd<T>::kLanes;
    memset(bias, 0, static_cast<size_t>(row) * sizeof(T));
    if (from_bias != nullptr) memcpy(bias, from_bias + first, static_cast<size_t>(count) * sizeof(T));
    const T* from = from_weight.data + first * from_weight.row_stride;
    int64_t d = 0;
    if (width == 4 && from_weight.row_stride == 4) {
      for (; d + kLanes <= count; d += kLanes) {
        const T* p = from + 4 * d;
        const Vec<T> v[] = {load_unaligned(p), load_unaligned(p + kLanes), load_unaligned(p + 2 * kLanes), load_unaligned(p + 3 * kLanes)};
        const Vec<T> even[] = {every_second<T, 0>(v[0], v[1]), every_second<T, 0>(v[2], v[3])};
        const Vec<T> odd[] = {every_second<T, 1>(v[0], v[1]), every_second<T, 1>(v[2], v[3])};
        store<T>(weight + d, every_second<T, 0>(even[0], even[1]));
        store<T>(weight + row + d, every_second<T, 0>(odd[0], odd[1]));
        store<T>(weight + 2 * row + d, every_second<T, 1>(even[0], even[1]));
        store<T>(weight + 3 * row + d, every_second<T, 1>(odd[0], odd[1]));
      }
    }
    for (int64_t k = 0; k < width; ++k) {
      for (int64_t i = d; i < count; ++i) weight[k * row + i] = from[i * from_weight.row_stride + k];
      if (count < row) memset(weight + k * row + count, 0, static_cast<size_t>(row - count) * sizeof(T));
    }
  }
};

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
