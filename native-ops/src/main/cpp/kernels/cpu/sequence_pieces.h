/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

/* Which parts of which sequences a stretch of steps holds; compiled once per instruction set (see simd.h). */

#include "simd.h"
#include "views.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

/** Steps [begin, end) of a row, which are of one sequence. */
struct Piece {
  int64_t state;           // entry of the batch axis of the states
  int64_t sequence_begin;
  int64_t sequence_end;
  int64_t begin;
  int64_t end;

  /** Whether the sequence starts, or ends, with this piece. An empty sequence does both. */
  bool starts() const { return begin == sequence_begin; }
  bool ends() const { return end == sequence_end; }
};

/** The pieces of a stretch of steps of one row. Over stretches that make up the row, each step and each empty sequence is in one piece. */
class Pieces {
 public:
  Pieces(const PackedSequencesView& packed, int64_t length, int64_t batch, int64_t begin, int64_t end)
      : offsets_(packed.offsets == nullptr ? nullptr : packed.offsets + batch * (packed.sequences + 1)),
        length_(length),
        first_state_(batch * packed.sequences),
        begin_(begin),
        end_(end),
        first_(0),
        last_(packed.sequences) {
    if (offsets_ == nullptr) return;
    first_ = first_not_below(begin, packed.sequences);
    if (first_ == packed.sequences || offsets_[first_] > begin) --first_;
    if (end < length) last_ = first_not_below(end, packed.sequences);
  }

  int64_t first() const { return first_; }
  int64_t last() const { return last_; }

  Piece operator[](int64_t sequence) const {
    Piece p;
    p.state = first_state_ + sequence;
    p.sequence_begin = offsets_ == nullptr ? 0 : offsets_[sequence];
    p.sequence_end = offsets_ == nullptr ? length_ : offsets_[sequence + 1];
    p.begin = p.sequence_begin < begin_ ? begin_ : p.sequence_begin;
    p.end = p.sequence_end < end_ ? p.sequence_end : end_;
    return p;
  }

 private:
  /** The first of `count` sequences that begins at `step` or later, or `count`. */
  int64_t first_not_below(int64_t step, int64_t count) const {
    int64_t low = 0;
    int64_t high = count;
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      if (offsets_[middle] < step) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  const int64_t* offsets_;
  int64_t length_;
  int64_t first_state_;
  int64_t begin_;
  int64_t end_;
  int64_t first_;
  int64_t last_;
};

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
