/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>

#include "kernels/cpu/views.h"

/*
 * The matrix products of a linear layer. libtorch has two float ones: MKL's, behind at::mm, and oneDNN's, behind mkldnn::_linear_pointwise. Which one
 * is faster depends on the processor's maker, by up to a factor of two. So it is with BFloat16: some processors multiply its numbers at a multiple
 * of the float rate, others at less, where it is faster to convert them. Both are timed once, for each product of a layer.
 */
namespace djlmamba {

/** The products of a layer: its output x W^T, and the gradients g W of x and g^T x of W. They differ in what is transposed in memory. */
enum class Product { kOutput, kInputGradient, kWeightGradient };

/**
 * a (M, K) times the transpose of b (N, K), both float or double and of any strides; beside a float a, b may be of BFloat16. Not differentiable.
 * The output of few rows, as a decode step has them, is summed by a kernel of ours, row by row alike.
 */
at::Tensor product_of(Product product, const at::Tensor& a, const at::Tensor& b, const std::optional<at::Tensor>& bias = std::nullopt);

/** The same in BFloat16, from operands of float or BFloat16. The sums are float either way. Not for the gradient of the weight, which is float. */
at::Tensor bfloat16_product_of(
    Product product, const at::Tensor& a, const at::Tensor& b, const std::optional<at::Tensor>& bias = std::nullopt);

/** Rows that are worth no product that packs the weights first: those of a decode step. */
constexpr int64_t kFewRows = 8;

/** That product of few rows, on memory: x (rows, I) by weight (O, I), of T or of BFloat16 beside float, and bias (O) or undefined; last axes contiguous. */
template <typename T>
void project_few_rows(int64_t rows, cpu::MatrixView<const T> x, const at::Tensor& weight, const at::Tensor& bias, cpu::MatrixView<T> y);

/** Whether that multiplies BFloat16 numbers as they are, which is the faster way here; if not, it converts them to float. */
bool multiplies_in_bfloat16(Product product);

}  // namespace djlmamba
