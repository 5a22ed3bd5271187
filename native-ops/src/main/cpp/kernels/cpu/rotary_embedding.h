/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include <cstdint>

#include "bfloat16.h"
#include "views.h"

namespace djlmamba::cpu {

/*
 * The rotary embedding (Su et al. 2021) of the first `rotated` of head_size channels; the others are copied. T is float or double, what is computed in; X
 * stores the arrays: T, or BFloat16 with T = float.
 *
 *   (a, b) of pair i at token t becomes (a cos w - b sin w, b cos w + a sin w),   w = (position + t) base^(-2 i / rotated)
 *
 * Pair i is channels i and i + rotated / 2, or 2 i and 2 i + 1 where pairs are interleaved. The inverse turns by -w, and is the gradient. Cosines depend on
 * position + t alone, to the last bit. To run it, see selective_scan.h: the contract is the same; `rotated` is even, and position >= 0.
 */

struct RotaryEmbeddingSizes {
  int64_t batch = 0;
  int64_t length = 0;
  int64_t heads = 0;
  int64_t head_size = 0;
  int64_t rotated = 0;
  int64_t position = 0;
};

struct RotaryEmbeddingPlan {
  int64_t blocks = 0;
  int64_t grain = 1;
};

template <typename X>
struct RotaryEmbeddingArguments {
  RotaryEmbeddingSizes sizes;
  double base = 10000;
  bool interleaved = false;
  bool inverse = false;
  GroupedSequenceView<const X> x;  // (batch, length, heads, head_size)
  GroupedSequenceView<X> out;
};

template <typename T, typename X>
struct RotaryEmbeddingKernels {
  RotaryEmbeddingPlan (*plan)(const RotaryEmbeddingSizes& sizes);
  void (*run)(const RotaryEmbeddingArguments<X>& args, int64_t block_begin, int64_t block_end);
};

/** The kernels for the instruction set in use, for <double, double>, <float, float> and <float, BFloat16>. */
template <typename T, typename X>
const RotaryEmbeddingKernels<T, X>& rotary_embedding_kernels();

/** Positions whose cosines come from one exact angle each, those from one multiple of this to the next. A block is that of one batch, in that order. */
constexpr int64_t kRotaryPositions = 16;

}  // namespace djlmamba::cpu
