/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include <algorithm>

#include "selective_scan_runner.h"

/** What the tests of the decode steps share. */
namespace djlmamba::test {

/** The states of a step, in slots of which the rows name some. */
struct StepSlots {
  std::vector<int64_t> slots;  // empty: row r has slot r
  int64_t rows;
  int64_t count;
  int64_t elements;  // of one state
  Array before;

  StepSlots(std::vector<int64_t> slots_, int64_t rows_, int64_t elements_, Random& random)
      : slots(std::move(slots_)), rows(rows_), count(slots.empty() ? rows : rows + 3), elements(elements_) {
    before = random.array(count * elements, -1, 1);
  }

  int64_t slot(int64_t row) const { return slots.empty() ? row : slots[row]; }

  /** The states of the rows; zeros for padding. */
  Array of_rows() const {
    Array states(static_cast<size_t>(rows * elements));
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t e = 0; slot(row) >= 0 && e < elements; ++e) states[row * elements + e] = before[slot(row) * elements + e];
    }
    return states;
  }

  /** The states after a step that leaves the given ones in the rows. */
  Array after(const Array& rows_after) const {
    Array states = before;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t e = 0; slot(row) >= 0 && e < elements; ++e) states[slot(row) * elements + e] = rows_after[row * elements + e];
    }
    return states;
  }

  /** The output of a step: zero in rows of padding. */
  Array output(Array out) const {
    const int64_t width = rows == 0 ? 0 : static_cast<int64_t>(out.size()) / rows;
    for (int64_t row = 0; row < rows; ++row) {
      if (slot(row) < 0) std::fill_n(out.begin() + row * width, width, 0.0);
    }
    return out;
  }

  /** Whether states that no row names hold what they held. */
  template <typename T>
  bool others_untouched(const std::vector<T>& states) const {
    for (int64_t i = 0; i < count; ++i) {
      if (slots.empty() || std::find(slots.begin(), slots.end(), i) != slots.end()) continue;
      for (int64_t e = i * elements; e < (i + 1) * elements; ++e) {
        if (states[e] != static_cast<T>(before[e])) return false;
      }
    }
    return true;
  }
};

}  // namespace djlmamba::test
