/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "kernels/cpu/state_space_dual_step.h"

#include <ATen/ATen.h>

#include "ops/run_step.h"
#include "ops/state_slots.h"
#include "ops/state_space_dual.h"

namespace djlmamba {

using at::Tensor;

namespace {

/** (rows, heads, head_size), (rows, groups, states) or (rows, states). */
template <typename X>
cpu::BatchedMatrixView<X> row_matrices(const Tensor& tensor, X* data) {
  if (!tensor.defined()) {
    return {};
  }
  return {data, tensor.stride(0), tensor.dim() == 3 ? tensor.stride(1) : 0};
}

template <typename T, typename X>
Tensor step_on_cpu(const StateSpaceDualArguments& how, const StateSpaceDualTensors& in, const Tensor& state, const int64_t* slots) {
  const auto& kernels = cpu::state_space_dual_step_kernels<T, X>();
  cpu::StateSpaceDualStep<T, X> args;
  args.sizes.rows = in.x.size(0);
  args.sizes.heads = in.x.size(1);
  args.sizes.head_size = in.x.size(2);
  args.sizes.states = in.b.size(-1);
  args.sizes.groups = in.b.dim() == 3 ? in.b.size(1) : 1;
  args.x = row_matrices(in.x, data_or_null<X>(in.x));
  args.delta = {data_or_null<X>(in.delta), in.delta.stride(0)};
  args.a = data_or_null<T>(in.a);
  args.b = row_matrices(in.b, data_or_null<X>(in.b));
  args.c = row_matrices(in.c, data_or_null<X>(in.c));
  args.skip = skip_weights(in.skip, data_or_null<T>(in.skip));
  args.skip_by_channel = in.skip.defined() && in.skip.dim() == 2;
  args.z = row_matrices(in.gate, data_or_null<X>(in.gate));
  args.delta_bias = data_or_null<T>(in.delta_bias);
  args.softplus = how.delta_softplus;
  args.delta_min = static_cast<T>(lower_limit(how.delta_min));
  args.delta_max = static_cast<T>(upper_limit(how.delta_max));
  args.slots = slots;
  args.state = head_states(state, mutable_data_or_null<T>(state));
  const Tensor output = at::empty(in.x.sizes(), in.x.options());
  args.out = row_matrices(output, mutable_data_or_null<X>(output));
  run_step(kernels, args);
  return output;
}

}  // namespace

Tensor state_space_dual_step(const StateSpaceDualArguments& in, const Tensor& state, const OptionalTensor& slots) {
  constexpr const char* kOp = "state space dual step";
  ArgumentCheck check(kOp, BFloat16Activations::kTaken);
  check_tokens(check, in, "B", 1);
  check.parameter("state", state);
  const int64_t count = state.dim() == 4 ? state.size(0) : 0;
  check.parameter("state", state, "(slots, H, P, N)", {count, in.x.size(1), in.x.size(2), in.b.size(-1)});
  const StateSlots checked(check, slots, in.x.size(0), count);
  check_not_recorded(
      kOp, "a step that changes a state in place records none; use the state space dual with L = 1, or turn recording off",
      {in.x, in.delta, in.a, in.b, in.c, in.skip, in.gate, in.delta_bias, state});
  at::AutoDispatchBelowADInplaceOrView guard;
  InPlaceState in_place(check, "state", state);
  const StateSpaceDualTensors tensors = prepared(in);
  const Tensor output = with_types(
      in.x.scalar_type(), [&](auto t, auto x) { return step_on_cpu<decltype(t), decltype(x)>(in, tensors, in_place.tensor(), checked.data()); });
  in_place.write_back();
  return output;
}

namespace {

Tensor dispatched(
    const Tensor& state, const Tensor& x, const Tensor& delta, const Tensor& a, const Tensor& b, const Tensor& c, const OptionalTensor& skip,
    const OptionalTensor& gate, const OptionalTensor& delta_bias, const OptionalTensor& slots, bool delta_softplus,
    std::optional<double> delta_min, std::optional<double> delta_max) {
  return state_space_dual_step({x, delta, a, b, c, skip, gate, delta_bias, delta_softplus, delta_min, delta_max}, state, slots);
}

}  // namespace

void define_state_space_dual_step(torch::Library& library) {
  library.def(
      "state_space_dual_step(Tensor(a!) state, Tensor x, Tensor delta, Tensor a, Tensor b, Tensor c, Tensor? skip=None, Tensor? gate=None, "
      "Tensor? delta_bias=None, Tensor? slots=None, bool delta_softplus=False, float? delta_min=None, float? delta_max=None) -> Tensor",
      &dispatched);
}

}  // namespace djlmamba
