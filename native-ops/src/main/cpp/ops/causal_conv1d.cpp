/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "kernels/cpu/causal_conv1d.h"
#include "kernels/cpu/causal_conv1d_step.h"

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
struct ConvTensors {
  Tensor x;
  Tensor weight;
  Tensor bias;
  Tensor initial_state;
  bool silu = false;
  PackedSequences packed;
};

constexpr size_t kInputs = 4;
constexpr const char* kName = "causal conv1d";

/** The gradients of the inputs, in the same order; undefined where not wanted. */
using ConvGradients = std::array<Tensor, kInputs>;

template <typename T, typename X>
cpu::CausalConv1dInputs<T, X> inputs_of(const ConvTensors& in) {
  cpu::CausalConv1dInputs<T, X> views;
  views.sizes.batch = in.x.size(0);
  views.sizes.length = in.x.size(1);
  views.sizes.channels = in.x.size(2);
  views.sizes.width = in.weight.size(1);
  views.packed = in.packed.view();
  views.x = view3<cpu::SequenceView<const X>>(in.x, data_or_null<X>(in.x));
  views.weight = {data_or_null<T>(in.weight), in.weight.stride(0)};
  views.bias = data_or_null<T>(in.bias);
  views.silu = in.silu;
  views.initial_state = states_view(in.packed, in.initial_state, data_or_null<T>(in.initial_state));
  return views;
}

/** One more token of each row, by the kernels that go over the state once. */
template <typename T, typename X>
std::tuple<Tensor, Tensor> step_on_cpu(const ConvTensors& in) {
  const auto& kernels = cpu::causal_conv1d_step_kernels<T, X>();
  const cpu::CausalConv1dInputs<T, X> views = inputs_of<T, X>(in);
  const Tensor output = at::empty(in.x.sizes(), in.x.options());
  const Tensor final_state = at::empty(in.initial_state.sizes(), in.initial_state.options());
  cpu::CausalConv1dStep<T, X> args;
  args.sizes = {views.sizes.batch, views.sizes.channels, views.sizes.width};
  args.x = {views.x.data, views.x.batch_stride};
  args.weight = views.weight;
  args.bias = views.bias;
  args.silu = views.silu;
  args.before = views.initial_state;
  args.state = states_view(in.packed, final_state, mutable_data_or_null<T>(final_state));
  args.out = {mutable_data_or_null<X>(output), output.stride(0)};
  run_step(kernels, args);
  return {output, final_state};
}

template <typename T, typename X>
std::tuple<Tensor, Tensor> forward_on_cpu(const ConvTensors& in) {
  if (in.x.size(1) == 1 && in.initial_state.defined() && !in.packed.packed()) {
    return step_on_cpu<T, X>(in);
  }
  const auto& kernels = cpu::causal_conv1d_kernels<T, X>();
  cpu::CausalConv1dForward<T, X> args;
  args.in = inputs_of<T, X>(in);
  const auto& sizes = args.in.sizes;
  const cpu::CausalConv1dPlan plan = kernels.plan(sizes);
  const Tensor output = at::empty({sizes.batch, sizes.length, sizes.channels}, in.x.options());
  const Tensor final_state = at::empty(in.packed.state_shape({sizes.width - 1, sizes.channels}), in.weight.options());
  args.out = view3<cpu::SequenceView<X>>(output, mutable_data_or_null<X>(output));
  args.final_state = states_view(in.packed, final_state, mutable_data_or_null<T>(final_state));
  at::parallel_for(0, plan.forward_blocks, plan.forward_grain, [&](int64_t begin, int64_t end) { kernels.forward(args, begin, end); });
  return {output, final_state};
}

template <typename T, typename X>
ConvGradients backward_on_cpu(
    const ConvTensors& in, const Tensor& output_gradient, const Tensor& state_gradient, const std::array<bool, kInputs>& wanted) {
  const auto& kernels = cpu::causal_conv1d_kernels<T, X>();
  cpu::CausalConv1dBackward<T, X> args;
  args.in = inputs_of<T, X>(in);
  const cpu::CausalConv1dPlan plan = kernels.plan(args.in.sizes);
  const Tensor inputs[kInputs] = {in.x, in.weight, in.bias, in.initial_state};
  ConvGradients gradients;
  for (size_t i = 0; i < kInputs; i++) {
    if (wanted[i]) {
      gradients[i] = at::empty(inputs[i].sizes(), inputs[i].options());
    }
  }
  const Tensor workspace = at::empty({plan.backward_workspace_elements}, in.weight.options());
  const auto& [d_x, d_weight, d_bias, d_initial_state] = gradients;
  args.d_out = view3<cpu::SequenceView<const X>>(output_gradient, data_or_null<X>(output_gradient));
  args.d_final_state = states_view(in.packed, state_gradient, data_or_null<T>(state_gradient));
  args.workspace = mutable_data_or_null<T>(workspace);
  args.d_x = view3<cpu::SequenceView<X>>(d_x, mutable_data_or_null<X>(d_x));
  args.d_weight = d_weight.defined() ? cpu::MatrixView<T>{mutable_data_or_null<T>(d_weight), d_weight.stride(0)} : cpu::MatrixView<T>{};
  args.d_bias = mutable_data_or_null<T>(d_bias);
  args.d_initial_state = states_view(in.packed, d_initial_state, mutable_data_or_null<T>(d_initial_state));
  at::parallel_for(0, plan.backward_blocks, plan.backward_grain, [&](int64_t begin, int64_t end) { kernels.backward(args, begin, end); });
  at::parallel_for(0, plan.backward_reduce_blocks, plan.backward_reduce_grain, [&](int64_t begin, int64_t end) {
    kernels.backward_reduce(args, begin, end);
  });
  return gradients;
}

/* The dispatch by device and type. The checks admit only the CPU. */

std::tuple<Tensor, Tensor> forward_of(const ConvTensors& in) {
  return with_types(in.x.scalar_type(), [&](auto computed, auto stored) { return forward_on_cpu<decltype(computed), decltype(stored)>(in); });
}

ConvGradients backward_of(
    const ConvTensors& in, const Tensor& output_gradient, const Tensor& state_gradient, const std::array<bool, kInputs>& wanted) {
  return with_types(in.x.scalar_type(), [&](auto computed, auto stored) {
    return backward_on_cpu<decltype(computed), decltype(stored)>(in, output_gradient, state_gradient, wanted);
  });
}

ConvTensors prepared(
    const Tensor& x, const Tensor& weight, const OptionalTensor& bias, const OptionalTensor& initial_state, bool silu,
    const PackedSequences& packed) {
  return {last_axis_contiguous(x), last_axis_contiguous(weight), last_axis_contiguous(or_undefined(bias)),
          packed.states_of_kernels(or_undefined(initial_state)), silu, packed};
}

struct CausalConv1dFunction : torch::autograd::Function<CausalConv1dFunction> {
  static variable_list forward(
      AutogradContext* ctx, const Tensor& x, const Tensor& weight, const OptionalTensor& bias, const OptionalTensor& initial_state,
      bool silu, const PackedSequences& packed) {
    at::AutoDispatchBelowADInplaceOrView guard;
    const ConvTensors in = prepared(x, weight, bias, initial_state, silu, packed);
    const auto [output, final_state] = forward_of(in);
    ctx->set_materialize_grads(false);
    ctx->save_for_backward({in.x, in.weight, in.bias, in.initial_state, packed.offsets()});
    ctx->saved_data["silu"] = silu;
    return {output, final_state};
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
    const ConvTensors in = {saved[0], saved[1], saved[2], saved[3], ctx->saved_data["silu"].toBool(),
                            PackedSequences(check, saved[kInputs], saved[0].size(0), saved[0].size(1))};
    std::array<bool, kInputs> wanted = {};
    size_t edge = 0;
    for (size_t i = 0; i < kInputs; i++) {
      wanted[i] = saved[i].defined() && ctx->needs_input_grad(edge++);
    }
    const Tensor output_gradient =
        gradients[0].defined() ? last_axis_contiguous(gradients[0]) : at::zeros({in.x.size(2)}, in.x.options()).expand(in.x.sizes());
    const ConvGradients computed = backward_of(in, output_gradient, in.packed.states_of_kernels(gradients[1]), wanted);
    std::copy(computed.begin(), computed.end(), result.begin());
    return result;
  }
};

/** Checks the arguments and returns the sequences that they hold. */
PackedSequences check_arguments(
    const Tensor& x, const Tensor& weight, const OptionalTensor& bias, const OptionalTensor& initial_state, const OptionalTensor& offsets) {
  ArgumentCheck check(kName, BFloat16Activations::kTaken);
  check.tensor("x", x);
  if (x.dim() != 3 || x.size(2) == 0) {
    check.fail("x", c10::str("has shape ", x.sizes(), "; expected (B, L, D) with at least one channel"));
  }
  const int64_t batch = x.size(0);
  const int64_t channels = x.size(2);
  check.parameter("weight", weight);
  if (weight.dim() != 2 || weight.size(0) != channels || weight.size(1) == 0) {
    check.fail("weight", c10::str("has shape ", weight.sizes(), "; expected (D, W) with D = ", channels, " and at least one tap"));
  }
  const int64_t width = weight.size(1);
  check.optional_parameter("bias", bias, "(D)", {channels});
  const PackedSequences packed(check, offsets, batch, x.size(1));
  const std::vector<int64_t> state = packed.state_shape({width - 1, channels});
  check.optional_parameter("initialState", initial_state, packed.packed() ? "(B, S, W - 1, D)" : "(B, W - 1, D)", state);
  check.elements("the output", x.sizes());
  check.elements("the final state", state);
  return packed;
}

}  // namespace

std::tuple<Tensor, Tensor> causal_conv1d(
    const Tensor& x, const Tensor& weight, const OptionalTensor& bias, const OptionalTensor& initial_state, bool silu,
    const OptionalTensor& sequence_offsets) {
  const PackedSequences packed = check_arguments(x, weight, bias, initial_state, sequence_offsets);
  if (wants_gradient({x, weight, bias, initial_state})) {
    const variable_list results = CausalConv1dFunction::apply(x, weight, bias, initial_state, silu, packed);
    return {results[0], results[1]};
  }
  at::AutoDispatchBelowADInplaceOrView guard;
  return forward_of(prepared(x, weight, bias, initial_state, silu, packed));
}

void define_causal_conv1d(torch::Library& library) {
  library.def(
      "causal_conv1d(Tensor x, Tensor weight, Tensor? bias=None, Tensor? initial_state=None, bool silu=False, "
      "Tensor? sequence_offsets=None) -> (Tensor, Tensor)",
      &causal_conv1d);
}

}  // namespace djlmamba
