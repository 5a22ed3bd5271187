/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include <ATen/core/Tensor.h>

#include <limits>

#include "kernels/cpu/state_space_dual.h"
#include "ops/checks.h"
#include "ops/ops.h"

/* What the state space dual and its step share: checks of what tokens have, and views. */
namespace djlmamba {

/** The arguments with last axes contiguous; an optional one that is not given is undefined. */
struct StateSpaceDualTensors {
  at::Tensor x;
  at::Tensor delta;
  at::Tensor a;
  at::Tensor b;
  at::Tensor c;
  at::Tensor skip;
  at::Tensor gate;
  at::Tensor delta_bias;
};

/**
 * Checks x (leading, H, P), delta (leading, H), a (H), b and c (leading, [G,] N), skip (H) or (H, P), gate (leading, H, P), delta_bias (H) and the
 * limits, where the leading axes are the first ones of x, named by the letters.
 */
void check_tokens(ArgumentCheck& check, const StateSpaceDualArguments& in, const std::string& letters, int64_t leading);

StateSpaceDualTensors prepared(const StateSpaceDualArguments& in);

inline double lower_limit(const std::optional<double>& limit) {
  return limit.value_or(-std::numeric_limits<double>::infinity());
}

inline double upper_limit(const std::optional<double>& limit) {
  return limit.value_or(std::numeric_limits<double>::infinity());
}

/** States (B, [S,] H, P, N). */
template <typename T>
cpu::HeadStatesView<T> head_states(const at::Tensor& tensor, T* data) {
  if (!tensor.defined()) {
    return {};
  }
  return {data, tensor.stride(0), tensor.dim() == 5 ? tensor.stride(1) : 0, tensor.stride(-3), tensor.stride(-2)};
}

/** The skip weights (H) or (H, P) as (heads, 1 or head_size). */
template <typename T>
cpu::MatrixView<T> skip_weights(const at::Tensor& tensor, T* data) {
  return tensor.defined() ? cpu::MatrixView<T>{data, tensor.stride(0)} : cpu::MatrixView<T>{};
}

}  // namespace djlmamba
