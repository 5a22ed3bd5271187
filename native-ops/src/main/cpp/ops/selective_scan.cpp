/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "kernels/cpu/selective_scan.h"
#include "kernels/cpu/selective_scan_step.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ops/checks.h"
#include "ops/ops.h"
#include "ops/packed_sequences.h"
#include "ops/run_step.h"

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
  PackedSequences packed;
};

constexpr size_t kInputs = 9;
constexpr const char* kName = "selective scan";

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

template <typename T, typename X>
cpu::SelectiveScanInputs<T, X> inputs_of(const ScanTensors& in) {
  cpu::SelectiveScanInputs<T, X> views;
  views.sizes = sizes_of(in);
  views.packed = in.packed.view();
  views.u = sequence(in.u, data_or_null<X>(in.u));
  views.delta = sequence(in.delta, data_or_null<X>(in.delta));
  views.a = matrix(in.a, data_or_null<T>(in.a));
  views.b = grouped(in.b, data_or_null<X>(in.b));
  views.c = grouped(in.c, data_or_null<X>(in.c));
  views.skip = data_or_null<T>(in.skip);
  views.z = sequence(in.gate, data_or_null<X>(in.gate));
  views.delta_bias = data_or_null<T>(in.delta_bias);
  views.softplus = in.delta_softplus;
  views.initial_state = states_view(in.packed, in.initial_state, data_or_null<T>(in.initial_state));
  return views;
}

/** A matrix for each row of one token, without the axis of length 1. */
template <typename T>
cpu::BatchedMatrixView<T> of_token(const cpu::GroupedSequenceView<T>& view) {
  return {view.data, view.batch_stride, view.group_stride};
}

/** One more token of each row: the kernels for sequences would pack and unpack the state around it. */
template <typename T, typename X>
ScanResult step_on_cpu(const ScanTensors& in) {
  const auto& kernels = cpu::selective_scan_step_kernels<T, X>();
  const cpu::SelectiveScanInputs<T, X> views = inputs_of<T, X>(in);
  ScanResult result;
  result.output = at::empty(in.u.sizes(), in.u.options());
  result.final_state = at::empty(in.initial_state.sizes(), in.initial_state.options());
  cpu::SelectiveScanStep<T, X> args;
  args.sizes = {views.sizes.batch, views.sizes.channels, views.sizes.states, views.sizes.groups};
  args.u = {views.u.data, views.u.batch_stride};
  args.delta = {views.delta.data, views.delta.batch_stride};
  args.a = views.a;
  args.b = of_token(views.b);
  args.c = of_token(views.c);
  args.skip = views.skip;
  args.z = {views.z.data, views.z.batch_stride};
  args.delta_bias = views.delta_bias;
  args.softplus = views.softplus;
  args.before = views.initial_state;
  args.state = states_view(in.packed, result.final_state, mutable_data_or_null<T>(result.final_state));
  args.out = {mutable_data_or_null<X>(result.output), result.output.stride(0)};
  run_step(kernels, args);
  return result;
}

template <typename T, typename X>
ScanResult forward_on_cpu(const ScanTensors& in, bool record) {
  if (!record && in.u.size(1) == 1 && in.initial_state.defined() && !in.packed.packed()) {
    return step_on_cpu<T, X>(in);
  }
  const auto& kernels = cpu::selective_scan_kernels<T, X>();
  cpu::SelectiveScanForward<T, X> args;
  args.in = inputs_of<T, X>(in);
  const auto& sizes = args.in.sizes;
  const cpu::SelectiveScanPlan plan = kernels.plan(sizes);
  ScanResult result;
  result.output = at::empty({sizes.batch, sizes.length, sizes.channels}, in.u.options());
  result.final_state = at::empty(in.packed.state_shape({sizes.channels, sizes.states}), in.a.options());
  if (record) {
    result.checkpoints = at::empty({plan.checkpoint_elements}, in.a.options());
  }
  args.out = sequence(result.output, mutable_data_or_null<X>(result.output));
  args.final_state = states_view(in.packed, result.final_state, mutable_data_or_null<T>(result.final_state));
  args.checkpoints = mutable_data_or_null<T>(result.checkpoints);
  at::parallel_for(0, plan.forward_blocks, plan.forward_grain, [&](int64_t begin, int64_t end) { kernels.forward(args, begin, end); });
  return result;
}

template <typename T, typename X>
ScanGradients backward_on_cpu(
    const ScanTensors& in, const Tensor& checkpoints, const Tensor& output_gradient, const Tensor& state_gradient,
    const std::array<bool, kInputs>& wanted) {
  const auto& kernels = cpu::selective_scan_kernels<T, X>();
  cpu::SelectiveScanBackward<T, X> args;
  args.in = inputs_of<T, X>(in);
  const cpu::SelectiveScanPlan plan = kernels.plan(args.in.sizes);
  const Tensor inputs[kInputs] = {in.u, in.delta, in.a, in.b, in.c, in.skip, in.gate, in.delta_bias, in.initial_state};
  ScanGradients gradients;
  for (size_t i = 0; i < kInputs; i++) {
    if (wanted[i]) {
      gradients[i] = at::empty(inputs[i].sizes(), inputs[i].options());
    }
  }
  const Tensor workspace = at::empty({plan.backward_workspace_elements}, in.a.options());
  const auto& [d_u, d_delta, d_a, d_b, d_c, d_skip, d_gate, d_delta_bias, d_initial_state] = gradients;
  args.d_out = sequence(output_gradient, data_or_null<X>(output_gradient));
  args.d_final_state = states_view(in.packed, state_gradient, data_or_null<T>(state_gradient));
  args.checkpoints = data_or_null<T>(checkpoints);
  args.workspace = mutable_data_or_null<T>(workspace);
  args.d_u = sequence(d_u, mutable_data_or_null<X>(d_u));
  args.d_delta = sequence(d_delta, mutable_data_or_null<X>(d_delta));
  args.d_a = matrix(d_a, mutable_data_or_null<T>(d_a));
  args.d_b = grouped(d_b, mutable_data_or_null<X>(d_b));
  args.d_c = grouped(d_c, mutable_data_or_null<X>(d_c));
  args.d_skip = mutable_data_or_null<T>(d_skip);
  args.d_z = sequence(d_gate, mutable_data_or_null<X>(d_gate));
  args.d_delta_bias = mutable_data_or_null<T>(d_delta_bias);
  args.d_initial_state = states_view(in.packed, d_initial_state, mutable_data_or_null<T>(d_initial_state));
  at::parallel_for(0, plan.backward_blocks, plan.backward_grain, [&](int64_t begin, int64_t end) { kernels.backward(args, begin, end); });
  at::parallel_for(0, plan.backward_reduce_blocks, plan.backward_reduce_grain, [&](int64_t begin, int64_t end) {
    kernels.backward_reduce(args, begin, end);
  });
  return gradients;
}

/* The dispatch by device and type. The checks admit only the CPU. */

ScanResult forward_of(const ScanTensors& in, bool record) {
  return with_types(in.u.scalar_type(), [&](auto computed, auto stored) { return forward_on_cpu<decltype(computed), decltype(stored)>(in, record); });
}

ScanGradients backward_of(
    const ScanTensors& in, const Tensor& checkpoints, const Tensor& output_gradient, const Tensor& state_gradient,
    const std::array<bool, kInputs>& wanted) {
  return with_types(in.u.scalar_type(), [&](auto computed, auto stored) {
    return backward_on_cpu<decltype(computed), decltype(stored)>(in, checkpoints, output_gradient, state_gradient, wanted);
  });
}

ScanTensors prepared(
    const Tensor& u, const Tensor& delta, const Tensor& a, const Tensor& b, const Tensor& c, const OptionalTensor& skip,
    const OptionalTensor& gate, const OptionalTensor& delta_bias, const OptionalTensor& initial_state, bool delta_softplus,
    const PackedSequences& packed) {
  return {last_axis_contiguous(u),
          last_axis_contiguous(delta),
          last_axis_contiguous(a),
          last_axis_contiguous(b),
          last_axis_contiguous(c),
          last_axis_contiguous(or_undefined(skip)),
          last_axis_contiguous(or_undefined(gate)),
          last_axis_contiguous(or_undefined(delta_bias)),
          packed.states_of_kernels(or_undefined(initial_state)),
          delta_softplus,
          packed};
}

struct SelectiveScanFunction : torch::autograd::Function<SelectiveScanFunction> {
  static variable_list forward(
      AutogradContext* ctx, const Tensor& u, const Tensor& delta, const Tensor& a, const Tensor& b, const Tensor& c,
      const OptionalTensor& skip, const OptionalTensor& gate, const OptionalTensor& delta_bias, const OptionalTensor& initial_state,
      bool delta_softplus, const PackedSequences& packed) {
    at::AutoDispatchBelowADInplaceOrView guard;
    const ScanTensors in = prepared(u, delta, a, b, c, skip, gate, delta_bias, initial_state, delta_softplus, packed);
    const ScanResult result = forward_of(in, true);
    ctx->set_materialize_grads(false);
    ctx->save_for_backward(
        {in.u, in.delta, in.a, in.b, in.c, in.skip, in.gate, in.delta_bias, in.initial_state, result.checkpoints,
         packed.offsets()});
    ctx->saved_data["delta_softplus"] = delta_softplus;
    return {result.output, result.final_state};
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    variable_list result(kInputs + 2);
    if (!gradients[0].defined() && !gradients[1].defined()) {
      return result;
    }
    check_once_differentiable(kName);
    at::AutoDispatchBelowADInplaceOrView guard;
    const variable_list saved = ctx->get_saved_variables();
    ArgumentCheck check(kName);
    const ScanTensors in = {saved[0], saved[1], saved[2], saved[3], saved[4], saved[5], saved[6], saved[7], saved[8],
                            ctx->saved_data["delta_softplus"].toBool(),
                            PackedSequences(check, saved[kInputs + 1], saved[0].size(0), saved[0].size(1))};
    std::array<bool, kInputs> wanted = {};
    size_t edge = 0;
    for (size_t i = 0; i < kInputs; i++) {
      wanted[i] = saved[i].defined() && ctx->needs_input_grad(edge++);
    }
    const Tensor output_gradient =
        gradients[0].defined() ? last_axis_contiguous(gradients[0]) : at::zeros({in.u.size(2)}, in.u.options()).expand(in.u.sizes());
    const ScanGradients computed = backward_of(in, saved[kInputs], output_gradient, in.packed.states_of_kernels(gradients[1]), wanted);
    std::copy(computed.begin(), computed.end(), result.begin());
    return result;
  }
};

/** Checks the arguments and returns the sequences that they hold. */
PackedSequences check_arguments(
    const Tensor& u, const Tensor& delta, const Tensor& a, const Tensor& b, const Tensor& c, const OptionalTensor& skip,
    const OptionalTensor& gate, const OptionalTensor& delta_bias, const OptionalTensor& initial_state,
    const OptionalTensor& offsets) {
  ArgumentCheck check(kName, BFloat16Activations::kTaken);
  check.tensor("u", u);
  if (u.dim() != 3 || u.size(2) == 0) {
    check.fail("u", c10::str("has shape ", u.sizes(), "; expected (B, L, D) with at least one channel"));
  }
  const int64_t batch = u.size(0);
  const int64_t length = u.size(1);
  const int64_t channels = u.size(2);
  check.tensor("delta", delta, "(B, L, D)", u.sizes());
  check.parameter("a", a);
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
  check.optional_parameter("skip", skip, "(D)", {channels});
  check.optional("gate", gate, "(B, L, D)", u.sizes());
  check.optional_parameter("deltaBias", delta_bias, "(D)", {channels});
  const PackedSequences packed(check, offsets, batch, length);
  const std::vector<int64_t> state = packed.state_shape({channels, states});
  check.optional_parameter("initialState", initial_state, packed.packed() ? "(B, S, D, N)" : "(B, D, N)", state);
  check.elements("the scan", {batch, length, channels, states});
  check.elements("the final state", state);
  return packed;
}

}  // namespace

std::tuple<Tensor, Tensor> selective_scan(
    const Tensor& u, const Tensor& delta, const Tensor& a, const Tensor& b, const Tensor& c, const OptionalTensor& skip,
    const OptionalTensor& gate, const OptionalTensor& delta_bias, const OptionalTensor& initial_state, bool delta_softplus,
    const OptionalTensor& sequence_offsets) {
  const PackedSequences packed = check_arguments(u, delta, a, b, c, skip, gate, delta_bias, initial_state, sequence_offsets);
  if (wants_gradient({u, delta, a, b, c, skip, gate, delta_bias, initial_state})) {
    const variable_list results =
        SelectiveScanFunction::apply(u, delta, a, b, c, skip, gate, delta_bias, initial_state, delta_softplus, packed);
    return {results[0], results[1]};
  }
  at::AutoDispatchBelowADInplaceOrView guard;
  const ScanResult result = forward_of(prepared(u, delta, a, b, c, skip, gate, delta_bias, initial_state, delta_softplus, packed), false);
  return {result.output, result.final_state};
}

void define_selective_scan(torch::Library& library) {
  library.def(
      "selective_scan(Tensor u, Tensor delta, Tensor a, Tensor b, Tensor c, Tensor? skip=None, Tensor? gate=None, Tensor? delta_bias=None, "
      "Tensor? initial_state=None, bool delta_softplus=False, Tensor? sequence_offsets=None) -> (Tensor, Tensor)",
      &selective_scan);
}

}  // namespace djlmamba
