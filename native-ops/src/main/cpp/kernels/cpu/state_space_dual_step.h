/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include "state_space_dual.h"

namespace djlmamba::cpu {

/*
 * One token of the state space dual (state_space_dual.h) for each of `rows` rows, in place on a state: row r reads and writes the state of slot slots[r],
 * or of slot r without slots. Slot -1 is padding: the row's output is zero and no state is touched. To run it, see selective_scan.h: the contract is the
 * same; slots are -1 or those of `state`, no slot twice.
 */

struct StateSpaceDualStepSizes {
  int64_t rows = 0;
  int64_t heads = 0;
  int64_t head_size = 1;
  int64_t states = 1;
  int64_t groups = 1;
};

struct StateSpaceDualStepPlan {
  int64_t blocks = 0;
  int64_t grain = 1;
};

/** Views of (rows, heads, head_size) and (rows, groups, states) arrays: of rows is batch_stride, of heads or groups row_stride. */
template <typename T, typename X>
struct StateSpaceDualStep {
  StateSpaceDualStepSizes sizes;
  BatchedMatrixView<const X> x;
  MatrixView<const X> delta;                 // (rows, heads)
  const T* a = nullptr;                      // (heads)
  BatchedMatrixView<const X> b;
  BatchedMatrixView<const X> c;
  MatrixView<const T> skip;                  // optional: (heads, head_size), or (heads, 1) unless skip_by_channel
  bool skip_by_channel = false;
  BatchedMatrixView<const X> z;              // optional
  const T* delta_bias = nullptr;             // (heads), optional
  bool softplus = false;
  T delta_min = -std::numeric_limits<T>::infinity();
  T delta_max = std::numeric_limits<T>::infinity();
  const int64_t* slots = nullptr;            // (rows), optional
  HeadStatesView<T> state;                   // (slots, heads, head_size, states): of slots is batch_stride
  BatchedMatrixView<X> out;
};

template <typename T, typename X>
struct StateSpaceDualStepKernels {
  StateSpaceDualStepPlan (*plan)(const StateSpaceDualStepSizes& sizes);
  void (*step)(const StateSpaceDualStep<T, X>& args, int64_t block_begin, int64_t block_end);
};

/** The kernels for the instruction set in use. */
template <typename T, typename X>
const StateSpaceDualStepKernels<T, X>& state_space_dual_step_kernels();

}  // namespace djlmamba::cpu
