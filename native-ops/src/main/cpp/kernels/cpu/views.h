/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include <cstdint>

namespace djlmamba::cpu {

/*
 * Views of arrays: a pointer and the strides of all axes but the last, in elements. The last axis is always contiguous. Strides of inputs may
 * be 0 (expanded arrays); outputs must not overlap themselves or any input. A null pointer means "not given" for an optional input and "not
 * wanted" for an output. Elements of an output that is given are all written, whatever they held before.
 */

/** (batch, length, channels). */
template <typename T>
struct SequenceView {
  T* data = nullptr;
  int64_t batch_stride = 0;
  int64_t length_stride = 0;
};

/** (batch, length, groups, states). */
template <typename T>
struct GroupedSequenceView {
  T* data = nullptr;
  int64_t batch_stride = 0;
  int64_t length_stride = 0;
  int64_t group_stride = 0;
};

/** (rows, columns). */
template <typename T>
struct MatrixView {
  T* data = nullptr;
  int64_t row_stride = 0;
};

/** (batch, rows, columns). */
template <typename T>
struct BatchedMatrixView {
  T* data = nullptr;
  int64_t batch_stride = 0;
  int64_t row_stride = 0;
};

/**
 * Where the sequences that lie side by side in each row of length L begin and end: sequence s of row b is the tokens from offsets[b * (sequences + 1) + s]
 * up to the next offset; a row's offsets run from 0 to L and do not fall. Each is a sequence by itself, with its own initial and final state, number
 * b * sequences + s. Without offsets a row is one sequence.
 */
struct PackedSequencesView {
  const int64_t* offsets = nullptr;
  int64_t sequences = 1;
};

}  // namespace djlmamba::cpu
