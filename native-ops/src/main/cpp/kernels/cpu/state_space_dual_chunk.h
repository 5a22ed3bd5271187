/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

/* What the passes of the state space dual share; compiled once per instruction set (see simd.h). */

#include "scratch.h"
#include "state_space_dual_decay.h"
#include "state_space_dual_geometry.h"
#include "state_space_dual_tiles.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

/** Sizes of a head, and what they are in scratch memory: whole vectors of channels, states in sixteens. */
struct HeadExtent {
  int64_t channels;
  int64_t padded_channels;
  int64_t states;
  int64_t padded_states;
  int64_t elements;  // of a padded state

  template <typename T>
  static HeadExtent of(int64_t head_size, int64_t states) {
    constexpr int64_t kLanes = Simd<T>::kLanes;
    HeadExtent e;
    e.channels = head_size;
    e.padded_channels = (head_size + kLanes - 1) / kLanes * kLanes;
    e.states = states;
    e.padded_states = (states + 15) / 16 * 16;
    e.elements = e.padded_channels * e.padded_states;
    return e;
  }
};

/** Neighbouring heads of one group in one row of the batch, and one of the row's sequences: tokens [begin, end). */
struct HeadsOfSequence {
  int64_t batch;
  int64_t group;
  int64_t first_head;
  int64_t heads;
  int64_t sequence;
  int64_t begin;
  int64_t end;
};

/** Moves `s` to a sequence of its row. */
DJLMAMBA_INLINE void to_sequence(const PackedSequencesView& packed, int64_t length, int64_t sequence, HeadsOfSequence& s) {
  const int64_t* offsets = packed.offsets == nullptr ? nullptr : packed.offsets + s.batch * (packed.sequences + 1) + sequence;
  s.sequence = sequence;
  s.begin = offsets == nullptr ? 0 : offsets[0];
  s.end = offsets == nullptr ? length : offsets[1];
}

DJLMAMBA_INLINE int64_t sequences_of(const PackedSequencesView& packed) { return packed.offsets == nullptr ? 1 : packed.sequences; }

/** Element (b, t, g, 0). */
template <typename X>
DJLMAMBA_INLINE X* element(const GroupedSequenceView<X>& view, int64_t batch, int64_t t, int64_t group) {
  return view.data + batch * view.batch_stride + t * view.length_stride + group * view.group_stride;
}

template <typename X>
DJLMAMBA_INLINE X* element(const SequenceView<X>& view, int64_t batch, int64_t t, int64_t channel) {
  return view.data + batch * view.batch_stride + t * view.length_stride + channel;
}

/** The state of one head; `head` counts from the first of `s`. */
template <typename T>
DJLMAMBA_INLINE T* state_of(const HeadStatesView<T>& view, const HeadsOfSequence& s, int64_t head) {
  return view.data + s.batch * view.batch_stride + s.sequence * view.sequence_stride + (s.first_head + head) * view.head_stride;
}

/** The states of an empty sequence are handed on: its final state from its initial one, its initial state's gradient from the final one's. */
template <typename T>
static void hand_on_states(const HeadStatesView<const T>& from, const HeadStatesView<T>& to, const HeadsOfSequence& s, int64_t rows, int64_t columns) {
  if (to.data == nullptr) return;
  for (int64_t head = 0; head < s.heads; ++head) {
    T* out = state_of(to, s, head);
    for (int64_t r = 0; r < rows; ++r) {
      if (from.data == nullptr) {
        memset(out + r * to.row_stride, 0, static_cast<size_t>(columns) * sizeof(T));
      } else {
        memcpy(out + r * to.row_stride, state_of(from, s, head) + r * from.row_stride, static_cast<size_t>(columns) * sizeof(T));
      }
    }
  }
}

/** The states of all heads of `s`, transposed into scratch: [head][state][channel]. */
template <typename T>
static void load_states(const HeadStatesView<const T>& from, const HeadsOfSequence& s, const HeadExtent& extent, T* to) {
  memset(to, 0, static_cast<size_t>(s.heads * extent.elements) * sizeof(T));
  for (int64_t head = 0; from.data != nullptr && head < s.heads; ++head) {
    transpose_in(state_of(from, s, head), from.row_stride, extent.channels, extent.states, to + head * extent.elements, extent.padded_channels);
  }
}

/** The other way. */
template <typename T>
static void store_states(const T* from, const HeadsOfSequence& s, const HeadExtent& extent, const HeadStatesView<T>& to) {
  for (int64_t head = 0; to.data != nullptr && head < s.heads; ++head) {
    transpose_out(from + head * extent.elements, extent.padded_channels, extent.channels, extent.states, state_of(to, s, head), to.row_stride);
  }
}

/**
 * to[n][p] = whole from[n][p] + sum over tokens of rows[token][n] columns[token][p], where `from` may be null: zeros. Returns the sum of the products of
 * the elements of `from` and `other` if the latter is given.
 */
template <typename T>
static T advance_state(const HeadExtent& extent, T whole, const T* from, const T* rows, const T* columns, int64_t tokens, const T* other, T* to) {
  constexpr int kLanes = Simd<T>::kLanes;
  const int64_t row = extent.padded_channels;
  alignas(DJLMAMBA_VECTOR_BYTES) T products[kLanes] = {};
  for_each_tile(0, row / kLanes, [&](auto width, int64_t vector) {
    constexpr int kVectors = decltype(width)::value;
    constexpr int kRows = kTileRows<kVectors>;
    const int64_t column = vector * kLanes;
    for (int64_t n = 0; n < extent.padded_states; n += kRows) {
      Vec<T> sum[kRows][kVectors];
      clear<T>(sum);
      if (from != nullptr) {
        Vec<T> product = load(products);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          const int64_t at = (n + r) * row + column;
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) {
            const Vec<T> old = load(from + at + v * kLanes);
            if (other != nullptr) product = fmadd(old, load(other + at + v * kLanes), product);
            sum[r][v] = whole * old;
          }
        }
        store<T>(products, product);
      }
      multiply_add<T>(sum, tokens, rows + n, 1, extent.padded_states, columns + column, row);
      store_tile<T>(sum, to + n * row + column, row);
    }
  });
  T sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) sum += products[lane];
  return sum;
}

/** The skip of one head for each channel; zeros where it is not given. */
template <typename T>
static void pack_skip(const MatrixView<const T>& skip, bool by_channel, int64_t head, const HeadExtent& extent, T* to) {
  memset(to, 0, static_cast<size_t>(extent.padded_channels) * sizeof(T));
  if (skip.data == nullptr) return;
  const T* from = skip.data + head * skip.row_stride;
  for (int64_t p = 0; p < extent.channels; ++p) to[p] = from[by_channel ? p : 0];
}

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
