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
DJLMAMBA_INLINE void to_sequence(const PackedSequencesView& packed, int64_t length, int64_t sequence,
                                 HeadsOfSequence& s) {
  const int64_t* offsets =
      packed.offsets == nullptr ? nullptr : packed.offsets + s.batch * (packed.sequences + 1) + sequence;
  s.sequence = sequence;
  s.begin = offsets == nullptr ? 0 : offsets[0];
  s.end = offsets == nullptr ? length : offsets[1];
}

DJLMAMBA_INLINE int64_t sequences_of(const PackedSequencesView& packed) {
  return packed.offsets == nullptr ? 1 : packed.sequences;
}

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
  return view.data + s.batch * view.batch_stride + s.sequence * view.sequence_stride +
         (s.first_head + head) * view.head_stride;
}

/** The states of an empty sequence are handed on: its final state from its initial one, its initial state's gradient
 * from the final one's. */
template <typename T>
static void hand_on_states(const HeadStatesView<const T>& from, const HeadStatesView<T>& to, const HeadsOfSequence& s,
                           int64_t rows, int64_t columns) {
  if (to.data == nullptr) return;
  for (int64_t head = 0; head < s.heads; ++head) {
    T* out = state_of(to, s, head);
    for (int64_t r = 0; r < rows; ++r) {
      if (from.data == nullptr) {
        memset(out + r * to.row_stride, 0, static_cast<size_t>(columns) * sizeof(T));
      } else {
        memcpy(out + r * to.row_stride, state_of(from, s, head) + r * from.row_stride,
               static_cast<size_t>(columns) * sizeof(T));
      }
    }
  }
}

/** The states of all heads of `s`, transposed into scratch: [head][state][channel]. */
template <typename T>
static void load_states(const HeadStatesView<const T>& from, const HeadsOfSequence& s, const HeadExtent& extent,
                        T* to) {
  memset(to, 0, static_cast<size_t>(s.heads * extent.elements) * sizeof(T));
  for (int64_t head = 0; from.data != nullptr && head < s.heads; ++head) {
    transpose_in(state_of(from, s, head), from.row_stride, extent.channels, extent.states, to + head * extent.elements,
                 extent.padded_channels);
  }
}

/** The other way. */
template <typename T>
static void store_states(const T* from, const HeadsOfSequence& s, const HeadExtent& extent,
                         const HeadStatesView<T>& to) {
  for (int64_t head = 0; to.data != nullptr && head < s.heads; ++head) {
    transpose_out(from + head * extent.elements, extent.padded_channels, extent.channels, extent.states,
                  state_of(to, s, head), to.row_stride);
  }
}

/** Rows of a caller's array that are needed soon: fetched into the second-level cache one by one. Addresses are
 * integers, since they may lie past the end. */
struct RowsAhead {
  uintptr_t next = 0;
  uintptr_t step = 0;
  uintptr_t bytes = 0;
  int64_t rows = 0;
  int64_t rows_a_time = 0;

  template <typename X>
  static RowsAhead of(const GroupedSequenceView<X>& view, int64_t batch, int64_t t, int64_t group, int64_t rows,
                      int64_t columns) {
    RowsAhead r;
    if (view.data == nullptr) return r;
    r.next = reinterpret_cast<uintptr_t>(element(view, batch, t, group));
    r.step = static_cast<uintptr_t>(view.length_stride) * sizeof(X);
    r.bytes = static_cast<uintptr_t>(columns) * sizeof(X);
    r.rows = rows;
    return r;
  }

  /** A state, or none if it is null. */
  template <typename T>
  static RowsAhead of_state(const HeadExtent& extent, const T* state) {
    RowsAhead r;
    if (state == nullptr) return r;
    r.next = reinterpret_cast<uintptr_t>(state);
    r.step = static_cast<uintptr_t>(extent.padded_channels) * sizeof(T);
    r.bytes = r.step;
    r.rows = extent.padded_states;
    return r;
  }

  /** To be fetched in so many equal shares. */
  DJLMAMBA_ALWAYS_INLINE void share_among(int64_t shares) { rows_a_time = (rows + shares - 1) / shares; }

  DJLMAMBA_ALWAYS_INLINE void fetch_share() {
    for (int64_t count = rows_a_time; count > 0 && rows > 0; --count, --rows) {
      for (uintptr_t byte = 0; byte < bytes; byte += 64)
        __builtin_prefetch(reinterpret_cast<const void*>(next + byte), 0, 2);
      next += step;
    }
  }
};

/**
 * Up to three of these. Fetching takes places in which misses of the first-level cache wait, too: it belongs beside
 * products that seldom miss.
 */
struct Ahead {
  RowsAhead of[3];

  Ahead(const RowsAhead& first = {}, const RowsAhead& second = {}, const RowsAhead& third = {})
      : of{first, second, third} {}

  DJLMAMBA_ALWAYS_INLINE void share_among(int64_t shares) {
    for (RowsAhead& rows : of) rows.share_among(shares);
  }

  DJLMAMBA_ALWAYS_INLINE void fetch_share() {
    for (RowsAhead& rows : of) rows.fetch_share();
  }
};

/** One tile of advance_state(), whose products of `from` and `other` are added to `products`, lanes apart. */
template <typename T, int kRows, int kVectors>
__attribute__((noinline)) static void advance_tile(const HeadExtent& extent, T whole, const T* from, const T* rows,
                                                   int64_t rows_step, const T* columns, int64_t tokens, const T* other,
                                                   T* to, T* products) {
  constexpr int kLanes = Simd<T>::kLanes;
  const int64_t row = extent.padded_channels;
  Vec<T> sum[kRows][kVectors];
  clear<T>(sum);
  if (from != nullptr) {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] = load(from + r * row + v * kLanes);
    }
    if (other != nullptr) {
      Vec<T> product[2] = {load(products), Vec<T>{}};
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v)
          product[v % 2] = fmadd(sum[r][v], load(other + r * row + v * kLanes), product[v % 2]);
      }
      store<T>(products, product[0] + product[1]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] = whole * sum[r][v];
    }
  }
  multiply_add<T>(sum, tokens, rows, rows_step, 1, columns, row);
  store_tile<T>(sum, to, row);
}

/**
 * to[n][p] = whole from[n][p] + sum over tokens of rows[n][token] columns[token][p], where `from` may be null: zeros.
 * Returns the sum of the products of the elements of `from` and `other` if the latter is given. Meanwhile rows are
 * fetched ahead.
 */
template <typename T>
static T advance_state(const HeadExtent& extent, T whole, const T* from, const T* rows, int64_t rows_step,
                       const T* columns, int64_t tokens, const T* other, T* to, Ahead ahead) {
  constexpr int kLanes = Simd<T>::kLanes;
  const int64_t row = extent.padded_channels;
  alignas(DJLMAMBA_VECTOR_BYTES) T products[kLanes] = {};
  for_each_tile(0, row / kLanes, [&](auto width, int64_t vector) {
    constexpr int kVectors = decltype(width)::value;
    constexpr int kRows = kTileRows<kVectors>;
    const int64_t column = vector * kLanes;
    ahead.share_among(extent.padded_states / kRows);
    for (int64_t n = 0; n < extent.padded_states; n += kRows) {
      ahead.fetch_share();
      const int64_t at = n * row + column;
      advance_tile<T, kRows, kVectors>(extent, whole, from == nullptr ? nullptr : from + at, rows + n * rows_step,
                                       rows_step, columns + column, tokens, other == nullptr ? nullptr : other + at,
                                       to + at, products);
    }
  });
  T sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) sum += products[lane];
  return sum;
}

/** What the outputs of one chunk are made of; rows of `mixing` may be columns. */
template <typename T>
struct MixedOutputs {
  const T* c;           // [token][state]
  const T* state;       // [state][channel], or null: zeros
  const T* from_start;  // [token]
  const T* mixing;      // what output i takes of input j is at i mixing_row + j mixing_step
  int64_t mixing_row;
  int64_t mixing_step;
  const T* inputs;  // [token][channel]
  T* y;             // [token][channel]
};

/** Rows [i, i + kRows) of y, kVectors wide: in a function of its own, where nothing else wants the registers. */
template <typename T, int kRows, int kVectors>
__attribute__((noinline)) static void mix_tile(const MixedOutputs<T>& m, const HeadExtent& extent, int64_t i,
                                               int64_t column) {
  const int64_t row = extent.padded_channels;
  Vec<T> sum[kRows][kVectors];
  clear<T>(sum);
  if (m.state != nullptr) {
    multiply_add<T>(sum, extent.states, m.c + i * extent.padded_states, extent.padded_states, 1, m.state + column, row);
    scale_tile<T>(sum, m.from_start + i);
  }
  const T* mixing = m.mixing + i * m.mixing_row;
  const T* inputs = m.inputs + column;
  multiply_add<T>(sum, i, mixing, m.mixing_row, m.mixing_step, inputs, row);
  multiply_add_triangle<T, true>(sum, mixing + i * m.mixing_step, m.mixing_row, m.mixing_step, inputs + i * row, row);
  store_tile<T>(sum, m.y + i * row + column, row);
}

/** y(i) = from_start(i) c(i) state + sum over j <= i of mixing(i,j) inputs(j), without the skip. Meanwhile rows are
 * fetched ahead. */
template <typename T>
static void mix_outputs(const MixedOutputs<T>& m, const HeadExtent& extent, int64_t tokens, RowsAhead ahead) {
  constexpr int kLanes = Simd<T>::kLanes;
  for_each_tile(0, extent.padded_channels / kLanes, [&](auto width, int64_t vector) {
    constexpr int kVectors = decltype(width)::value;
    constexpr int kRows = kTileRows<kVectors>;
    ahead.share_among((tokens + kRows - 1) / kRows);
    for (int64_t i = 0; i < tokens; i += kRows) {
      ahead.fetch_share();
      mix_tile<T, kRows, kVectors>(m, extent, i, vector * kLanes);
    }
  });
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
