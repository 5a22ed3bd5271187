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
 * The causal depthwise convolution in front of a scan, over x preceded by initial_state (zeros if not given). It computes in T, float or
 * double; sequences are stored in X, which is T or, for T = float, BFloat16:
 *
 *   y(t,d)   = bias(d) + sum over k in [0, width) of weight(d,k) x(t - width + 1 + k, d)
 *   out(t,d) = silu(y(t,d)), or y without the activation
 *
 * final_state holds the last width - 1 rows of initial_state followed by x. To run it, see selective_scan.h: the contract is the same, with
 * width >= 1 and batch, length, channels >= 0.
 */

struct CausalConv1dSizes {
  int64_t batch = 0;
  int64_t length = 0;
  int64_t channels = 0;
  int64_t width = 1;
};

struct CausalConv1dPlan {
  int64_t forward_blocks = 0;
  int64_t forward_grain = 1;
  int64_t backward_blocks = 0;
  int64_t backward_grain = 1;
  int64_t backward_reduce_blocks = 0;
  int64_t backward_reduce_grain = 1;
  /** Elements of type T, need not be initialised. */
  int64_t backward_workspace_elements = 0;
};

template <typename T, typename X = T>
struct CausalConv1dInputs {
  CausalConv1dSizes sizes;
  PackedSequencesView packed;                // with S sequences a row the states are (batch S, ...)
  SequenceView<const X> x;
  MatrixView<const T> weight;                // (channels, width)
  const T* bias = nullptr;                   // (channels), optional
  bool silu = false;
  BatchedMatrixView<const T> initial_state;  // (batch, width - 1, channels), optional: zeros
};

template <typename T, typename X = T>
struct CausalConv1dForward {
  CausalConv1dInputs<T, X> in;
  SequenceView<X> out;
  BatchedMatrixView<T> final_state;          // (batch, width - 1, channels), optional
};

template <typename T, typename X = T>
struct CausalConv1dBackward {
  CausalConv1dInputs<T, X> in;
  SequenceView<const X> d_out;
  BatchedMatrixView<const T> d_final_state;  // optional: zeros
  T* workspace = nullptr;
  /* The wanted gradients: any may be left null. */
  SequenceView<X> d_x;
  MatrixView<T> d_weight;
  T* d_bias = nullptr;                       // only with in.bias
  BatchedMatrixView<T> d_initial_state;      // also without in.initial_state
};

template <typename T, typename X = T>
struct CausalConv1dKernels {
  CausalConv1dPlan (*plan)(const CausalConv1dSizes& sizes);
  void (*forward)(const CausalConv1dForward<T, X>& args, int64_t block_begin, int64_t block_end);
  void (*backward)(const CausalConv1dBackward<T, X>& args, int64_t block_begin, int64_t block_end);
  void (*backward_reduce)(const CausalConv1dBackward<T, X>& args, int64_t block_begin, int64_t block_end);
};

/** The kernels for the instruction set in use; (float, float), (double, double) and (float, BFloat16). */
template <typename T, typename X = T>
const CausalConv1dKernels<T, X>& causal_conv1d_kernels();

}  // namespace djlmamba::cpu
