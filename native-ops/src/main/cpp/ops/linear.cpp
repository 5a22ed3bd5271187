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
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "ops/checks.h"
#include "ops/ops.h"

/*
 * libtorch has two implementations of a float product: MKL's, behind at::mm, and oneDNN's, behind mkldnn::_linear_pointwise. Which one is
 * faster depends on the processor's maker, by up to a factor of two, so both are timed once, for each of the three products of a layer.
 */
namespace djlmamba {
namespace {

using at::Tensor;

/** The products of a layer: its output x W^T, and the gradients g W of x and g^T x of W. They differ in what is transposed in memory. */
enum class Product { kOutput, kInputGradient, kWeightGradient };

using OneDnnLinear = Tensor(
    const Tensor&, const Tensor&, const std::optional<Tensor>&, c10::string_view, c10::List<std::optional<at::Scalar>>,
    std::optional<c10::string_view>);

/** oneDNN's product, if this libtorch has it. */
const std::optional<c10::TypedOperatorHandle<OneDnnLinear>>& onednn_handle() {
  static const auto handle = []() -> std::optional<c10::TypedOperatorHandle<OneDnnLinear>> {
    try {
      auto schema = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
      if (schema.has_value() && schema->hasKernelForDispatchKey(c10::DispatchKey::CPU)) {
        return schema->typed<OneDnnLinear>();
      }
    } catch (const c10::Error&) {
      // Its signature is another one in this version.
    }
    return std::nullopt;
  }();
  return handle;
}

Tensor onednn_product(const Tensor& a, const Tensor& b, const std::optional<Tensor>& bias) {
  return onednn_handle()->call(a, b, bias, "none", c10::List<std::optional<at::Scalar>>(), "");
}

Tensor aten_product(const Tensor& a, const Tensor& b, const std::optional<Tensor>& bias) {
  return bias.has_value() ? at::addmm(*bias, a, b.t()) : at::mm(a, b.t());
}

struct Choice {
  bool onednn[3] = {false, false, false};
};

using ProductFunction = Tensor (*)(const Tensor&, const Tensor&, const std::optional<Tensor>&);

double milliseconds(ProductFunction product, const Tensor& a, const Tensor& b) {
  const auto start = std::chrono::steady_clock::now();
  product(a, b, std::nullopt);
  const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start;
  return elapsed.count();
}

/** Whether oneDNN is clearly faster: by its best time of several, in turns so that what disturbs the machine disturbs both. */
bool onednn_wins(const Tensor& a, const Tensor& b) {
  constexpr int kTurns = 8;
  double onednn = 1e9;
  double aten = 1e9;
  for (int turn = 0; turn < kTurns; turn++) {
    onednn = std::min(onednn, milliseconds(onednn_product, a, b));
    aten = std::min(aten, milliseconds(aten_product, a, b));
  }
  return onednn * 1.25 < aten;
}

/** Times both on a layer of a small model. oneDNN must win clearly, so that a tie gives the same choice in every run. */
Choice choose() {
  Choice choice;
  const char* forced = std::getenv("DJLMAMBA_LINEAR");
  const std::string name = forced == nullptr ? "" : forced;
  if (!onednn_handle().has_value() || name == "aten") {
    return choice;
  }
  try {
    at::AutoDispatchBelowADInplaceOrView guard;
    c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
    constexpr int64_t kRows = 192;
    constexpr int64_t kInputs = 384;
    constexpr int64_t kOutputs = 512;
    const auto options = at::TensorOptions().dtype(at::kFloat);
    const Tensor x = at::full({kRows, kInputs}, 0.5, options);
    const Tensor weight = at::full({kOutputs, kInputs}, 0.25, options);
    const Tensor gradient = at::full({kRows, kOutputs}, 0.125, options);
    const Tensor pairs[3][2] = {{x, weight}, {gradient, weight.t()}, {gradient.t(), x.t()}};
    for (int product = 0; product < 3; product++) {
      choice.onednn[product] = name == "onednn" || onednn_wins(pairs[product][0], pairs[product][1]);
    }
  } catch (const std::exception&) {
    return Choice();
  }
  return choice;
}

const Choice& choice() {
  static const Choice chosen = choose();
  return chosen;
}

/** a (M, K) times the transpose of b (N, K), of any strides. */
Tensor product_of(Product product, const Tensor& a, const Tensor& b, const std::optional<Tensor>& bias = std::nullopt) {
  const bool empty = a.numel() == 0 || b.numel() == 0;
  // A single row is bound by reading b, where both are alike.
  if (!empty && a.scalar_type() == at::kFloat && a.size(0) > 1 && choice().onednn[static_cast<int>(product)]) {
    // oneDNN takes b as it is or transposed, and bias without gaps.
    const bool plain = b.is_contiguous() || b.t().is_contiguous();
    return onednn_product(a, plain ? b : b.contiguous(), bias.has_value() ? OptionalTensor(bias->contiguous()) : bias);
  }
  return aten_product(a, b, bias);
}

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

Tensor forward_of(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias) {
  at::AutoDispatchBelowADInplaceOrView guard;
  Tensor output = product_of(Product::kOutput, rows_of(input), weight, bias);
  return input.dim() == 2 ? output : output.view(with_last(input.sizes(), weight.size(0)));
}

struct LinearFunction : torch::autograd::Function<LinearFunction> {
  static Tensor forward(
      torch::autograd::AutogradContext* ctx, const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias) {
    ctx->set_materialize_grads(false);
    ctx->save_for_backward({input, weight});
    ctx->saved_data["bias"] = bias.has_value();
    return forward_of(input, weight, bias);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx, torch::autograd::variable_list gradients) {
    torch::autograd::variable_list result(3);
    if (!gradients[0].defined()) {
      return result;
    }
    const auto saved = ctx->get_saved_variables();
    const Tensor& input = saved[0];
    const Tensor& weight = saved[1];
    const Tensor gradient = rows_of(gradients[0]);
    // With a graph of the backward pass asked for, only differentiable calls will do.
    const bool twice = at::GradMode::is_enabled();
    if (ctx->needs_input_grad(0)) {
      const Tensor rows = twice ? at::mm(gradient, weight) : product_of(Product::kInputGradient, gradient, weight.t());
      result[0] = rows.view(input.sizes());
    }
    if (ctx->needs_input_grad(1)) {
      const Tensor rows = rows_of(input);
      result[1] = twice ? at::mm(gradient.t(), rows) : product_of(Product::kWeightGradient, gradient.t(), rows.t());
    }
    if (ctx->saved_data["bias"].toBool() && ctx->needs_input_grad(2)) {
      result[2] = gradient.sum(0);
    }
    return result;
  }
};

bool autocast() {
  return at::autocast::is_autocast_enabled(at::kCPU);
}

}  // namespace

std::string linear_choice() {
  const auto& onednn = choice().onednn;
  const auto name = [&](int product) { return onednn[product] ? std::string("onednn") : std::string("aten"); };
  return name(0) + "/" + name(1) + "/" + name(2);
}

Tensor linear_product(const std::string& implementation, const Tensor& a, const Tensor& b) {
  if (implementation == "aten") {
    return aten_product(a, b, std::nullopt);
  }
  TORCH_CHECK_VALUE(implementation == "onednn", "there is no product by ", implementation, "; expected aten or onednn");
  return onednn_handle().has_value() ? onednn_product(a, b, std::nullopt) : Tensor();
}

Tensor linear(const Tensor& input, const Tensor& weight, const OptionalTensor& optional_bias) {
  const OptionalTensor bias = optional_bias.has_value() && optional_bias->defined() ? optional_bias : std::nullopt;
  if (weight.defined() && input.defined() && (autocast() || !input.device().is_cpu())) {
    return at::linear(input, weight, bias);
  }
  ArgumentCheck check("linear");
  check.tensor("input", input);
  check.tensor("weight", weight);
  if (weight.dim() != 2) {
    check.fail("weight", c10::str("has shape ", weight.sizes(), "; expected (O, I)"));
  }
  if (input.dim() == 0 || input.size(-1) != weight.size(1)) {
    check.fail("input", c10::str("has shape ", input.sizes(), "; expected (..., I) with I = ", weight.size(1)));
  }
  check.optional("bias", bias, "(O)", {weight.size(0)});
  check.elements("the result", with_last(input.sizes(), weight.size(0)));
  if (wants_gradient({input, weight, bias})) {
    return LinearFunction::apply(input, weight, bias);
  }
  return forward_of(input, weight, bias);
}

void define_linear(torch::Library& library) {
  library.def("linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor", &linear);
}

}  // namespace djlmamba
