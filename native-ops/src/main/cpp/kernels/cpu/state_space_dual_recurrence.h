/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

/* The state space dual token by token, on states as the caller has them: (head_size, states); compiled once per instruction set (see simd.h). */

#include "state_space_dual_chunk.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

/** How rows of a state lie and where new ones go: in whole vectors or not, and those to memory that nobody reads soon past the caches. */
enum class StateRows { kAny, kWhole, kStreamed };

/** kRows rows of recur(); from `from` null the old state is zero. */
template <typename T, int kRows, StateRows kState>
DJLMAMBA_INLINE void recur_rows(T decay, const T* x, const T* b, const T* c, int64_t states, const T* from, int64_t from_row, T* to, int64_t to_row,
                                T* sums) {
  constexpr int kLanes = Simd<T>::kLanes;
  constexpr bool kWhole = kState != StateRows::kAny;
  Vec<T> sum[kRows] = {}, input[kRows];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) input[r] = set1(x[r]);
  for (int64_t n = 0; n < states; n += kLanes) {
    const int count = kWhole || states - n >= kLanes ? kLanes : static_cast<int>(states - n);
    const Vec<T> b_n = load(b + n), c_n = load(c + n);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      Vec<T> state = input[r] * b_n;
      if (from != nullptr) state = fmadd(set1(decay), load_lanes<T, kWhole>(from + r * from_row + n, count), state);
      if constexpr (kState == StateRows::kStreamed) {
        store_streaming(to + r * to_row + n, state);
      } else {
        store_lanes<T, kWhole>(to + r * to_row + n, state, count);
      }
      sum[r] = fmadd(c_n, state, sum[r]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) store<T>(sums + r * kLanes, sum[r]);
}

/**
 * One token of one head: to[p][n] = decay from[p][n] + x[p] b[n] and y[p] = sum over n of c[n] to[p][n], for x = delta' x. `from` is null for zeros or
 * may be `to`. b and c are scratch, zero beyond the states; x and y are whole vectors.
 */
template <typename T, StateRows kState>
DJLMAMBA_INLINE void recur(T decay, const T* x, const T* b, const T* c, int64_t channels, int64_t states, const T* from, int64_t from_row, T* to,
                           int64_t to_row, T* y) {
  constexpr int kLanes = Simd<T>::kLanes;
  constexpr int kRows = kLanes < 4 ? kLanes : 4;
  for (int64_t p = 0; p < channels; p += kLanes) {
    alignas(DJLMAMBA_VECTOR_BYTES) T sums[kLanes * kLanes] = {};
    const int64_t rows = channels - p < kLanes ? channels - p : kLanes;
    int64_t r = 0;
    for (; r + kRows <= rows; r += kRows) {
      recur_rows<T, kRows, kState>(decay, x + p + r, b, c, states, from == nullptr ? nullptr : from + (p + r) * from_row, from_row, to + (p + r) * to_row,
                                   to_row, sums + r * kLanes);
    }
    for (; r < rows; ++r) {
      recur_rows<T, 1, kState>(decay, x + p + r, b, c, states, from == nullptr ? nullptr : from + (p + r) * from_row, from_row, to + (p + r) * to_row,
                               to_row, sums + r * kLanes);
    }
    store<T>(y + p, sum_lanes<T>(sums));
  }
}

template <typename T>
DJLMAMBA_INLINE void recur(T decay, const T* x, const T* b, const T* c, int64_t channels, int64_t states, const T* from, int64_t from_row, T* to,
                           int64_t to_row, T* y, bool streamed = false) {
  const bool whole = states % Simd<T>::kLanes == 0;
  if (whole && streamed && to_row % Simd<T>::kLanes == 0 && reinterpret_cast<uintptr_t>(to) % DJLMAMBA_VECTOR_BYTES == 0) {
    recur<T, StateRows::kStreamed>(decay, x, b, c, channels, states, from, from_row, to, to_row, y);
  } else if (whole) {
    recur<T, StateRows::kWhole>(decay, x, b, c, channels, states, from, from_row, to, to_row, y);
  } else {
    recur<T, StateRows::kAny>(decay, x, b, c, channels, states, from, from_row, to, to_row, y);
  }
}

/** The output of one token of one head from its y: skip and z are optional, x, y and skip whole vectors. */
template <typename T, typename X>
DJLMAMBA_INLINE void write_output(const T* y, const T* x, const T* skip, const X* z, int64_t channels, X* out) {
  constexpr int kLanes = Simd<T>::kLanes;
  for (int64_t p = 0; p < channels; p += kLanes) {
    const int count = channels - p < kLanes ? static_cast<int>(channels - p) : kLanes;
    Vec<T> value = load(y + p);
    if (skip != nullptr) value = fmadd(load(skip + p), load(x + p), value);
    if (z != nullptr) {
      const Vec<T> gate = load_first(z + p, count);
      value = value * (gate * sigmoid<T>(gate));
    }
    store_first<X>(out + p, value, count);
  }
}

/** Of one thread, for recurrent_forward(). */
template <typename T>
struct RecurrentScratch {
  T* state;   // [channel][state]
  T* b;       // [state]
  T* c;       // [state]
  T* x;       // [channel]
  T* input;   // [channel]: delta' x
  T* y;       // [channel]
  T* delta;   // [token of 16]
  T* decay;   // [token of 16]

  void take(Arena& arena, const HeadExtent& extent) {
    state = arena.take<T>(extent.elements);
    b = arena.take<T>(extent.padded_states);
    c = arena.take<T>(extent.padded_states);
    x = arena.take<T>(extent.padded_channels);
    input = arena.take<T>(extent.padded_channels);
    y = arena.take<T>(extent.padded_channels);
    delta = arena.take<T>(kDecayBlock);
    decay = arena.take<T>(kDecayBlock);
  }
};

/* States that leave little of the second-level cache to what comes before they are read again. */
constexpr int64_t kStreamedStateBytes = 1 << 19;

/** The whole sequence for each of its heads; skip is [head][channel] if it is given. */
template <typename T, typename X>
static void recurrent_forward(const StateSpaceDualForward<T, X>& f, const HeadExtent& extent, const HeadsOfSequence& s, const T* skip,
                              const RecurrentScratch<T>& scratch) {
  constexpr int kLanes = Simd<T>::kLanes;
  const StateSpaceDualSizes& sizes = f.in.sizes;
  const bool streamed = sizes.batch * sizes.heads * extent.channels * extent.states >= kStreamedStateBytes / static_cast<int64_t>(sizeof(T));
  for (int64_t head = 0; head < s.heads; ++head) {
    const int64_t h = s.first_head + head;
    const T* state = f.in.initial_state.data == nullptr ? nullptr : state_of(f.in.initial_state, s, head);
    int64_t state_row = f.in.initial_state.row_stride;
    for (int64_t t = s.begin; t < s.end; ++t) {
      const int64_t k = (t - s.begin) % kDecayBlock;
      if (k == 0) {
        const int64_t tokens = s.end - t < kDecayBlock ? s.end - t : kDecayBlock;
        read_deltas<T, false>(element(f.in.delta, s.batch, t, h), f.in.delta.length_stride, delta_transform(f.in, h), tokens, kDecayBlock, scratch.delta,
                              static_cast<T*>(nullptr));
        for (int64_t i = 0; i < kDecayBlock; i += kLanes) {
          store<T>(scratch.decay + i, exp2(f.in.a[h] * T(kLog2E) * load(scratch.delta + i)));
        }
      }
      pack_row<T>(element(f.in.b, s.batch, t, s.group), extent.states, scratch.b, extent.padded_states);
      pack_row<T>(element(f.in.c, s.batch, t, s.group), extent.states, scratch.c, extent.padded_states);
      pack_row<T>(element(f.in.x, s.batch, t, h), extent.channels, scratch.x, extent.padded_channels);
      scale_rows(scratch.delta + k, 1, extent.padded_channels, scratch.x, scratch.input);
      const bool to_caller = t + 1 == s.end && f.final_state.data != nullptr;
      T* const to = to_caller ? state_of(f.final_state, s, head) : scratch.state;
      const int64_t to_row = to_caller ? f.final_state.row_stride : extent.padded_states;
      recur(scratch.decay[k], scratch.input, scratch.b, scratch.c, extent.channels, extent.states, state, state_row, to, to_row, scratch.y,
            to_caller && streamed);
      write_output<T>(scratch.y, scratch.x, f.in.skip.data == nullptr ? nullptr : skip + head * extent.padded_channels,
                      f.in.z.data == nullptr ? nullptr : element(f.in.z, s.batch, t, h), extent.channels, element(f.out, s.batch, t, h));
      state = to;
      state_row = to_row;
    }
  }
  streaming_fence();
}

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
