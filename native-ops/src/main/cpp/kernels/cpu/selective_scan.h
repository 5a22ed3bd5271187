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
 * The selective scan of Mamba (Gu and Dao 2023, section 3), in natural exponentials. It computes in T, float or double; sequences are stored
 * in X, which is T or, for T = float, BFloat16:
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

template <typename T, typename X = T>
struct SelectiveScanInputs {
  SelectiveScanSizes sizes;
  PackedSequencesView packed;                // with S sequences a row the states are (batch S, ...)
  SequenceView<const X> u;
  SequenceView<const X> delta;
  MatrixView<const T> a;                     // (channels, states)
  GroupedSequenceView<const X> b;
  GroupedSequenceView<const X> c;
  const T* skip = nullptr;                   // (channels), optional
  SequenceView<const X> z;                   // optional
  const T* delta_bias = nullptr;             // (channels), optional
  bool softplus = false;
  BatchedMatrixView<const T> initial_state;  // (batch, channels, states), optional: zeros
};

template <typename T, typename X = T>
struct SelectiveScanForward {
  SelectiveScanInputs<T, X> in;
  SequenceView<X> out;
  BatchedMatrixView<T> final_state;          // (batch, channels, states), optional; of an empty sequence the initial state
  T* checkpoints = nullptr;                  // checkpoint_elements, optional: only a backward() needs them
};

template <typename T, typename X = T>
struct SelectiveScanBackward {
  SelectiveScanInputs<T, X> in;
  SequenceView<const X> d_out;
  BatchedMatrixView<const T> d_final_state;  // optional: zeros
  const T* checkpoints = nullptr;            // as the forward() of the same inputs wrote them
  T* workspace = nullptr;
  /* The wanted gradients: any may be left null. */
  SequenceView<X> d_u;
  SequenceView<X> d_delta;
  MatrixView<T> d_a;
  GroupedSequenceView<X> d_b;
  GroupedSequenceView<X> d_c;
  T* d_skip = nullptr;                       // only with in.skip
  SequenceView<X> d_z;                       // only with in.z
  T* d_delta_bias = nullptr;                 // only with in.delta_bias
  BatchedMatrixView<T> d_initial_state;      // also without in.initial_state
};

template <typename T, typename X = T>
struct SelectiveScanKernels {
  SelectiveScanPlan (*plan)(const SelectiveScanSizes& sizes);
  void (*forward)(const SelectiveScanForward<T, X>& args, int64_t block_begin, int64_t block_end);
  void (*backward)(const SelectiveScanBackward<T, X>& args, int64_t block_begin, int64_t block_end);
  void (*backward_reduce)(const SelectiveScanBackward<T, X>& args, int64_t block_begin, int64_t block_end);
};

/** The kernels for the instruction set in use; (float, float), (double, double) and (float, BFloat16). */
template <typename T, typename X = T>
const SelectiveScanKernels<T, X>& selective_scan_kernels();

}  // namespace djlmamba::cpu
