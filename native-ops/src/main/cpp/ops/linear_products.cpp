/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "ops/linear_products.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <sstream>

#include "kernels/cpu/linear_rows.h"
#include "ops/checks.h"
#include "ops/ops.h"

namespace djlmamba {
namespace {

using at::Tensor;

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

Tensor onednn_product(const Tensor& a, const Tensor& b, const OptionalTensor& bias) {
  return onednn_handle()->call(a, b, bias, "none", c10::List<std::optional<at::Scalar>>(), "");
}

Tensor aten_product(const Tensor& a, const Tensor& b, const OptionalTensor& bias) {
  return bias.has_value() ? at::addmm(*bias, a, b.t()) : at::mm(a, b.t());
}

OptionalTensor converted(const OptionalTensor& tensor, at::ScalarType type) {
  return tensor.has_value() ? OptionalTensor(tensor->to(type)) : std::nullopt;
}

Tensor by_bfloat16(Product, const Tensor& a, const Tensor& b, const OptionalTensor& bias) {
  return aten_product(a.to(at::kBFloat16), b.to(at::kBFloat16), converted(bias, at::kBFloat16));
}

Tensor by_float(Product product, const Tensor& a, const Tensor& b, const OptionalTensor& bias) {
  return product_of(product, a.to(at::kFloat), b, converted(bias, at::kFloat)).to(at::kBFloat16);
}

template <typename T, typename W>
void few_rows_of(int64_t rows, cpu::MatrixView<const T> x, const Tensor& weight, const Tensor& bias, cpu::MatrixView<T> y) {
  const cpu::LinearRows<T, W> args = {{rows, weight.size(1), weight.size(0)},
                                      x.data, x.row_stride,
                                      data_or_null<W>(weight), weight.stride(0),
                                      data_or_null<T>(bias),
                                      y.data, y.row_stride};
  const auto& kernels = cpu::linear_rows_kernels<T, W>();
  const cpu::LinearRowsPlan plan = kernels.plan(args.sizes);
  at::parallel_for(0, plan.blocks, plan.grain, [&](int64_t begin, int64_t end) { kernels.forward(args, begin, end); });
}

template <typename T>
Tensor few_rows_product_of(const Tensor& a, const Tensor& b, const Tensor& bias) {
  const Tensor output = at::empty({a.size(0), b.size(0)}, a.options());
  project_few_rows<T>(a.size(0), {data_or_null<T>(a), a.stride(0)}, b, bias, {mutable_data_or_null<T>(output), output.stride(0)});
  return output;
}

Tensor few_rows_product(const Tensor& a, const Tensor& b, const OptionalTensor& optional_bias) {
  const Tensor rows = last_axis_contiguous(a);
  const Tensor bias = optional_bias.has_value() ? optional_bias->contiguous() : Tensor();
  return a.scalar_type() == at::kDouble ? few_rows_product_of<double>(rows, b, bias) : few_rows_product_of<float>(rows, b, bias);
}

/** A float times a weight of BFloat16, which is widened a few rows at a time, so that what is widened stays in the cache. */
Tensor widened_product(Product product, const Tensor& a, const Tensor& b, const OptionalTensor& bias) {
  constexpr int64_t kWidenedElements = int64_t{1} << 19;
  const int64_t columns = b.size(0);
  const int64_t step = std::max<int64_t>(64, kWidenedElements / std::max<int64_t>(1, b.size(1)));
  if (columns <= step) {
    return product_of(product, a, b.to(at::kFloat), bias);
  }
  const Tensor output = at::empty({a.size(0), columns}, a.options());
  for (int64_t first = 0; first < columns; first += step) {
    const int64_t count = std::min(step, columns - first);
    output.narrow(1, first, count)
        .copy_(product_of(
            product, a, b.narrow(0, first, count).to(at::kFloat),
            bias.has_value() ? OptionalTensor(bias->narrow(0, first, count)) : std::nullopt));
  }
  return output;
}

/** The product as the layer of a small model makes it, a multiplied by the transpose of b. */
struct Operands {
  Tensor a;
  Tensor b;
};

Operands operands_of(Product product, int64_t rows, at::ScalarType activations) {
  constexpr int64_t kInputs = 384;
  constexpr int64_t kOutputs = 512;
  const Tensor x = at::full({rows, kInputs}, 0.5, activations);
  const Tensor weight = at::full({kOutputs, kInputs}, 0.25, at::kFloat);
  const Tensor gradient = at::full({rows, kOutputs}, 0.125, activations);
  switch (product) {
    case Product::kOutput:
      return {x, weight};
    case Product::kInputGradient:
      return {gradient, weight.t()};
    default:
      return {gradient.t(), x.t()};
  }
}

template <typename Function>
double milliseconds(const Function& function) {
  const auto start = std::chrono::steady_clock::now();
  function();
  const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start;
  return elapsed.count();
}

/**
 * Whether the second is clearly faster, so that a tie gives the same choice in every run: by its best time of several, in turns so that what disturbs
 * the machine disturbs both.
 */
template <typename First, typename Second>
bool second_wins(const First& first, const Second& second) {
  constexpr int kTurns = 8;
  double by_first = 1e9;
  double by_second = 1e9;
  for (int turn = 0; turn < kTurns; turn++) {
    by_second = std::min(by_second, milliseconds(second));
    by_first = std::min(by_first, milliseconds(first));
  }
  return by_second * 1.25 < by_first;
}

bool onednn_wins(Product product) {
  if (!onednn_handle().has_value()) {
    return false;
  }
  const Operands o = operands_of(product, 192, at::kFloat);
  return second_wins([&] { aten_product(o.a, o.b, std::nullopt); }, [&] { onednn_product(o.a, o.b, std::nullopt); });
}

bool bfloat16_wins(Product product) {
  const Operands o = operands_of(product, 512, at::kBFloat16);
  return second_wins(
      [&] { by_float(product, o.a, o.b, std::nullopt); }, [&] { by_bfloat16(product, o.a, o.b, std::nullopt); });
}

/** Where nothing is chosen. */
constexpr int kNone = -1;

/** Two ways to make the first few of the products, with the choice between them for each: made by time, unless it is set before. */
class Choice {
 public:
  Choice(const char* first, const char* second, int products, bool (*second_wins)(Product))
      : names_{first, second}, products_(products), second_wins_(second_wins) {}

  bool second(Product product) { return (bits() >> static_cast<int>(product)) & 1; }

  /** The choices as one of the names each, with slashes between them. */
  std::string text() {
    const int chosen = bits();
    std::string text;
    for (int product = 0; product < products_; product++) {
      text += (product > 0 ? "/" : "") + std::string(names_[(chosen >> product) & 1]);
    }
    return text;
  }

  /** Reads such a text, or a single name for all, as a bit for each product; kNone if it is neither. */
  int parse(const std::string& text) const {
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, '/');) {
      parts.push_back(part);
    }
    if (parts.size() == 1) {
      parts.assign(products_, parts[0]);
    }
    if (static_cast<int>(parts.size()) != products_) {
      return kNone;
    }
    int chosen = 0;
    for (int product = 0; product < products_; product++) {
      if (parts[product] == names_[1]) {
        chosen |= 1 << product;
      } else if (parts[product] != names_[0]) {
        return kNone;
      }
    }
    return chosen;
  }

  void set(int chosen) { bits_.store(chosen, std::memory_order_release); }

 private:
  int bits() {
    int chosen = bits_.load(std::memory_order_acquire);
    if (chosen == kNone) {
      const std::lock_guard<std::mutex> lock(mutex_);
      chosen = bits_.load(std::memory_order_acquire);
      if (chosen == kNone) {
        chosen = choose();
        set(chosen);
      }
    }
    return chosen;
  }

  int choose() const {
    int chosen = 0;
    try {
      at::AutoDispatchBelowADInplaceOrView guard;
      c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
      for (int product = 0; product < products_; product++) {
        chosen |= second_wins_(static_cast<Product>(product)) ? 1 << product : 0;
      }
    } catch (const std::exception&) {
      return 0;
    }
    return chosen;
  }

  const std::array<const char*, 2> names_;
  const int products_;
  bool (*const second_wins_)(Product);
  std::mutex mutex_;
  std::atomic<int> bits_{kNone};
};

/** The choices among float products, and between converting to float and multiplying in BFloat16. */
class Choices {
 public:
  Choices() : forced_(parse(std::getenv("DJLMAMBA_LINEAR"))) { set(forced_); }

  Choice& of_float() { return float_; }
  Choice& of_bfloat16() { return bfloat16_; }

  std::string text() { return float_.text() + "," + bfloat16_.text(); }

  /** Takes over choices where they can be had here and none is forced; returns whether all of them hold now. */
  bool repeat(const std::string& text) {
    Parsed wanted = parse(text.c_str());
    const bool available = wanted.of_float <= 0 || onednn_handle().has_value();
    const bool agrees = agree(wanted.of_float, forced_.of_float) && agree(wanted.of_bfloat16, forced_.of_bfloat16);
    if (!available || forced_.of_float != kNone) {
      wanted.of_float = kNone;
    }
    if (forced_.of_bfloat16 != kNone) {
      wanted.of_bfloat16 = kNone;
    }
    set(wanted);
    return available && agrees;
  }

 private:
  struct Parsed {
    int of_float = kNone;
    int of_bfloat16 = kNone;
  };

  static bool agree(int wanted, int forced) { return wanted == kNone || forced == kNone || wanted == forced; }

  void set(const Parsed& parsed) {
    if (parsed.of_float != kNone) {
      float_.set(onednn_handle().has_value() ? parsed.of_float : 0);
    }
    if (parsed.of_bfloat16 != kNone) {
      bfloat16_.set(parsed.of_bfloat16);
    }
  }

  Parsed parse(const char* text) const {
    Parsed parsed;
    std::istringstream stream(text == nullptr ? "" : text);
    for (std::string word; std::getline(stream, word, ',');) {
      const int as_float = float_.parse(word);
      const int as_bfloat16 = bfloat16_.parse(word);
      TORCH_CHECK_VALUE(
          as_float != kNone || as_bfloat16 != kNone, "linear: the choice of products \"", text, "\" has the part \"", word,
          "\"; expected aten or onednn, float32 or bfloat16, one for all products or one for each as in aten/onednn/aten,float32/bfloat16");
      parsed.of_float = as_float != kNone ? as_float : parsed.of_float;
      parsed.of_bfloat16 = as_bfloat16 != kNone ? as_bfloat16 : parsed.of_bfloat16;
    }
    return parsed;
  }

  Choice float_{"aten", "onednn", 3, onednn_wins};
  Choice bfloat16_{"float32", "bfloat16", 2, bfloat16_wins};
  Parsed forced_;
};

Choices& choices() {
  static Choices choices;
  return choices;
}

}  // namespace

template <typename T>
void project_few_rows(int64_t rows, cpu::MatrixView<const T> x, const Tensor& weight, const Tensor& bias, cpu::MatrixView<T> y) {
  if constexpr (std::is_same_v<T, float>) {
    if (weight.scalar_type() == at::kBFloat16) {
      few_rows_of<float, cpu::BFloat16>(rows, x, weight, bias, y);
      return;
    }
  }
  few_rows_of<T, T>(rows, x, weight, bias, y);
}

template void project_few_rows<float>(int64_t, cpu::MatrixView<const float>, const Tensor&, const Tensor&, cpu::MatrixView<float>);
template void project_few_rows<double>(int64_t, cpu::MatrixView<const double>, const Tensor&, const Tensor&, cpu::MatrixView<double>);

Tensor product_of(Product product, const Tensor& a, const Tensor& b, const OptionalTensor& bias) {
  const bool empty = a.numel() == 0 || b.numel() == 0;
  if (!empty && product == Product::kOutput && a.size(0) <= kFewRows && b.stride(1) == 1) {
    return few_rows_product(a, b, bias);
  }
  if (b.scalar_type() == at::kBFloat16) {
    return widened_product(product, a, b, bias);
  }
  if (!empty && a.scalar_type() == at::kFloat && a.size(0) > 1 && choices().of_float().second(product)) {
    // oneDNN takes b as it is or transposed, and bias without gaps.
    const bool plain = b.is_contiguous() || b.t().is_contiguous();
    return onednn_product(a, plain ? b : b.contiguous(), bias.has_value() ? OptionalTensor(bias->contiguous()) : bias);
  }
  return aten_product(a, b, bias);
}

bool multiplies_in_bfloat16(Product product) {
  return choices().of_bfloat16().second(product);
}

Tensor bfloat16_product_of(Product product, const Tensor& a, const Tensor& b, const OptionalTensor& bias) {
  // Few rows are bound by reading b, and a copy of b in BFloat16 would be read and written besides.
  const bool narrow = a.size(0) > kFewRows && multiplies_in_bfloat16(product);
  return narrow ? by_bfloat16(product, a, b, bias) : by_float(product, a, b, bias);
}

std::string linear_choice() {
  return choices().text();
}

bool repeat_linear_choice(const std::string& text) {
  Choices& here = choices();
  try {
    return here.repeat(text);
  } catch (const c10::ValueError&) {
    return false;  // It is the choice of another version.
  }
}

Tensor linear_product(const std::string& implementation, const Tensor& a, const Tensor& b) {
  if (implementation == "aten") {
    return aten_product(a, b, std::nullopt);
  }
  TORCH_CHECK_VALUE(implementation == "onednn", "there is no product by ", implementation, "; expected aten or onednn");
  return onednn_handle().has_value() ? onednn_product(a, b, std::nullopt) : Tensor();
}

}  // namespace djlmamba
