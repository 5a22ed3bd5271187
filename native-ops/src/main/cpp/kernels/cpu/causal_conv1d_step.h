/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include "bfloat16.h"
#include "views.h"

namespace djlmamba::cpu {

/*
 * One step of the causal convolution (causal_conv1d.h) for each of `rows` rows, in place on a state, which moves on by one row, or to another one: row r
 * has the state of slot slots[r], or of slot r without slots. Slot -1 is padding: the row's output is zero and no state is touched. To run it, see
 * selective_scan.h: the contract is the same, but `state` may be `before`; slots are -1 or those of the states, no slot twice.
 */

struct CausalConv1dStepSizes {
  int64_t rows = 0;
  int64_t channels = 0;
  int64_t width = 1;
};

struct CausalConv1dStepPlan {
  int64_t blocks = 0;
  int64_t grain = 1;
};

template <typename T, typename X = T>
struct CausalConv1dStep {
  CausalConv1dStepSizes sizes;
  MatrixView<const X> x;              // (rows, channels)
  MatrixView<const T> weight;         // (channels, width)
  const T* bias = nullptr;            // (channels), optional
  bool silu = false;
  const int64_t* slots = nullptr;     // (rows), optional
  BatchedMatrixView<const T> before;  // (slots, width - 1, channels)
  BatchedMatrixView<T> state;         // the same, after the step
  MatrixView<X> out;                  // (rows, channels)
};

template <typename T, typename X = T>
struct CausalConv1dStepKernels {
  CausalConv1dStepPlan (*plan)(const CausalConv1dStepSizes& sizes);
  void (*step)(const CausalConv1dStep<T, X>& args, int64_t block_begin, int64_t block_end);
};

/** The kernels for the instruction set in use; (float, float), (double, double) and (float, BFloat16). */
template <typename T, typename X = T>
const CausalConv1dStepKernels<T, X>& causal_conv1d_step_kernels();

/** A block is a chunk of so many channels of one row. Blocks of the same channels follow each other, so that their weights are laid out once. */
constexpr int64_t kConvStepChannels = 512;

}  // namespace djlmamba::cpu
