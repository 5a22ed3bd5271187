/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "kernels/cpu/selective_scan.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ops/checks.h"
#include "ops/ops.h"

namespace djlmamba {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/** The arguments as kernels take them; an optional one that is not given is undefined. Also the order in which they are saved. */
struct ScanTensors {
  Tensor u;
  Tensor delta;
  Tensor a;
  Tensor b;
  Tensor c;
  Tensor skip;
  Tensor gate;
  Tensor delta_bias;
  Tensor initial_state;
  bool delta_softplus = false;
};

constexpr size_t kInputs = 9;

/** The gradients of the inputs, in the same order; undefined where not wanted. */
using ScanGradients = std::array<Tensor, kInputs>;

struct ScanResult {
  Tensor output;
  Tensor final_state;
  Tensor checkpoints;  // undefined unless asked for
};

/** The shape of a scan. Groups are 1 for matrices without a group axis. */
cpu::SelectiveScanSizes sizes_of(const ScanTensors& in) {
  cpu::SelectiveScanSizes sizes;
  sizes.batch = in.u.size(0);
  sizes.length = in.u.size(1);
  sizes.channels = in.u.size(2);
  sizes.states = in.a.size(1);
  sizes.groups = in.b.dim() == 4 ? in.b.size(2) : 1;
  return sizes;
}

template <typename T>
cpu::SequenceView<T> sequence(const Tensor& tensor, T* data) {
  return view3<cpu::SequenceView<T>>(tensor, data);
}

template <typename T>
cpu::BatchedMatrixView<T> states(const Tensor& tensor, T* data) {
  return view3<cpu::BatchedMatrixView<T>>(tensor, data);
}

template <typename T>
cpu::MatrixView<T> matrix(const Tensor& tensor, T* data) {
  return tensor.defined() ? cpu::MatrixView<T>{data, tensor.stride(0)} : cpu::MatrixView<T>{};
}

template <typename T>
cpu::GroupedSequenceView<T> grouped(const Tensor& tensor, T* data) {
  if (!tensor.defined()) {
    return {};
  }
  return {data, tensor.stride(0), tensor.stride(1), tensor.dim() == 4 ? tensor.stride(2) : 0};
}

template <typename T>
cpu::SelectiveScanInputs<T> inputs_of(const ScanTensors& in) {
  cpu::SelectiveScanInputs<T> views;
  views.sizes = sizes_of(in);
  views.u = sequence(in.u, data_or_null<T>(in.u));
  views.delta = sequence(in.delta, data_or_null<T>(in.delta));
  views.a = matrix(in.a, data_or_null<T>(in.a));
  views.b = grouped(in.b, data_or_null<T>(in.b));
  views.c = grouped(in.c, data_or_null<T>(in.c));
  views.skip = data_or_null<T>(in.skip);
  views.z = sequence(in.gate, data_or_null<T>(in.gate));
  views.delta_bias = data_or_null<T>(in.delta_bias);
  views.softplus = in.delta_softplus;
  views.initial_state = states(in.initial_state, data_or_null<T>(in.initial_state));
  return views;
}

template <typename T>
ScanResult forward_on_cpu(const ScanTensors& in, bool record) {
  const auto& kernels = cpu::selective_scan_kernels<T>();
  cpu::SelectiveScanForward<T> args;
  args.in = inputs_of<T>(in);
  const auto& sizes = args.in.sizes;
  const cpu::SelectiveScanPlan plan = kernels.plan(sizes);
  ScanResult result;
  result.output = at::empty({sizes.batch, sizes.length, sizes.channels}, in.u.options());
  result.final_state = at::empty({sizes.batch, sizes.channels, sizes.states}, in.u.options());
  if (record) {
    result.checkpoints = at::empty({plan.checkpoint_elements}, in.u.options());
  }
  args.out = sequence(result.output, mutable_data_or_null<T>(result.output));
  args.final_state = states(result.final_state, mutable_data_or_null<T>(result.final_state));
  args.checkpoints = mutable_data_or_null<T>(result.checkpoints);
  at::parallel_for(0, plan.forward_blocks, plan.forward_grain, [&](int64_t begin, int64_t end) { kernels.forward(args, begin, end); });
  return result;
}

template <typename T>
ScanGradients backward_on_cpu(
    const ScanTensors& in, const Tensor& checkpoints, const Tensor& output_gradient, const Tensor& state_gradient,
    const std::array<bool, kInputs>& wanted) {
  const auto& kernels = cpu::selective_scan_kernels<T>();
  cpu::SelectiveScanBackward<T> args;
  args.in = inputs_of<T>(in);
  const cpu::SelectiveScanPlan plan = kernels.plan(args.in.sizes);
  const Tensor inputs[kInputs] = {in.u, in.delta, in.a, in.b, in.c, in.skip, in.gate, in.delta_bias, in.initial_state};
  ScanGradients gradients;
  for (size_t i = 0; i < kInputs; i++) {
    if (wanted[i]) {
      gradients[i] = at::empty(inputs[i].sizes(), in.u.options());
    }
  }
  const Tensor workspace = at::empty({plan.backward_workspace_elements}, in.u.options());
  const auto data = [&](size_t i) { return mutable_data_or_null<T>(gradients[i]); };
  args.d_out = sequence(output_gradient, data_or_null<T>(output_gradient));
  args.d_final_state = states(state_gradient, data_or_null<T>(state_gradient));
  args.checkpoints = data_or_null<T>(checkpoints);
  args.workspace = mutable_data_or_null<T>(workspace);
  args.d_u = sequence(gradients[0], data(0));
  args.d_delta = sequence(gradients[1], data(1));
  args.d_a = matrix(gradients[2], data(2));
  args.d_b = grouped(gradients[3], data(3));
  args.d_c = grouped(gradients[4], data(4));
  args.d_skip = data(5);
  args.d_z = sequence(gradients[6], data(6));
  args.d_delta_bias = data(7);
  args.d_initial_state = states(gradients[8], data(8));
  at::parallel_for(0, plan.backward_blocks, plan.backward_grain, [&](int64_t begin, int64_t end) { kernels.backward(args, begin, end); });
  at::parallel_for(0, plan.backward_reduce_blocks, plan.backward_reduce_grain, [&](int64_t begin, int64_t end) {
    kernels.backward_reduce(args, begin, end);
  });
  return gradients;
}

/* The dispatch by device and type. The checks admit float and double on the CPU. */

ScanResult forward_of(const ScanTensors& in, bool record) {
  return in.u.scalar_type() == at::kDouble ? forward_on_cpu<double>(in, record) : forward_on_cpu<float>(in, record);
}

ScanGradients backward_of(
    const ScanTensors& in, const Tensor& checkpoints, const Tensor& output_gradient, const Tensor& state_gradient,
    const std::array<bool, kInputs>& wanted) {
  return in.u.scalar_type() == at::kDouble ? backward_on_cpu<double>(in, checkpoints, output_gradient, state_gradient, wanted)
                                           : backward_on_cpu<float>(in, checkpoints, output_gradient, state_gradient, wanted);
}

ScanTensors prepared(
    const Tensor& u, const Tensor& delta, const Tensor& a, const Tensor& b, const Tensor& c, const OptionalTensor& skip,
    const OptionalTensor& gate, const OptionalTensor& delta_bias, const OptionalTensor& initial_state, bool delta_softplus) {
  ScanTensors in;
  in.u = last_axis_contiguous(u);
  in.delta = last_axis_contiguous(delta);
  in.a = last_axis_contiguous(a);
  in.b = last_axis_contiguous(b);
  in.c = last_axis_contiguous(c);
  in.skip = last_axis_contiguous(or_undefined(skip));
  in.gate = last_axis_contiguous(or_undefined(gate));
  in.delta_bias = last_axis_contiguous(or_undefined(delta_bias));
  in.initial_state = last_axis_contiguous(or_undefined(initial_state));
  in.delta_softplus = delta_softplus;
  return in;
}

struct SelectiveScanFunction : torch::autograd::Function<SelectiveScanFunction> {
  static variable_list forward(
      AutogradContext* ctx, const Tensor& u, const Tensor& delta, const Tensor& a, const Tensor& b, const Tensor& c,
      const OptionalTensor& skip, const OptionalTensor& gate, const OptionalTensor& delta_bias, const OptionalTensor& initial_state,
      bool delta_softplus) {
    at::AutoDispatchBelowADInplaceOrView guard;
    const ScanTensors in = prepared(u, delta, a, b, c, skip, gate, delta_bias, initial_state, delta_softplus);
    const ScanResult result = forward_of(in, true);
    ctx->set_materialize_grads(false);
    ctx->save_for_backward(
        {in.u, in.delta, in.a, in.b, in.c, in.skip, in.gate, in.delta_bias, in.initial_state, result.checkpoints});
    ctx->saved_data["delta_softplus"] = delta_softplus;
    return {result.output, result.final_state};
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    variable_list result(kInputs + 1);
    if (!gradients[0].defined() && !gradients[1].defined()) {
      return result;
    }
    check_once_differentiable("selective scan");
    at::AutoDispatchBelowADInplaceOrView guard;
    const variable_list saved = ctx->get_saved_variables();
    const ScanTensors in = {saved[0], saved[1], saved[2], saved[3], saved[4], saved[5], saved[6], saved[7],
                            saved[8], ctx->saved_data["delta_softplus"].toBool()};
    std::array<bool, kInputs> wanted = {};
    size_t edge = 0;
    for (size_t i = 0; i < kInputs; i++) {
      wanted[i] = saved[i].defined() && ctx->needs_input_grad(edge++);
    }
    const Tensor output_gradient =
        gradients[0].defined() ? last_axis_contiguous(gradients[0]) : at::zeros({in.u.size(2)}, in.u.options()).expand(in.u.sizes());
    const ScanGradients computed = backward_of(in, saved[kInputs], output_gradient, last_axis_contiguous(gradients[1]), wanted);
    std::copy(computed.begin(), computed.end(), result.begin());
    return result;
  }
};

void check_arguments(
    const Tensor& u, const Tensor& delta, const Tensor& a, const Tensor& b, const Tensor& c, const OptionalTensor& skip,
    const OptionalTensor& gate, const OptionalTensor& delta_bias, const OptionalTensor& initial_state) {
  ArgumentCheck check("selective scan");
  check.tensor("u", u);
  if (u.dim() != 3 || u.size(2) == 0) {
    check.fail("u", c10::str("has shape ", u.sizes(), "; expected (B, L, D) with at least one channel"));
  }
  const int64_t batch = u.size(0);
  const int64_t length = u.size(1);
  const int64_t channels = u.size(2);
  check.tensor("delta", delta, "(B, L, D)", u.sizes());
  check.tensor("a", a);
  if (a.dim() != 2 || a.size(0) != channels || a.size(1) == 0) {
    check.fail("a", c10::str("has shape ", a.sizes(), "; expected (D, N) with D = ", channels, " and at least one state"));
  }
  const int64_t states = a.size(1);
  check.tensor("b", b);
  if (b.dim() == 4) {
    const int64_t groups = b.size(2);
    if (groups == 0 || channels % groups != 0) {
      check.fail("b", c10::str("has ", groups, " groups, which do not divide ", channels, " channels"));
    }
    check.tensor("b", b, "(B, L, G, N)", {batch, length, groups, states});
  } else {
    check.tensor("b", b, "(B, L, N)", {batch, length, states});
  }
  check.tensor("c", c, "b's", b.sizes());
  check.optional("skip", skip, "(D)", {channels});
  check.optional("gate", gate, "(B, L, D)", u.sizes());
  check.optional("deltaBias", delta_bias, "(D)", {channels});
  check.optional("initialState", initial_state, "(B, D, N)", {batch, channels, states});
  check.elements("the scan", {batch, length, channels, states});
}

}  // namespace

std::tuple<Tensor, Tensor> selective_scan(
    const Tensor& u, const Tensor& delta, const Tensor& a, const Tensor& b, const Tensor& c, const OptionalTensor& skip,
    const OptionalTensor& gate, const OptionalTensor& delta_bias, const OptionalTensor& initial_state, bool delta_softplus) {
  check_arguments(u, delta, a, b, c, skip, gate, delta_bias, initial_state);
  if (wants_gradient({u, delta, a, b, c, skip, gate, delta_bias, initial_state})) {
    const variable_list results =
        SelectiveScanFunction::apply(u, delta, a, b, c, skip, gate, delta_bias, initial_state, delta_softplus);
    return {results[0], results[1]};
  }
  at::AutoDispatchBelowADInplaceOrView guard;
  const ScanResult result = forward_of(prepared(u, delta, a, b, c, skip, gate, delta_bias, initial_state, delta_softplus), false);
  return {result.output, result.final_state};
}

void define_selective_scan(torch::Library& library) {
  library.def(
      "selective_scan(Tensor u, Tensor delta, Tensor a, Tensor b, Tensor c, Tensor? skip=None, Tensor? gate=None, Tensor? delta_bias=None, "
      "Tensor? initial_state=None, bool delta_softplus=False) -> (Tensor, Tensor)",
      &selective_scan);
}

}  // namespace djlmamba
