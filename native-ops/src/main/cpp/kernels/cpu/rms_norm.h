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
 * RMS norm over groups of channels (Zhang and Sennrich 2019), with a gate (Dao and Gu 2024) and the addition of a residual. T is float or double, what is
 * computed in; X stores x and the gate, and O the output: T, or BFloat16 with T = float.
 *
 *   h(t,d)   = residual(t,d) + x(t,d), or x without a residual                           (returned as `sum`)
 *   u(t,d)   = h(t,d) silu(gate(t,d)) where the gate comes first, else h
 *   n(t,d)   = u(t,d) / sqrt(mean over d's group of u(t,.)^2 + epsilon)
 *   out(t,d) = weight(d) n(t,d), times silu(gate(t,d)) where the gate comes last
 *
 * To run it, see selective_scan.h: the contract is the same. groups >= 1 divides channels.
 */

enum class RmsNormGate { kNone, kFirst, kLast };

struct RmsNormSizes {
  int64_t batch = 0;
  int64_t length = 0;
  int64_t channels = 0;
  int64_t groups = 1;
};

struct RmsNormPlan {
  int64_t forward_blocks = 0;
  int64_t forward_grain = 1;
  int64_t backward_blocks = 0;
  int64_t backward_grain = 1;
  int64_t backward_reduce_blocks = 0;
  int64_t backward_reduce_grain = 1;
  /** Elements of type T, need not be initialised; none are needed where the gradient of the weight is not wanted. */
  int64_t backward_workspace_elements = 0;
};

template <typename T, typename X>
struct RmsNormInputs {
  RmsNormSizes sizes;
  SequenceView<const X> x;         // optional with a residual
  SequenceView<const T> residual;  // optional
  RmsNormGate order = RmsNormGate::kNone;
  SequenceView<const X> gate;      // with every order but kNone
  const T* weight = nullptr;       // (channels), optional: ones
  T epsilon = 0;
};

template <typename T, typename X, typename O>
struct RmsNormForward {
  RmsNormInputs<T, X> in;
  SequenceView<O> out;
  SequenceView<T> sum;             // optional
};

/** A backward pass may be given `sum` as the residual, and no x. */
template <typename T, typename X, typename O>
struct RmsNormBackward {
  RmsNormInputs<T, X> in;
  SequenceView<const O> d_out;     // optional: zeros
  SequenceView<const T> d_sum;     // optional: zeros
  T* workspace = nullptr;          // with d_weight
  /* The wanted gradients: any may be left null. */
  SequenceView<X> d_x;
  SequenceView<T> d_residual;
  SequenceView<X> d_gate;          // only with in.gate
  T* d_weight = nullptr;           // only with in.weight
};

template <typename T, typename X, typename O>
struct RmsNormKernels {
  RmsNormPlan (*plan)(const RmsNormSizes& sizes);
  void (*forward)(const RmsNormForward<T, X, O>& args, int64_t block_begin, int64_t block_end);
  void (*backward)(const RmsNormBackward<T, X, O>& args, int64_t block_begin, int64_t block_end);
  void (*backward_reduce)(const RmsNormBackward<T, X, O>& args, int64_t block_begin, int64_t block_end);
};

/** The kernels for the instruction set in use, for the types below. */
template <typename T, typename X, typename O>
const RmsNormKernels<T, X, O>& rms_norm_kernels();

/** Expands M(T, X, O) for each combination of types that there are kernels for. */
#define DJLMAMBA_FOR_EACH_RMS_NORM(M) \
  M(double, double, double) M(float, float, float) M(float, BFloat16, BFloat16) M(float, float, BFloat16)

}  // namespace djlmamba::cpu
