/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "kernels/cpu/gated_product.h"

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

constexpr const char* kOp = "gated product";

template <typename X>
cpu::GatedProductInputs<X> inputs_of(const Tensor& gate, const Tensor& x) {
  return {
      {x.size(0), x.size(1), x.size(2)},
      view3<cpu::SequenceView<const X>>(gate, data_or_null<X>(gate)),
      view3<cpu::SequenceView<const X>>(x, data_or_null<X>(x))};
}

/** Of inputs with three axes; the gradients likewise. */
Tensor forward_of(const Tensor& gate, const Tensor& x) {
  const Tensor output = at::empty(x.sizes(), x.options());
  with_types(x.scalar_type(), [&](auto t, auto stored) {
    using X = decltype(stored);
    const auto& kernels = cpu::gated_product_kernels<decltype(t), X>();
    const cpu::GatedProductForward<X> args = {inputs_of<X>(gate, x), view3<cpu::SequenceView<X>>(output, mutable_data_or_null<X>(output))};
    const cpu::GatedProductPlan plan = kernels.plan(args.in.sizes);
    at::parallel_for(0, plan.blocks, plan.grain, [&](int64_t begin, int64_t end) { kernels.forward(args, begin, end); });
  });
  return output;
}

std::array<Tensor, 2> backward_of(const Tensor& gate, const Tensor& x, const Tensor& output_gradient, const std::array<bool, 2>& wanted) {
  std::array<Tensor, 2> gradients;
  for (size_t i = 0; i < 2; i++) {
    gradients[i] = wanted[i] ? at::empty(x.sizes(), x.options()) : Tensor();
  }
  with_types(x.scalar_type(), [&](auto t, auto stored) {
    using X = decltype(stored);
    const auto& kernels = cpu::gated_product_kernels<decltype(t), X>();
    const cpu::GatedProductBackward<X> args = {
        inputs_of<X>(gate, x), view3<cpu::SequenceView<const X>>(output_gradient, data_or_null<X>(output_gradient)),
        view3<cpu::SequenceView<X>>(gradients[0], mutable_data_or_null<X>(gradients[0])),
        view3<cpu::SequenceView<X>>(gradients[1], mutable_data_or_null<X>(gradients[1]))};
    const cpu::GatedProductPlan plan = kernels.plan(args.in.sizes);
    at::parallel_for(0, plan.blocks, plan.grain, [&](int64_t begin, int64_t end) { kernels.backward(args, begin, end); });
  });
  return gradients;
}

struct GatedProductFunction : torch::autograd::Function<GatedProductFunction> {
  static Tensor forward(AutogradContext* ctx, const Tensor& gate, const Tensor& x) {
    at::AutoDispatchBelowADInplaceOrView guard;
    const Tensor gate_rows = as_rows(gate);
    const Tensor x_rows = as_rows(x);
    ctx->save_for_backward({gate_rows, x_rows});
    ctx->saved_data["sizes"] = x.sizes();
    return forward_of(gate_rows, x_rows).view(x.sizes());
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    check_once_differentiable(kOp);
    at::AutoDispatchBelowADInplaceOrView guard;
    const variable_list saved = ctx->get_saved_variables();
    const auto computed = backward_of(saved[0], saved[1], as_rows(gradients[0]), {ctx->needs_input_grad(0), ctx->needs_input_grad(1)});
    const std::vector<int64_t> sizes = ctx->saved_data["sizes"].toIntVector();
    variable_list result;
    for (const Tensor& gradient : computed) {
      result.push_back(gradient.defined() ? gradient.view(sizes) : gradient);
    }
    return result;
  }
};

}  // namespace

Tensor gated_product(const Tensor& gate, const Tensor& x) {
  ArgumentCheck check(kOp, BFloat16Activations::kTaken);
  check.tensor("gate", gate);
  check.tensor("x", x, "(..., M), as in the gate", gate.sizes());
  check.elements("the output", x.sizes());
  if (wants_gradient({gate, x})) {
    return GatedProductFunction::apply(gate, x);
  }
  at::AutoDispatchBelowADInplaceOrView guard;
  return forward_of(as_rows(gate), as_rows(x)).view(x.sizes());
}

void define_gated_product(torch::Library& library) {
  library.def("gated_product(Tensor gate, Tensor x) -> Tensor", &gated_product);
}

}  // namespace djlmamba
