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
#include <limits>

#include "bfloat16.h"
#include "views.h"

namespace djlmamba::cpu {

/*
 * The state space dual of Mamba-2 (Dao and Gu 2024, sections 6 and 7), in natural exponentials. Activations are of type X, parameters and states of type T,
 * in which everything is computed; <T, X> is <float, float>, <double, double> or <float, BFloat16>.
 *
 *   delta'(t,h) = clamp(softplus(delta(t,h) + delta_bias(h)), delta_min, delta_max), or without the softplus (the softplus is the identity above 20)
 *   S(t,h)      = exp(delta'(t,h) A(h)) S(t-1,h) + delta'(t,h) x(t,h) B(t,g)^T, a (head_size, states) matrix, with g = h / (heads / groups)
 *   y(t,h)      = S(t,h) C(t,g) + skip(h) x(t,h)
 *   out(t,h)    = y(t,h) silu(z(t,h)), or y without the gate z
 *
 * Each packed sequence starts from its own initial state and leaves its own final state; an empty one hands its initial state on, and its gradient back.
 * The gradient of the clamp passes where delta_min <= value <= delta_max.
 *
 * To run it, see selective_scan.h: the contract is the same, with two conditions more: head_size >= 1, and offsets as PackedSequencesView tells.
 * Nothing is kept from forward() to backward() but the inputs. A later token never changes an earlier output, not in one bit.
 */

struct StateSpaceDualSizes {
  int64_t batch = 0;
  int64_t length = 0;
  int64_t heads = 0;
  int64_t head_size = 1;
  int64_t states = 1;
  int64_t groups = 1;
  /** Sequences packed into each row, as in `packed`; 1 without. */
  int64_t sequences = 1;
  /** Tokens worked on together by matrix products: 0 to choose by the sizes, 1 for the recurrence token by token, else rounded up to a multiple of 16, at most 256. */
  int64_t chunk = 0;
};

struct StateSpaceDualPlan {
  int64_t forward_blocks = 0;
  int64_t forward_grain = 1;
  int64_t backward_blocks = 0;
  int64_t backward_grain = 1;
  int64_t backward_reduce_blocks = 0;
  int64_t backward_reduce_grain = 1;
  /** Elements of type T of the workspace that backward() and backward_reduce() share; need not be initialised. */
  int64_t backward_workspace_elements = 0;
};

/** States (batch, sequences, heads, head_size, states) of packed sequences, or (batch, heads, head_size, states): one sequence, whose stride is not used. */
template <typename T>
struct HeadStatesView {
  T* data = nullptr;
  int64_t batch_stride = 0;
  int64_t sequence_stride = 0;
  int64_t head_stride = 0;
  int64_t row_stride = 0;
};

template <typename T, typename X>
struct StateSpaceDualInputs {
  StateSpaceDualSizes sizes;
  PackedSequencesView packed;
  GroupedSequenceView<const X> x;            // (batch, length, heads, head_size); the group is a head
  SequenceView<const X> delta;               // (batch, length, heads)
  const T* a = nullptr;                      // (heads)
  GroupedSequenceView<const X> b;            // (batch, length, groups, states)
  GroupedSequenceView<const X> c;
  MatrixView<const T> skip;                  // optional: (heads, head_size), or (heads, 1) unless skip_by_channel
  bool skip_by_channel = false;
  GroupedSequenceView<const X> z;            // (batch, length, heads, head_size), optional
  const T* delta_bias = nullptr;             // (heads), optional
  bool softplus = false;
  T delta_min = -std::numeric_limits<T>::infinity();
  T delta_max = std::numeric_limits<T>::infinity();
  HeadStatesView<const T> initial_state;     // optional: zeros
};

template <typename T, typename X>
struct StateSpaceDualForward {
  StateSpaceDualInputs<T, X> in;
  GroupedSequenceView<X> out;
  HeadStatesView<T> final_state;             // optional
};

template <typename T, typename X>
struct StateSpaceDualBackward {
  StateSpaceDualInputs<T, X> in;
  GroupedSequenceView<const X> d_out;
  HeadStatesView<const T> d_final_state;     // optional: zeros
  T* workspace = nullptr;
  /* The wanted gradients: any may be left null. */
  GroupedSequenceView<X> d_x;
  SequenceView<X> d_delta;
  T* d_a = nullptr;
  GroupedSequenceView<X> d_b;
  GroupedSequenceView<X> d_c;
  MatrixView<T> d_skip;                      // only with in.skip, and of its shape
  GroupedSequenceView<X> d_z;                // only with in.z
  T* d_delta_bias = nullptr;                 // only with in.delta_bias
  HeadStatesView<T> d_initial_state;         // also without in.initial_state
};

template <typename T, typename X>
struct StateSpaceDualKernels {
  StateSpaceDualPlan (*plan)(const StateSpaceDualSizes& sizes);
  void (*forward)(const StateSpaceDualForward<T, X>& args, int64_t block_begin, int64_t block_end);
  void (*backward)(const StateSpaceDualBackward<T, X>& args, int64_t block_begin, int64_t block_end);
  void (*backward_reduce)(const StateSpaceDualBackward<T, X>& args, int64_t block_begin, int64_t block_end);
};

/** The kernels for the instruction set in use. */
template <typename T, typename X>
const StateSpaceDualKernels<T, X>& state_space_dual_kernels();

}  // namespace djlmamba::cpu
