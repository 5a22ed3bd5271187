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
 * The product with a SiLU gate of a gated feed-forward layer (Shazeer 2020), out = silu(gate) x. T is float or double, what is computed in; X stores the
 * arrays: T, or BFloat16 with T = float. To run it, see selective_scan.h: the contract is the same; nothing is reduced.
 */

struct GatedProductSizes {
  int64_t batch = 0;
  int64_t length = 0;
  int64_t channels = 0;
};

/** Blocks of either pass, and how many of them are worth a thread of their own. */
struct GatedProductPlan {
  int64_t blocks = 0;
  int64_t grain = 1;
};

template <typename X>
struct GatedProductInputs {
  GatedProductSizes sizes;
  SequenceView<const X> gate;
  SequenceView<const X> x;
};

template <typename X>
struct GatedProductForward {
  GatedProductInputs<X> in;
  SequenceView<X> out;
};

template <typename X>
struct GatedProductBackward {
  GatedProductInputs<X> in;
  SequenceView<const X> d_out;
  /* The wanted gradients: either may be left null. */
  SequenceView<X> d_gate;
  SequenceView<X> d_x;
};

template <typename T, typename X>
struct GatedProductKernels {
  GatedProductPlan (*plan)(const GatedProductSizes& sizes);
  void (*forward)(const GatedProductForward<X>& args, int64_t block_begin, int64_t block_end);
  void (*backward)(const GatedProductBackward<X>& args, int64_t block_begin, int64_t block_end);
};

/** The kernels for the instruction set in use, for <double, double>, <float, float> and <float, BFloat16>. */
template <typename T, typename X>
const GatedProductKernels<T, X>& gated_product_kernels();

}  // namespace djlmamba::cpu
