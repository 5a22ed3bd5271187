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
#include <vector>

#include "kernels/cpu/views.h"
#include "ops/checks.h"

namespace djlmamba {

/** The sequences that lie side by side in the rows of an op's input; one a row unless offsets are given. Shapes of states follow from it. */
class PackedSequences {
 public:
  /** Checks offsets (batch, sequences + 1) of int64: those of each row run from 0 to the length and do not fall. */
  PackedSequences(ArgumentCheck& check, const std::optional<at::Tensor>& offsets, int64_t batch, int64_t length);

  /** The offsets that were checked, to save and to restore from; undefined for one sequence a row. */
  const at::Tensor& offsets() const { return offsets_; }

  bool packed() const { return offsets_.defined(); }

  int64_t sequences() const { return packed() ? offsets_.size(1) - 1 : 1; }

  cpu::PackedSequencesView view() const;

  /** The shape of states: (batch, rest) or, with offsets, (batch, sequences, rest). */
  std::vector<int64_t> state_shape(at::IntArrayRef rest) const;

  /** States of that shape, which may be undefined, so that kernels can number them by one stride: themselves, or a copy if they cannot. */
  at::Tensor states_of_kernels(const at::Tensor& states) const;

 private:
  at::Tensor offsets_;
  int64_t batch_;
};

/** States (batch, rows, columns) or (batch, sequences, rows, columns) that may be undefined, as kernels number them. */
template <typename T>
cpu::BatchedMatrixView<T> states_view(const PackedSequences& packed, const at::Tensor& states, T* data) {
  if (!states.defined()) {
    return {};
  }
  const int64_t sequence_axis = packed.packed() ? 1 : 0;
  return {data, states.stride(sequence_axis), states.stride(sequence_axis + 1)};
}

}  // namespace djlmamba
