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
 * One step of the selective scan (selective_scan.h) for each of `rows` rows, in place on a state or to another one: row r reads and writes the state of
 * slot slots[r], or of slot r without slots. Slot -1 is padding: the row's output is zero and no state is touched. To run it, see selective_scan.h: the
 * contract is the same, but `state` may be `before`; slots are -1 or those of the states, no slot twice.
 */

struct SelectiveScanStepSizes {
  int64_t rows = 0;
  int64_t channels = 0;
  int64_t states = 1;
  int64_t groups = 1;
};

struct SelectiveScanStepPlan {
  int64_t blocks = 0;
  int64_t grain = 1;
};

template <typename T, typename X = T>
struct SelectiveScanStep {
  SelectiveScanStepSizes sizes;
  MatrixView<const X> u;              // (rows, channels)
  MatrixView<const X> delta;          // (rows, channels)
  MatrixView<const T> a;              // (channels, states)
  bool a_as_log = false;              // whether `a` holds log(-A)
  BatchedMatrixView<const X> b;       // (rows, groups, states)
  BatchedMatrixView<const X> c;       // (rows, groups, states)
  const T* skip = nullptr;            // (channels), optional
  MatrixView<const X> z;              // (rows, channels), optional
  const T* delta_bias = nullptr;      // (channels), optional
  bool softplus = false;
  const int64_t* slots = nullptr;     // (rows), optional
  BatchedMatrixView<const T> before;  // (slots, channels, states)
  BatchedMatrixView<T> state;         // the same, after the step
  MatrixView<X> out;                  // (rows, channels)
};

template <typename T, typename X = T>
struct SelectiveScanStepKernels {
  SelectiveScanStepPlan (*plan)(const SelectiveScanStepSizes& sizes);
  void (*step)(const SelectiveScanStep<T, X>& args, int64_t block_begin, int64_t block_end);
};

/** The kernels for the instruction set in use; (float, float), (double, double) and (float, BFloat16). */
template <typename T, typename X = T>
const SelectiveScanStepKernels<T, X>& selective_scan_step_kernels();

/** A block is a chunk of one group's channels of one row. Blocks of the same channels follow each other, so that A stays in the first-level cache. */
struct SelectiveScanStepGeometry {
  int64_t channels_per_group;
  int64_t chunk;
  int64_t chunks_per_group;
};

SelectiveScanStepGeometry selective_scan_step_geometry(const SelectiveScanStepSizes& sizes);

}  // namespace djlmamba::cpu
