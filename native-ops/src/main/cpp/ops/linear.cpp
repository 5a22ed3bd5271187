/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ops/checks.h"
#include "ops/linear_products.h"
#include "ops/ops.h"

namespace djlmamba {
namespace {

using at::Tensor;

/** (..., K) as (rows, K); the row count is given since it cannot be inferred from no elements. */
Tensor rows_of(const Tensor& tensor) {
  if (tensor.dim() == 2) {
    return tensor;
  }
  const auto sizes = tensor.sizes();
  return tensor.reshape({c10::multiply_integers(sizes.begin(), sizes.end() - 1), sizes.back()});
}

std::vector<int64_t> with_last(at::IntArrayRef sizes, int64_t last) {
  std::vector<int64_t> result = sizes.vec();
  result.back() = last;
  return result;
}

Tensor forward_of(const Tensor& input, const Tensor& weight, const OptionalTensor& bias, bool bfloat16) {
  at::AutoDispatchBelowADInplaceOrView guard;
  c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const Tensor rows = rows_of(input);
  Tensor output =
      bfloat16 ? bfloat16_product_of(Product::kOutput, rows, weight, bias) : product_of(Product::kOutput, rows, weight, bias);
  return input.dim() == 2 ? output : output.view(with_last(input.sizes(), weight.size(0)));
}

struct LinearFunction : torch::autograd::Function<LinearFunction> {
  static Tensor forward(
      torch::autograd::AutogradContext* ctx, const Tensor& input, const Tensor& weight, const OptionalTensor& bias, bool bfloat16) {
    ctx->set_materialize_grads(false);
    ctx->save_for_backward({input, weight});
    ctx->saved_data["bias"] = bias.has_value();
    return forward_of(input, weight, bias, bfloat16);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx, torch::autograd::variable_list gradients) {
    torch::autograd::variable_list result(4);
    if (!gradients[0].defined()) {
      return result;
    }
    c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
    const auto saved = ctx->get_saved_variables();
    const Tensor& input = saved[0];
    const Tensor& weight = saved[1];
    const Tensor given = rows_of(gradients[0]);
    // What sums are made in: a weight may be stored in BFloat16.
    const at::ScalarType wide = input.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    // That of a BFloat16 output is BFloat16, and the sums that it goes into are float.
    const bool bfloat16 = given.scalar_type() == at::kBFloat16;
    // With a graph of the backward pass asked for, only differentiable calls will do.
    const bool twice = at::GradMode::is_enabled();
    if (ctx->needs_input_grad(0)) {
      Tensor rows;
      if (twice) {
        rows = at::mm(given.to(wide), weight.to(wide));
      } else {
        rows = bfloat16 ? bfloat16_product_of(Product::kInputGradient, given, weight.t())
                        : product_of(Product::kInputGradient, given, weight.t());
      }
      result[0] = rows.view(input.sizes()).to(input.scalar_type());
    }
    if (ctx->needs_input_grad(1)) {
      const Tensor gradient = given.to(wide);
      const Tensor rows = rows_of(input).to(wide);
      const Tensor product = twice ? at::mm(gradient.t(), rows) : product_of(Product::kWeightGradient, gradient.t(), rows.t());
      result[1] = product.to(weight.scalar_type());
    }
    if (ctx->saved_data["bias"].toBool() && ctx->needs_input_grad(2)) {
      result[2] = given.sum(0, false, wide);
    }
    return result;
  }
};

/** The product where this library has nothing of its own: on other devices, or in automatic casting to another type. */
bool left_to_libtorch(const Tensor& input) {
  return !input.device().is_cpu() || (at::autocast::is_autocast_enabled(at::kCPU) && !in_bfloat16());
}

}  // namespace

Tensor linear(const Tensor& input, const Tensor& weight, const OptionalTensor& optional_bias) {
  const OptionalTensor bias = optional_bias.has_value() && optional_bias->defined() ? optional_bias : std::nullopt;
  if (weight.defined() && input.defined() && left_to_libtorch(input)) {
    return at::linear(input, weight, bias);
  }
  const bool in_stretch = in_bfloat16();
  ArgumentCheck check("linear", in_stretch ? BFloat16Activations::kTaken : BFloat16Activations::kRefused);
  check.tensor("input", input);
  check.weight("weight", weight);
  if (weight.dim() != 2) {
    check.fail("weight", c10::str("has shape ", weight.sizes(), "; expected (O, I)"));
  }
  if (input.dim() == 0 || input.size(-1) != weight.size(1)) {
    check.fail("input", c10::str("has shape ", input.sizes(), "; expected (..., I) with I = ", weight.size(1)));
  }
  check.optional_parameter("bias", bias, "(O)", {weight.size(0)});
  check.elements("the result", with_last(input.sizes(), weight.size(0)));
  const bool bfloat16 = in_stretch && input.scalar_type() != at::kDouble;
  if (wants_gradient({input, weight, bias})) {
    return LinearFunction::apply(input, weight, bias, bfloat16);
  }
  return forward_of(input, weight, bias, bfloat16);
}

void define_linear(torch::Library& library) {
  library.def("linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor", &linear);
}

}  // namespace djlmamba
