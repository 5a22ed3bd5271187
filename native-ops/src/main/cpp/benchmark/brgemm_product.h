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
#include <vector>

namespace djlmamba::benchmark {

/** A product of two float matrices by oneDNN's micro-kernel over blocks that are packed before, to find the rate of the arithmetic alone. */
class BrgemmProduct {
 public:
  /** Packs a (M, K) and b (N, K), of any strides. */
  BrgemmProduct(const at::Tensor& a, const at::Tensor& b);

  /** Computes a times the transpose of b on all threads. */
  void run();

  /** What run() has computed, (M, N). */
  const at::Tensor& result() const { return result_; }

 private:
  at::Tensor a_;
  std::vector<at::Tensor> packed_;  // (K, columns) for each block of columns of the result
  at::Tensor result_;
};

}  // namespace djlmamba::benchmark
