/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "benchmark/brgemm_product.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/native/CPUBlas.h>

#include <algorithm>

namespace djlmamba::benchmark {
namespace {

constexpr int64_t kRows = 64;
constexpr int64_t kColumns = 64;
constexpr int64_t kDepth = 256;

}  // namespace

BrgemmProduct::BrgemmProduct(const at::Tensor& a, const at::Tensor& b) {
  TORCH_CHECK_VALUE(
      a.defined() && b.defined() && a.dim() == 2 && b.dim() == 2 && a.size(1) == b.size(1) && a.numel() > 0 && b.numel() > 0 &&
          a.scalar_type() == at::kFloat && b.scalar_type() == at::kFloat && a.device().is_cpu() && b.device().is_cpu(),
      "product: expected two float matrices (M, K) and (N, K) on the CPU");
  a_ = a.contiguous();
  for (int64_t n = 0; n < b.size(0); n += kColumns) {
    packed_.push_back(b.narrow(0, n, std::min(kColumns, b.size(0) - n)).t().contiguous());
  }
  result_ = at::empty({a.size(0), b.size(0)}, a.options());
}

void BrgemmProduct::run() {
  const int64_t rows = a_.size(0);
  const int64_t depth = a_.size(1);
  const int64_t columns = result_.size(1);
  const auto* a = a_.const_data_ptr<float>();
  auto* c = result_.mutable_data_ptr<float>();
  const auto column_blocks = static_cast<int64_t>(packed_.size());
  const int64_t row_blocks = (rows + kRows - 1) / kRows;
  at::parallel_for(0, row_blocks * column_blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      // A thread keeps a block of b while it passes over the rows of a.
      const at::Tensor& block = packed_[i / row_blocks];
      const int64_t m = i % row_blocks * kRows;
      const int64_t width = block.size(1);
      for (int64_t k = 0; k < depth; k += kDepth) {
        at::native::cpublas::brgemm(
            std::min(kRows, rows - m), width, std::min(kDepth, depth - k), depth, width, columns, k > 0, a + m * depth + k,
            block.const_data_ptr<float>() + k * width, c + m * columns + i / row_blocks * kColumns);
      }
    }
    at::native::cpublas::brgemm_release(false);
  });
}

}  // namespace djlmamba::benchmark
