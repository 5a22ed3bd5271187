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

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ops/ops.h"

/*
 * Timings in C++, for benchmarks that compare them with those of the Java calls. Each function runs what it times once before, and returns the
 * nanoseconds of each repetition. All run on the threads that at::get_num_threads() says.
 */
namespace djlmamba::benchmark {

using Nanoseconds = std::vector<int64_t>;

/** Times 4096 vector exponentials a round on every thread at once. */
Nanoseconds time_exp2(int64_t rounds, int64_t repetitions);

/** Times a copy of an array by all threads together. */
Nanoseconds time_copy(int64_t bytes, int64_t repetitions);

/** Times a sum over an array, which all threads read together. */
Nanoseconds time_read(int64_t bytes, int64_t repetitions);

/**
 * a (M, K) times the transpose of b (N, K) in float by one of libtorch's implementations: "aten" (what at::mm calls), "onednn" or "brgemm" (oneDNN's
 * micro-kernel over packed blocks). Undefined where this libtorch lacks it.
 */
at::Tensor product(const std::string& implementation, const at::Tensor& a, const at::Tensor& b);

/** Times that product; brgemm without the packing, which leaves the rate of the arithmetic. Empty where this libtorch lacks it. */
Nanoseconds time_product(const std::string& implementation, const at::Tensor& a, const at::Tensor& b, int64_t repetitions);

/**
 * Times an op: "selective_scan", "causal_conv1d" or "linear" with its tensors in the order of its schema and the flag at their end. Without an
 * output gradient the forward pass, not recorded; with one the backward pass alone to fresh leaves in place of all inputs.
 */
Nanoseconds time_op(
    const std::string& op, const std::vector<OptionalTensor>& inputs, bool flag, const OptionalTensor& output_gradient, int64_t repetitions);

}  // namespace djlmamba::benchmark
