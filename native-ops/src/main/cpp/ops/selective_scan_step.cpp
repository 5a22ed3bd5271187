/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "kernels/cpu/selective_scan_step.h"

#include <ATen/ATen.h>

#include "ops/checks.h"
#include "ops/ops.h"
#include "ops/run_step.h"
#include "ops/state_slots.h"

namespace djlmamba {
namespace {

using at::Tensor;

constexpr const char* kOp = "selective scan step";

/** The arguments as kernels take them; an optional one that is not given is undefined. */
struct StepTensors {
  Tensor u;
  Tensor delta;
  Tensor a;
  Tensor b;
  Tensor c;
  Tensor skip;
  Tensor gate;
  Tensor delta_bias;
  bool delta_softplus;
};

template <typename T>
cpu::MatrixView<T> rows_of(const Tensor& tensor, T* data) {
  return tensor.defined() ? cpu::MatrixView<T>{data, tensor.stride(0)} : cpu::MatrixView<T>{};
}

template <typename T, typename X>
Tensor step_on_cpu(const StepTensors& in, const Tensor& state, const int64_t* slots) {
  const auto& kernels = cpu::selective_scan_step_kernels<T, X>();
  cpu::SelectiveScanStep<T, X> args;
  args.sizes.rows = in.u.size(0);
  args.sizes.channels = in.u.size(1);
  args.sizes.states = in.a.size(1);
  args.sizes.groups = in.b.dim() == 3 ? in.b.size(1) : 1;
  args.u = rows_of(in.u, data_or_null<X>(in.u));
  args.delta = rows_of(in.delta, data_or_null<X>(in.delta));
  args.a = rows_of(in.a, data_or_null<T>(in.a));
  args.b = view3<cpu::BatchedMatrixView<const X>>(in.b, data_or_null<X>(in.b));
  args.c = view3<cpu::BatchedMatrixView<const X>>(in.c, data_or_null<X>(in.c));
  args.skip = data_or_null<T>(in.skip);
  args.z = rows_of(in.gate, data_or_null<X>(in.gate));
  args.delta_bias = data_or_null<T>(in.delta_bias);
  args.softplus = in.delta_softplus;
  args.slots = slots;
  args.before = view3<cpu::BatchedMatrixView<const T>>(state, data_or_null<T>(state));
  args.state = view3<cpu::BatchedMatrixView<T>>(state, mutable_data_or_null<T>(state));
  const Tensor output = at::empty(in.u.sizes(), in.u.options());
  args.out = rows_of(output, mutable_data_or_null<X>(output));
  run_step(kernels, args);
  return output;
}

}  // namespace

Tensor selective_scan_step(
    const Tensor& state, const Tensor& u, const Tensor& delta, const Tensor& a, const Tensor& b, const Tensor& c, const OptionalTensor& skip,
    const OptionalTensor& gate, const OptionalTensor& delta_bias, const OptionalTensor& slots, bool delta_softplus) {
  ArgumentCheck check(kOp, BFloat16Activations::kTaken);
  check.tensor("u", u);
  if (u.dim() != 2 || u.size(1) == 0) {
    check.fail("u", c10::str("has shape ", u.sizes(), "; expected (B, D) with at least one channel"));
  }
  const int64_t rows = u.size(0);
  const int64_t channels = u.size(1);
  check.tensor("delta", delta, "(B, D)", u.sizes());
  check.parameter("a", a);
  if (a.dim() != 2 || a.size(0) != channels || a.size(1) == 0) {
    check.fail("a", c10::str("has shape ", a.sizes(), "; expected (D, N) with D = ", channels, " and at least one state"));
  }
  const int64_t states = a.size(1);
  check.tensor("b", b);
  if (b.dim() == 3) {
    const int64_t groups = b.size(1);
    if (groups == 0 || channels % groups != 0) {
      check.fail("b", c10::str("has ", groups, " groups, which do not divide ", channels, " channels"));
    }
    check.tensor("b", b, "(B, G, N)", {rows, groups, states});
  } else {
    check.tensor("b", b, "(B, N)", {rows, states});
  }
  check.tensor("c", c, "b's", b.sizes());
  check.optional_parameter("skip", skip, "(D)", {channels});
  check.optional("gate", gate, "(B, D)", u.sizes());
  check.optional_parameter("deltaBias", delta_bias, "(D)", {channels});
  check.parameter("state", state);
  const int64_t count = state.dim() == 3 ? state.size(0) : 0;
  check.parameter("state", state, "(slots, D, N)", {count, channels, states});
  const StateSlots checked(check, slots, rows, count);
  check_not_recorded(
      kOp, "a step that changes a state in place records none; use the selective scan with L = 1, or turn recording off",
      {state, u, delta, a, b, c, skip, gate, delta_bias});
  at::AutoDispatchBelowADInplaceOrView guard;
  InPlaceState in_place(check, "state", state);
  const StepTensors in = {last_axis_contiguous(u),
                          last_axis_contiguous(delta),
                          last_axis_contiguous(a),
                          last_axis_contiguous(b),
                          last_axis_contiguous(c),
                          last_axis_contiguous(or_undefined(skip)),
                          last_axis_contiguous(or_undefined(gate)),
                          last_axis_contiguous(or_undefined(delta_bias)),
                          delta_softplus};
  const Tensor output = with_types(u.scalar_type(), [&](auto computed, auto stored) {
    return step_on_cpu<decltype(computed), decltype(stored)>(in, in_place.tensor(), checked.data());
  });
  in_place.write_back();
  return output;
}

void define_selective_scan_step(torch::Library& library) {
  library.def(
      "selective_scan_step(Tensor(a!) state, Tensor u, Tensor delta, Tensor a, Tensor b, Tensor c, Tensor? skip=None, Tensor? gate=None, "
      "Tensor? delta_bias=None, Tensor? slots=None, bool delta_softplus=False) -> Tensor",
      &selective_scan_step);
}

}  // namespace djlmamba
