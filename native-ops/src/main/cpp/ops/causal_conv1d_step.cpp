/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "kernels/cpu/causal_conv1d_step.h"

#include <ATen/ATen.h>

#include "ops/checks.h"
#include "ops/ops.h"
#include "ops/run_step.h"
#include "ops/state_slots.h"

namespace djlmamba {
namespace {

using at::Tensor;

constexpr const char* kOp = "causal conv1d step";

template <typename T, typename X>
Tensor step_on_cpu(const Tensor& x, const Tensor& weight, const Tensor& bias, bool silu, const Tensor& state, const int64_t* slots) {
  const auto& kernels = cpu::causal_conv1d_step_kernels<T, X>();
  cpu::CausalConv1dStep<T, X> args;
  args.sizes.rows = x.size(0);
  args.sizes.channels = x.size(1);
  args.sizes.width = weight.size(1);
  args.x = {data_or_null<X>(x), x.stride(0)};
  args.weight = {data_or_null<T>(weight), weight.stride(0)};
  args.bias = data_or_null<T>(bias);
  args.silu = silu;
  args.slots = slots;
  args.before = view3<cpu::BatchedMatrixView<const T>>(state, data_or_null<T>(state));
  args.state = view3<cpu::BatchedMatrixView<T>>(state, mutable_data_or_null<T>(state));
  const Tensor output = at::empty(x.sizes(), x.options());
  args.out = {mutable_data_or_null<X>(output), output.stride(0)};
  run_step(kernels, args);
  return output;
}

}  // namespace

Tensor causal_conv1d_step(
    const Tensor& state, const Tensor& x, const Tensor& weight, const OptionalTensor& bias, const OptionalTensor& slots, bool silu) {
  ArgumentCheck check(kOp, BFloat16Activations::kTaken);
  check.tensor("x", x);
  if (x.dim() != 2 || x.size(1) == 0) {
    check.fail("x", c10::str("has shape ", x.sizes(), "; expected (B, D) with at least one channel"));
  }
  const int64_t channels = x.size(1);
  check.parameter("weight", weight);
  if (weight.dim() != 2 || weight.size(0) != channels || weight.size(1) == 0) {
    check.fail("weight", c10::str("has shape ", weight.sizes(), "; expected (D, W) with D = ", channels, " and at least one tap"));
  }
  check.optional_parameter("bias", bias, "(D)", {channels});
  check.parameter("state", state);
  const int64_t count = state.dim() == 3 ? state.size(0) : 0;
  check.parameter("state", state, "(slots, W - 1, D)", {count, weight.size(1) - 1, channels});
  const StateSlots checked(check, slots, x.size(0), count);
  check_not_recorded(
      kOp, "a step that changes a state in place records none; use the causal conv1d with L = 1, or turn recording off",
      {state, x, weight, bias});
  at::AutoDispatchBelowADInplaceOrView guard;
  InPlaceState in_place(check, "state", state);
  const Tensor output = with_types(x.scalar_type(), [&](auto computed, auto stored) {
    return step_on_cpu<decltype(computed), decltype(stored)>(
        last_axis_contiguous(x), last_axis_contiguous(weight), last_axis_contiguous(or_undefined(bias)), silu, in_place.tensor(), checked.data());
  });
  in_place.write_back();
  return output;
}

void define_causal_conv1d_step(torch::Library& library) {
  library.def(
      "causal_conv1d_step(Tensor(a!) state, Tensor x, Tensor weight, Tensor? bias=None, Tensor? slots=None, bool silu=False) -> Tensor",
      &causal_conv1d_step);
}

}  // namespace djlmamba
