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

#include "views.h"

namespace djlmamba::cpu {

/*
 * The selective scan of Mamba (Gu and Dao 2023, section 3), in natural exponentials, for T = float or double:
 *
 *   delta'(t,d) = softplus(delta(t,d) + delta_bias(d)), or without the softplus (the softplus is the identity above 20)
 *   h(t,d,n)    = exp(delta'(t,d) A(d,n)) h(t-1,d,n) + delta'(t,d) B(t,g,n) u(t,d),   with g = d / (channels / groups)
 *   y(t,d)      = sum over n of C(t,g,n) h(t,d,n) + skip(d) u(t,d)
 *   out(t,d)    = y(t,d) silu(z(t,d)), or y without the gate z
 *
 * How to run it: ask plan() for the sizes, allocate what it names, run every block of [0, blocks) once, on any threads and in any
 * grouping into ranges, and only after all blocks of backward() have finished the blocks of backward_reduce(). Results are bitwise the same for
 * every grouping and number of threads. The functions are thread safe, may throw std::bad_alloc and nothing else, and check nothing:
 * sizes are >= 0, groups >= 1 divides channels, states >= 1, all required pointers are given.
 */

struct SelectiveScanSizes {
  int64_t batch = 0;
  int64_t length = 0;
  int64_t channels = 0;
  int64_t states = 0;
  int64_t groups = 1;
};

struct SelectiveScanPlan {
  /** Blocks of forward(), and how many of them are worth a thread of their own (a grain size). */
  int64_t forward_blocks = 0;
  int64_t forward_grain = 1;
  /** Elements of type T that forward() writes to `checkpoints` for a later backward(). Opaque: valid only in this process. */
  int64_t checkpoint_elements = 0;
  int64_t backward_blocks = 0;
  int64_t backward_grain = 1;
  int64_t backward_reduce_blocks = 0;
  int64_t backward_reduce_grain = 1;
  /** Elements of type T of the workspace that backward() and backward_reduce() share; need not be initialised. */
  int64_t backward_workspace_elements = 0;
};

template <typename T>
struct SelectiveScanInputs {
  SelectiveScanSizes sizes;
  SequenceView<const T> u;
  SequenceView<const T> delta;
  MatrixView<const T> a;                     // (channels, states)
  GroupedSequenceView<const T> b;
  GroupedSequenceView<const T> c;
  const T* skip = nullptr;                   // (channels), optional
  SequenceView<const T> z;                   // optional
  const T* delta_bias = nullptr;             // (channels), optional
  bool softplus = false;
  BatchedMatrixView<const T> initial_state;  // (batch, channels, states), optional: zeros
};

template <typename T>
struct SelectiveScanForward {
  SelectiveScanInputs<T> in;
  SequenceView<T> out;
  BatchedMatrixView<T> final_state;          // (batch, channels, states), optional; the initial state when length is 0
  T* checkpoints = nullptr;                  // checkpoint_elements, optional: only a backward() needs them
};

template <typename T>
struct SelectiveScanBackward {
  SelectiveScanInputs<T> in;
  SequenceView<const T> d_out;
  BatchedMatrixView<const T> d_final_state;  // optional: zeros
  const T* checkpoints = nullptr;            // as the forward() of the same inputs wrote them
  T* workspace = nullptr;
  /* The wanted gradients: any may be left null. */
  SequenceView<T> d_u;
  SequenceView<T> d_delta;
  MatrixView<T> d_a;
  GroupedSequenceView<T> d_b;
  GroupedSequenceView<T> d_c;
  T* d_skip = nullptr;                       // only with in.skip
  SequenceView<T> d_z;                       // only with in.z
  T* d_delta_bias = nullptr;                 // only with in.delta_bias
  BatchedMatrixView<T> d_initial_state;      // also without in.initial_state
};

template <typename T>
struct SelectiveScanKernels {
  SelectiveScanPlan (*plan)(const SelectiveScanSizes& sizes);
  void (*forward)(const SelectiveScanForward<T>& args, int64_t block_begin, int64_t block_end);
  void (*backward)(const SelectiveScanBackward<T>& args, int64_t block_begin, int64_t block_end);
  void (*backward_reduce)(const SelectiveScanBackward<T>& args, int64_t block_begin, int64_t block_end);
};

/** The kernels for the instruction set in use; float and double. */
template <typename T>
const SelectiveScanKernels<T>& selective_scan_kernels();

}  // namespace djlmamba::cpu
