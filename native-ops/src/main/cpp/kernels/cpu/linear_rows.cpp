/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "linear_rows.h"

#include <algorithm>

#include "dispatch.h"
#include "linear_rows_geometry.h"

namespace djlmamba::cpu {

#define DJLMAMBA_DECLARE(isa_namespace)                              \
  namespace isa_namespace {                                          \
  template <typename T, typename W>                                  \
  void linear_rows(const LinearRows<T, W>&, int64_t, int64_t);       \
  }
DJLMAMBA_FOR_EACH_ISA(DJLMAMBA_DECLARE)
#undef DJLMAMBA_DECLARE

namespace {

/* Weights that are worth handing to another thread: some ten microseconds of reading them. */
constexpr int64_t kWeightsPerThread = 1 << 15;

LinearRowsPlan plan(const LinearRowsSizes& sizes) {
  const int64_t blocks = (sizes.outputs + kLinearOutputsPerBlock - 1) / kLinearOutputsPerBlock;
  const int64_t of_block = kLinearOutputsPerBlock * std::max<int64_t>(1, sizes.inputs);
  return {sizes.rows == 0 ? 0 : blocks, std::max<int64_t>(1, kWeightsPerThread / of_block)};
}

}  // namespace

template <typename T, typename W>
const LinearRowsKernels<T, W>& linear_rows_kernels() {
  static const LinearRowsKernels<T, W> kernels = {plan, DJLMAMBA_DISPATCH(linear_rows<T, W>)};
  return kernels;
}

template const LinearRowsKernels<double, double>& linear_rows_kernels<double, double>();
template const LinearRowsKernels<float, float>& linear_rows_kernels<float, float>();
template const LinearRowsKernels<float, BFloat16>& linear_rows_kernels<float, BFloat16>();

}  // namespace djlmamba::cpu
