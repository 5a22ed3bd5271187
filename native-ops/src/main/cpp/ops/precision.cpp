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

#include "ops/ops.h"

namespace djlmamba {

int64_t enter_precision(bool bfloat16) {
  const bool enabled = at::autocast::is_autocast_enabled(at::kCPU);
  const at::ScalarType type = at::autocast::get_autocast_dtype(at::kCPU);
  if (bfloat16) {
    at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  }
  at::autocast::set_autocast_enabled(at::kCPU, bfloat16);
  at::autocast::increment_nesting();
  return (static_cast<int64_t>(type) << 1) | (enabled ? 1 : 0);
}

void leave_precision(int64_t before) {
  at::autocast::set_autocast_enabled(at::kCPU, (before & 1) != 0);
  at::autocast::set_autocast_dtype(at::kCPU, static_cast<at::ScalarType>(before >> 1));
  if (at::autocast::decrement_nesting() == 0) {
    // It holds copies of parameters, which an optimizer's step in place would leave behind.
    at::autocast::clear_cache();
  }
}

bool in_bfloat16() {
  return at::autocast::is_autocast_enabled(at::kCPU) && at::autocast::get_autocast_dtype(at::kCPU) == at::kBFloat16;
}

at::Tensor cast(const at::Tensor& tensor, bool bfloat16) {
  TORCH_CHECK_VALUE(
      tensor.defined() && tensor.is_floating_point(), "cast: the array is no floating one; expected Float, Double or BFloat16");
  return tensor.to(bfloat16 ? at::kBFloat16 : at::kFloat);
}

}  // namespace djlmamba
