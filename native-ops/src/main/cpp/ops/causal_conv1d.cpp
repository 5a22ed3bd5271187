/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "kernels/cpu/causal_conv1d.h"

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
struct ConvTensors {
  Tensor x;
  Tensor weight;
  Tensor bias;
  Tensor initial_state;
  bool silu = false;
};

constexpr size_t kInputs = 4;

/** The gradients of the inputs, in the same order; undefined where not wanted. */
using ConvGradients = std::array<Tensor, kInputs>;

template <typename T>
cpu::CausalConv1dInputs<T> inputs_of(const ConvTensors& in) {
  cpu::CausalConv1dInputs<T> views;
  views.sizes.batch = in.x.size(0);
  views.sizes.length = in.x.size(1);
  views.sizes.channels = in.x.size(2);
  views.sizes.width = in.weight.size(1);
  views.x = view3<cpu::SequenceView<const T>>(in.x, data_or_null<T>(in.x));
  views.weight = {data_or_null<T>(in.weight), in.weight.stride(0)};
  views.bias = data_or_null<T>(in.bias);
  views.silu = in.silu;
  views.initial_state = view3<cpu::BatchedMatrixView<const T>>(in.initial_state, data_or_null<T>(in.initial_state));
  return views;
}

template <typename T>
std::tuple<Tensor, Tensor> forward_on_cpu(const ConvTensors& in) {
  const auto& kernels = cpu::causal_conv1d_kernels<T>();
  cpu::CausalConv1dForward<T> args;
  args.in = inputs_of<T>(in);
  const auto& sizes = args.in.sizes;
  const cpu::CausalConv1dPlan plan = kernels.plan(sizes);
  const Tensor output = at::empty({sizes.batch, sizes.length, sizes.channels}, in.x.options());
  const Tensor final_state = at::empty({sizes.batch, sizes.width - 1, sizes.channels}, in.x.options());
  args.out = view3<cpu::SequenceView<T>>(output, mutable_data_or_null<T>(output));
  args.final_state = view3<cpu::BatchedMatrixView<T>>(final_state, mutable_data_or_null<T>(final_state));
  at::parallel_for(0, plan.forward_blocks, plan.forward_grain, [&](int64_t begin, int64_t end) { kernels.forward(args, begin, end); });
  return {output, final_state};
}

template <typename T>
ConvGradients backward_on_cpu(
    const ConvTensors& in, const Tensor& output_gradient, const Tensor& state_gradient, const std::array<bool, kInputs>& wanted) {
  const auto& kernels = cpu::causal_conv1d_kernels<T>();
  cpu::CausalConv1dBackward<T> args;
  args.in = inputs_of<T>(in);
  const cpu::CausalConv1dPlan plan = kernels.plan(args.in.sizes);
  const Tensor inputs[kInputs] = {in.x, in.weight, in.bias, in.initial_state};
  ConvGradients gradients;
  for (size_t i = 0; i < kInputs; i++) {
    if (wanted[i]) {
      gradients[i] = at::empty(inputs[i].sizes(), in.x.options());
    }
  }
  const Tensor workspace = at::empty({plan.backward_workspace_elements}, in.x.options());
  const auto data = [&](size_t i) { return mutable_data_or_null<T>(gradients[i]); };
  args.d_out = view3<cpu::SequenceView<const T>>(output_gradient, data_or_null<T>(output_gradient));
  args.d_final_state = view3<cpu::BatchedMatrixView<const T>>(state_gradient, data_or_null<T>(state_gradient));
  args.workspace = mutable_data_or_null<T>(workspace);
  args.d_x = view3<cpu::SequenceView<T>>(gradients[0], data(0));
  args.d_weight = gradients[1].defined() ? cpu::MatrixView<T>{data(1), gradients[1].stride(0)} : cpu::MatrixView<T>{};
  args.d_bias = data(2);
  args.d_initial_state = view3<cpu::BatchedMatrixView<T>>(gradients[3], data(3));
  at::parallel_for(0, plan.backward_blocks, plan.backward_grain, [&](int64_t begin, int64_t end) { kernels.backward(args, begin, end); });
  at::parallel_for(0, plan.backward_reduce_blocks, plan.backward_reduce_grain, [&](int64_t begin, int64_t end) {
    kernels.backward_reduce(args, begin, end);
  });
  return gradients;
}

/* The dispatch by device and type. The checks admit float and double on the CPU. */

std::tuple<Tensor, Tensor> forward_of(const ConvTensors& in) {
  return in.x.scalar_type() == at::kDouble ? forward_on_cpu<double>(in) : forward_on_cpu<float>(in);
}

ConvGradients backward_of(
    const ConvTensors& in, const Tensor& output_gradient, const Tensor& state_gradient, const std::array<bool, kInputs>& wanted) {
  return in.x.scalar_type() == at::kDouble ? backward_on_cpu<double>(in, output_gradient, state_gradient, wanted)
                                           : backward_on_cpu<float>(in, output_gradient, state_gradient, wanted);
}

ConvTensors prepared(
    const Tensor& x, const Tensor& weight, const OptionalTensor& bias, const OptionalTensor& initial_state, bool silu) {
  return {last_axis_contiguous(x), last_axis_contiguous(weight), last_axis_contiguous(or_undefined(bias)),
          last_axis_contiguous(or_undefined(initial_state)), silu};
}

struct CausalConv1dFunction : torch::autograd::Function<CausalConv1dFunction> {
  static variable_list forward(
      AutogradContext* ctx, const Tensor& x, const Tensor& weight, const OptionalTensor& bias, const OptionalTensor& initial_state,
      bool silu) {
    at::AutoDispatchBelowADInplaceOrView guard;
    const ConvTensors in = prepared(x, weight, bias, initial_state, silu);
    const auto [output, final_state] = forward_of(in);
    ctx->set_materialize_grads(false);
    ctx->save_for_backward({in.x, in.weight, in.bias, in.initial_state});
    ctx->saved_data["silu"] = silu;
    return {output, final_state};
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    variable_list result(kInputs + 1);
    if (!gradients[0].defined() && !gradients[1].defined()) {
      return result;
    }
    check_once_differentiable("causal conv1d");
    at::AutoDispatchBelowADInplaceOrView guard;
    const variable_list saved = ctx->get_saved_variables();
    const ConvTensors in = {saved[0], saved[1], saved[2], saved[3], ctx->saved_data["silu"].toBool()};
    std::array<bool, kInputs> wanted = {};
    size_t edge = 0;
    for (size_t i = 0; i < kInputs; i++) {
      wanted[i] = saved[i].defined() && ctx->needs_input_grad(edge++);
    }
    const Tensor output_gradient =
        gradients[0].defined() ? last_axis_contiguous(gradients[0]) : at::zeros({in.x.size(2)}, in.x.options()).expand(in.x.sizes());
    const ConvGradients computed = backward_of(in, output_gradient, last_axis_contiguous(gradients[1]), wanted);
    std::copy(computed.begin(), computed.end(), result.begin());
    return result;
  }
};

void check_arguments(const Tensor& x, const Tensor& weight, const OptionalTensor& bias, const OptionalTensor& initial_state) {
  ArgumentCheck check("causal conv1d");
  check.tensor("x", x);
  if (x.dim() != 3 || x.size(2) == 0) {
    check.fail("x", c10::str("has shape ", x.sizes(), "; expected (B, L, D) with at least one channel"));
  }
  const int64_t batch = x.size(0);
  const int64_t channels = x.size(2);
  check.tensor("weight", weight);
  if (weight.dim() != 2 || weight.size(0) != channels || weight.size(1) == 0) {
    check.fail("weight", c10::str("has shape ", weight.sizes(), "; expected (D, W) with D = ", channels, " and at least one tap"));
  }
  const int64_t width = weight.size(1);
  check.optional("bias", bias, "(D)", {channels});
  check.optional("initialState", initial_state, "(B, W - 1, D)", {batch, width - 1, channels});
  check.elements("the output", x.sizes());
  check.elements("the final state", {batch, width - 1, channels});
}

}  // namespace

std::tuple<Tensor, Tensor> causal_conv1d(
    const Tensor& x, const Tensor& weight, const OptionalTensor& bias, const OptionalTensor& initial_state, bool silu) {
  check_arguments(x, weight, bias, initial_state);
  if (wants_gradient({x, weight, bias, initial_state})) {
    const variable_list results = CausalConv1dFunction::apply(x, weight, bias, initial_state, silu);
    return {results[0], results[1]};
  }
  at::AutoDispatchBelowADInplaceOrView guard;
  return forward_of(prepared(x, weight, bias, initial_state, silu));
}

void define_causal_conv1d(torch::Library& library) {
  library.def(
      "causal_conv1d(Tensor x, Tensor weight, Tensor? bias=None, Tensor? initial_state=None, bool silu=False) -> (Tensor, Tensor)",
      &causal_conv1d);
}

}  // namespace djlmamba
