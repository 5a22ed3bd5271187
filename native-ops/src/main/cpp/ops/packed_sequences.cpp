/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "ops/packed_sequences.h"

#include <ATen/ATen.h>

namespace djlmamba {

PackedSequences::PackedSequences(ArgumentCheck& check, const std::optional<at::Tensor>& offsets, int64_t batch, int64_t length)
    : batch_(batch) {
  constexpr const char* kName = "sequenceOffsets";
  if (!offsets.has_value() || !offsets->defined()) {
    return;
  }
  if (!offsets->device().is_cpu() || offsets->layout() != at::kStrided || offsets->scalar_type() != at::kLong) {
    check.fail(kName, "is not a dense tensor of Long on the CPU");
  }
  if (offsets->dim() != 2 || offsets->size(0) != batch || offsets->size(1) < 2) {
    check.fail(kName, c10::str("has shape ", offsets->sizes(), "; expected (B, S + 1) with B = ", batch, " and at least one sequence"));
  }
  // A copy: nobody else may change what has been checked.
  offsets_ = offsets->detach().clone(at::MemoryFormat::Contiguous);
  const int64_t* row = offsets_.const_data_ptr<int64_t>();
  const int64_t last = offsets_.size(1) - 1;
  for (int64_t b = 0; b < batch; b++, row += last + 1) {
    bool fits = row[0] == 0 && row[last] == length;
    for (int64_t s = 0; s < last; s++) {
      fits = fits && row[s] <= row[s + 1];
    }
    if (!fits) {
      check.fail(kName, c10::str("of row ", b, " do not rise from 0 to the length ", length));
    }
  }
}

cpu::PackedSequencesView PackedSequences::view() const {
  return {packed() ? offsets_.const_data_ptr<int64_t>() : nullptr, sequences()};
}

at::Tensor PackedSequences::states_of_kernels(const at::Tensor& states) const {
  if (states.defined() && packed() && batch_ > 1 && states.stride(0) != sequences() * states.stride(1)) {
    return states.contiguous();
  }
  return last_axis_contiguous(states);
}

std::vector<int64_t> PackedSequences::state_shape(at::IntArrayRef rest) const {
  std::vector<int64_t> shape = {batch_};
  if (packed()) {
    shape.push_back(sequences());
  }
  shape.insert(shape.end(), rest.begin(), rest.end());
  return shape;
}

}  // namespace djlmamba
