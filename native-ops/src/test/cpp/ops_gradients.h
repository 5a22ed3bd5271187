/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include "ops_testing.h"

/** What the tests of differentiable ops share: their gradients against those of naive forms in torch and central differences, in double. */
namespace djlmamba::test {

const auto kDouble = at::TensorOptions().dtype(at::kDouble);

inline Tensor leaf(const Tensor& tensor) {
  return tensor.detach().clone().requires_grad_(true);
}

/** A differentiable function of some leaves, of two results. */
using Function = std::function<Pair(const std::vector<Tensor>&)>;

inline std::vector<Tensor> gradients(const Function& function, const std::vector<Tensor>& leaves, const Tensor& first, const Tensor& second) {
  const auto [x, y] = function(leaves);
  Tensor total = at::zeros({}, x.options());
  if (first.defined()) {
    total = total + (x * first).sum();
  }
  if (second.defined()) {
    total = total + (y * second).sum();
  }
  if (!total.requires_grad()) {
    return std::vector<Tensor>(leaves.size());
  }
  return torch::autograd::grad({total}, leaves, {}, std::nullopt, false, true);
}

/** The gradients of `function` are those of `naive`, when both, or only one of the results is used. */
inline void check_gradients(const Function& function, const Function& naive, const std::vector<Tensor>& leaves, const std::string& what) {
  const auto [x, y] = function(leaves);
  const auto [naive_x, naive_y] = naive(leaves);
  check_close(x, naive_x, 1e-11, what + ": first result");
  check_close(y, naive_y, 1e-11, what + ": second result");
  const Tensor first = at::randn_like(naive_x);
  const Tensor second = at::randn_like(naive_y);
  const std::pair<Tensor, Tensor> cotangents[] = {{first, second}, {first, Tensor()}, {Tensor(), second}};
  for (int use = 0; use < 3; use++) {
    const auto actual = gradients(function, leaves, cotangents[use].first, cotangents[use].second);
    const auto expected = gradients(naive, leaves, cotangents[use].first, cotangents[use].second);
    for (size_t i = 0; i < leaves.size(); i++) {
      // An input that cannot matter has no gradient in one form and zeros in the other.
      const Tensor zeros = at::zeros_like(leaves[i]);
      check_close(
          actual[i].defined() ? actual[i] : zeros, expected[i].defined() ? expected[i] : zeros, 1e-10,
          what + c10::str(": use ", use, ", gradient ", i));
    }
  }
}

inline void check_differences(const Function& function, const std::vector<Tensor>& leaves, const std::string& what) {
  const auto [x, y] = function(leaves);
  const Tensor first = at::randn_like(x);
  const Tensor second = at::randn_like(y);
  const auto actual = gradients(function, leaves, first, second);
  at::NoGradGuard no_grad;
  const auto value = [&] {
    const auto [p, q] = function(leaves);
    return ((p * first).sum() + (q * second).sum()).item<double>();
  };
  constexpr double kStep = 1e-6;
  for (size_t i = 0; i < leaves.size(); i++) {
    Tensor expected = at::empty_like(leaves[i]);
    double* data = leaves[i].data_ptr<double>();
    for (int64_t k = 0; k < leaves[i].numel(); k++) {
      const double original = data[k];
      data[k] = original + kStep;
      const double above = value();
      data[k] = original - kStep;
      const double below = value();
      data[k] = original;
      expected.data_ptr<double>()[k] = (above - below) / (2 * kStep);
    }
    check_close(actual[i], expected, 1e-6, what + c10::str(": central difference ", i));
  }
}

/** How the leaves reach an op: as they are, as slices of something wider, or transposed in memory. */
enum class Layout { kPlain, kSliced, kTransposed };

inline Tensor laid_out(const Tensor& tensor, Layout layout) {
  if (layout == Layout::kSliced) {
    return at::cat({tensor, tensor, tensor}, -1).narrow(-1, tensor.size(-1), tensor.size(-1));
  }
  return layout == Layout::kTransposed && tensor.dim() > 1 ? tensor.transpose(0, -1).contiguous().transpose(0, -1) : tensor;
}

}  // namespace djlmamba::test
