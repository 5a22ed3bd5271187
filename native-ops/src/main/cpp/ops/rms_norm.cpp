/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "kernels/cpu/rms_norm.h"

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

constexpr const char* kOp = "RMS norm";

/** The arguments as kernels take them, of shape (batch, length, channels); an optional one that is not given is undefined. */
struct NormTensors {
  Tensor x;
  Tensor residual;
  Tensor gate;
  Tensor weight;
  RmsNormOptions options;
  /** Of x and the gate, and of the output. */
  at::ScalarType type = at::kFloat;
  at::ScalarType output_type = at::kFloat;
};

constexpr size_t kInputs = 4;

/** The gradients of x, the residual, the gate and the weight; undefined where not wanted. */
using NormGradients = std::array<Tensor, kInputs>;

/** Calls function(T, X, O) with values of the types of rms_norm.h. */
template <typename Function>
auto with_norm_types(const NormTensors& in, Function&& function) {
  return with_types(in.type, [&](auto t, auto x) {
    if constexpr (std::is_same_v<decltype(t), float> && std::is_same_v<decltype(x), float>) {
      return in.output_type == at::kBFloat16 ? function(t, x, cpu::BFloat16()) : function(t, x, x);
    } else {
      return function(t, x, x);
    }
  });
}

template <typename T, typename X>
cpu::RmsNormInputs<T, X> inputs_of(const NormTensors& in) {
  const Tensor& leader = in.x.defined() ? in.x : in.residual;
  cpu::RmsNormInputs<T, X> views;
  views.sizes = {leader.size(0), leader.size(1), leader.size(2), in.options.groups};
  views.x = view3<cpu::SequenceView<const X>>(in.x, data_or_null<X>(in.x));
  views.residual = view3<cpu::SequenceView<const T>>(in.residual, data_or_null<T>(in.residual));
  views.order = !in.gate.defined() ? cpu::RmsNormGate::kNone : in.options.gate_first ? cpu::RmsNormGate::kFirst : cpu::RmsNormGate::kLast;
  views.gate = view3<cpu::SequenceView<const X>>(in.gate, data_or_null<X>(in.gate));
  views.weight = data_or_null<T>(in.weight);
  views.epsilon = static_cast<T>(in.options.epsilon);
  return views;
}

/** The output and the sum with the residual, undefined without one. */
std::tuple<Tensor, Tensor> forward_of(const NormTensors& in) {
  const Tensor output = at::empty(in.x.sizes(), in.x.options().dtype(in.output_type));
  const Tensor sum = in.residual.defined() ? at::empty(in.x.sizes(), in.residual.options()) : Tensor();
  with_norm_types(in, [&](auto t, auto x, auto o) {
    using T = decltype(t);
    using X = decltype(x);
    using O = decltype(o);
    const auto& kernels = cpu::rms_norm_kernels<T, X, O>();
    cpu::RmsNormForward<T, X, O> args;
    args.in = inputs_of<T, X>(in);
    args.out = view3<cpu::SequenceView<O>>(output, mutable_data_or_null<O>(output));
    args.sum = view3<cpu::SequenceView<T>>(sum, mutable_data_or_null<T>(sum));
    const cpu::RmsNormPlan plan = kernels.plan(args.in.sizes);
    at::parallel_for(0, plan.forward_blocks, plan.forward_grain, [&](int64_t begin, int64_t end) { kernels.forward(args, begin, end); });
  });
  return {output, sum};
}

NormGradients backward_of(
    const NormTensors& in, const Tensor& output_gradient, const Tensor& sum_gradient, const std::array<bool, kInputs>& wanted) {
  const Tensor& leader = in.x.defined() ? in.x : in.residual;
  const auto type = leader.options().dtype(in.type);
  const auto parameter = leader.options().dtype(parameter_type(in.type));
  // Where the types agree, one array is the gradient of both terms of the sum.
  const bool shared = wanted[0] && wanted[1] && type.dtype() == parameter.dtype();
  NormGradients gradients;
  gradients[0] = wanted[0] ? at::empty(leader.sizes(), type) : Tensor();
  gradients[1] = wanted[1] && !shared ? at::empty(leader.sizes(), parameter) : Tensor();
  gradients[2] = wanted[2] ? at::empty(leader.sizes(), type) : Tensor();
  gradients[3] = wanted[3] ? at::empty(in.weight.sizes(), parameter) : Tensor();
  with_norm_types(in, [&](auto t, auto x, auto o) {
    using T = decltype(t);
    using X = decltype(x);
    using O = decltype(o);
    const auto& kernels = cpu::rms_norm_kernels<T, X, O>();
    cpu::RmsNormBackward<T, X, O> args;
    args.in = inputs_of<T, X>(in);
    const cpu::RmsNormPlan plan = kernels.plan(args.in.sizes);
    const Tensor workspace = at::empty({wanted[3] ? plan.backward_workspace_elements : 0}, parameter);
    args.d_out = view3<cpu::SequenceView<const O>>(output_gradient, data_or_null<O>(output_gradient));
    args.d_sum = view3<cpu::SequenceView<const T>>(sum_gradient, data_or_null<T>(sum_gradient));
    args.workspace = mutable_data_or_null<T>(workspace);
    args.d_x = view3<cpu::SequenceView<X>>(gradients[0], mutable_data_or_null<X>(gradients[0]));
    args.d_residual = view3<cpu::SequenceView<T>>(gradients[1], mutable_data_or_null<T>(gradients[1]));
    args.d_gate = view3<cpu::SequenceView<X>>(gradients[2], mutable_data_or_null<X>(gradients[2]));
    args.d_weight = mutable_data_or_null<T>(gradients[3]);
    at::parallel_for(0, plan.backward_blocks, plan.backward_grain, [&](int64_t begin, int64_t end) { kernels.backward(args, begin, end); });
    at::parallel_for(0, plan.backward_reduce_blocks, plan.backward_reduce_grain, [&](int64_t begin, int64_t end) {
      kernels.backward_reduce(args, begin, end);
    });
  });
  if (shared) {
    gradients[1] = gradients[0];
  }
  return gradients;
}

NormTensors prepared(
    const Tensor& x, const OptionalTensor& residual, const OptionalTensor& gate, const OptionalTensor& weight, const RmsNormOptions& options) {
  NormTensors in;
  in.x = as_rows(x);
  in.residual = as_rows(or_undefined(residual));
  in.gate = as_rows(or_undefined(gate));
  in.weight = last_axis_contiguous(or_undefined(weight));
  in.options = options;
  in.type = x.scalar_type();
  in.output_type = options.bfloat16_output ? at::kBFloat16 : in.type;
  return in;
}

struct RmsNormFunction : torch::autograd::Function<RmsNormFunction> {
  static variable_list forward(
      AutogradContext* ctx, const Tensor& x, const OptionalTensor& residual, const OptionalTensor& gate, const OptionalTensor& weight,
      const RmsNormOptions& options) {
    at::AutoDispatchBelowADInplaceOrView guard;
    const NormTensors in = prepared(x, residual, gate, weight, options);
    const auto [output, sum] = forward_of(in);
    ctx->set_materialize_grads(false);
    const Tensor shaped_sum = sum.defined() ? sum.view(x.sizes()) : sum;
    // The sum stands for both of its terms.
    ctx->save_for_backward({sum.defined() ? Tensor() : in.x, shaped_sum, in.gate, in.weight});
    ctx->saved_data["sizes"] = x.sizes();
    ctx->saved_data["type"] = static_cast<int64_t>(in.type);
    ctx->saved_data["output_type"] = static_cast<int64_t>(in.output_type);
    ctx->saved_data["groups"] = options.groups;
    ctx->saved_data["gate_first"] = options.gate_first;
    ctx->saved_data["epsilon"] = options.epsilon;
    variable_list results = {output.view(x.sizes())};
    if (sum.defined()) {
      results.push_back(shaped_sum);
    }
    return results;
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    variable_list result(kInputs + 1);
    const Tensor sum_gradient = gradients.size() > 1 ? gradients[1] : Tensor();
    if (!gradients[0].defined() && !sum_gradient.defined()) {
      return result;
    }
    check_once_differentiable(kOp);
    at::AutoDispatchBelowADInplaceOrView guard;
    const variable_list saved = ctx->get_saved_variables();
    NormTensors in;
    in.x = saved[0];
    in.residual = as_rows(saved[1]);
    in.gate = saved[2];
    in.weight = saved[3];
    in.options.groups = ctx->saved_data["groups"].toInt();
    in.options.gate_first = ctx->saved_data["gate_first"].toBool();
    in.options.epsilon = ctx->saved_data["epsilon"].toDouble();
    in.type = static_cast<at::ScalarType>(ctx->saved_data["type"].toInt());
    in.output_type = static_cast<at::ScalarType>(ctx->saved_data["output_type"].toInt());
    const bool given[kInputs] = {true, saved[1].defined(), saved[2].defined(), saved[3].defined()};
    std::array<bool, kInputs> wanted = {};
    size_t edge = 0;
    for (size_t i = 0; i < kInputs; i++) {
      wanted[i] = given[i] && ctx->needs_input_grad(edge++);
    }
    const NormGradients computed = backward_of(in, as_rows(gradients[0]), as_rows(sum_gradient), wanted);
    const std::vector<int64_t> sizes = ctx->saved_data["sizes"].toIntVector();
    for (size_t i = 0; i < kInputs; i++) {
      result[i] = computed[i].defined() && i < 3 ? computed[i].view(sizes) : computed[i];
    }
    return result;
  }
};

void check_arguments(
    const Tensor& x, const OptionalTensor& residual, const OptionalTensor& gate, const OptionalTensor& weight, const RmsNormOptions& options) {
  ArgumentCheck check(kOp, BFloat16Activations::kTaken);
  check.tensor("x", x);
  if (x.dim() == 0 || x.size(-1) == 0) {
    check.fail("x", c10::str("has shape ", x.sizes(), "; expected (..., M) with at least one channel"));
  }
  const int64_t channels = x.size(-1);
  if (options.groups < 1 || channels % options.groups != 0) {
    check.fail("groups", c10::str("is ", options.groups, "; expected a divisor of the ", channels, " channels"));
  }
  if (!(options.epsilon > 0) || std::isinf(options.epsilon)) {
    check.fail("epsilon", c10::str("is ", options.epsilon, "; expected a small positive number"));
  }
  check.optional_parameter("residual", residual, "(..., M), as in x", x.sizes());
  check.optional("gate", gate, "(..., M), as in x", x.sizes());
  check.optional_parameter("weight", weight, "(M)", {channels});
  if (options.bfloat16_output && x.scalar_type() == at::kDouble) {
    check.fail("x", "has type Double; an output in BFloat16 is made of Float or BFloat16");
  }
  check.elements("the output", x.sizes());
}

}  // namespace

std::tuple<Tensor, OptionalTensor> rms_norm(
    const Tensor& x, const OptionalTensor& residual, const OptionalTensor& gate, const OptionalTensor& weight, const RmsNormOptions& options) {
  check_arguments(x, residual, gate, weight, options);
  if (wants_gradient({x, residual, gate, weight})) {
    const variable_list results = RmsNormFunction::apply(x, residual, gate, weight, options);
    return {results[0], results.size() > 1 ? OptionalTensor(results[1]) : std::nullopt};
  }
  at::AutoDispatchBelowADInplaceOrView guard;
  const auto [output, sum] = forward_of(prepared(x, residual, gate, weight, options));
  return {output.view(x.sizes()), sum.defined() ? OptionalTensor(sum.view(x.sizes())) : std::nullopt};
}

void define_rms_norm(torch::Library& library) {
  library.def(
      "rms_norm(Tensor x, Tensor? residual=None, Tensor? gate=None, Tensor? weight=None, int groups=1, bool gate_first=False, "
      "float epsilon=1e-05, bool bfloat16_output=False) -> (Tensor, Tensor?)",
      [](const Tensor& x, const OptionalTensor& residual, const OptionalTensor& gate, const OptionalTensor& weight, int64_t groups,
         bool gate_first, double epsilon, bool bfloat16_output) {
        return rms_norm(x, residual, gate, weight, {groups, gate_first, epsilon, bfloat16_output});
      });
}

}  // namespace djlmamba
