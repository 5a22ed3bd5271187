/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "ops/state_slots.h"

#include <ATen/ATen.h>
#include <ATen/MemoryOverlap.h>

#include <algorithm>
#include <vector>

namespace djlmamba {

StateSlots::StateSlots(ArgumentCheck& check, const std::optional<at::Tensor>& slots, int64_t rows, int64_t states) {
  constexpr const char* kName = "slots";
  if (!slots.has_value() || !slots->defined()) {
    if (rows != states) {
      check.fail("state", c10::str("has ", states, " slots for ", rows, " rows; expected as many, or the slot of each row"));
    }
    return;
  }
  if (!slots->device().is_cpu() || slots->layout() != at::kStrided || slots->scalar_type() != at::kLong) {
    check.fail(kName, "is not a dense tensor of Long on the CPU");
  }
  if (slots->sizes() != at::IntArrayRef{rows}) {
    check.fail(kName, c10::str("has shape ", slots->sizes(), "; expected (B) = ", at::IntArrayRef{rows}));
  }
  // A copy: nobody else may change what has been checked.
  slots_ = slots->detach().clone(at::MemoryFormat::Contiguous);
  const int64_t* values = data();
  std::vector<int64_t> sorted(values, values + rows);
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); i++) {
    if (sorted[i] < -1 || sorted[i] >= states) {
      check.fail(kName, c10::str("names slot ", sorted[i], "; expected -1 for padding, or from 0 to ", states - 1));
    }
    if (i > 0 && sorted[i] >= 0 && sorted[i] == sorted[i - 1]) {
      check.fail(kName, c10::str("names slot ", sorted[i], " for two rows"));
    }
  }
}

InPlaceState::InPlaceState(ArgumentCheck& check, const char* name, const at::Tensor& state) : original_(state) {
  if (at::has_internal_overlap(state) == at::MemOverlap::Yes) {
    check.fail(name, "has elements that share memory, as an expanded array has; it is changed in place: give a copy");
  }
  tensor_ = last_axis_contiguous(state);
}

void InPlaceState::write_back() {
  if (!tensor_.is_same(original_)) {
    original_.copy_(tensor_);
  } else if (!original_.is_inference()) {
    original_.unsafeGetTensorImpl()->bump_version();
  }
}

}  // namespace djlmamba
