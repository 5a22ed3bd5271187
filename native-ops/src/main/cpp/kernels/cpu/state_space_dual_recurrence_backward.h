/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

/* The backward pass of the state space dual token by token; compiled once per instruction set (see simd.h). */

#include "state_space_dual_backward.h"
#include "state_space_dual_recurrence.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

/** Of one thread. States are kept every 16 tokens, and computed again in between. */
template <typename T>
struct RecurrentBackwardScratch {
  T* checkpoints;  // [sixteen tokens][channel][state]
  T* history;      // [token of 17][channel][state]: before each token
  T* d_state;      // [channel][state]
  T* b;            // [token of 16][state]
  T* c;
  T* d_b;          // [state]
  T* d_c;
  T* x;            // [token of 16][channel]
  T* y;
  T* input;        // [channel]
  T* d_y;          // [channel]
  T* d_input;      // [channel]
  T* delta;        // [token of 16]
  T* derivative;
  T* decay;
  T* d_delta;

  void take(Arena& arena, const HeadExtent& extent, int64_t length) {
    checkpoints = arena.take<T>((length + kDecayBlock - 1) / kDecayBlock * extent.elements);
    history = arena.take<T>((kDecayBlock + 1) * extent.elements);
    d_state = arena.take<T>(extent.elements);
    b = arena.take<T>(kDecayBlock * extent.padded_states);
    c = arena.take<T>(kDecayBlock * extent.padded_states);
    d_b = arena.take<T>(extent.padded_states);
    d_c = arena.take<T>(extent.padded_states);
    x = arena.take<T>(kDecayBlock * extent.padded_channels);
    y = arena.take<T>(kDecayBlock * extent.padded_channels);
    input = arena.take<T>(extent.padded_channels);
    d_y = arena.take<T>(extent.padded_channels);
    d_input = arena.take<T>(extent.padded_channels);
    T** const token_arrays[] = {&delta, &derivative, &decay, &d_delta};
    for (T** array : token_arrays) *array = arena.take<T>(kDecayBlock);
  }
};

/** A state of the caller's in rows of whole vectors; zeros if it is not given. */
template <typename T>
static void pack_state(const T* from, int64_t from_row, const HeadExtent& extent, T* to) {
  memset(to, 0, static_cast<size_t>(extent.elements) * sizeof(T));
  if (from != nullptr) pack_rows<T>(from, from_row, extent.channels, extent.states, to, extent.channels, extent.padded_states);
}

/** Reads up to 16 tokens and runs over them from history[0]. */
template <typename T, typename X>
static void recur_over_tokens(const StateSpaceDualBackward<T, X>& f, const HeadExtent& extent, const HeadsOfSequence& s, int64_t h, int64_t begin,
                              int64_t tokens, const RecurrentBackwardScratch<T>& r) {
  constexpr int kLanes = Simd<T>::kLanes;
  const int64_t states = extent.padded_states, channels = extent.padded_channels;
  read_deltas<T, true>(element(f.in.delta, s.batch, begin, h), f.in.delta.length_stride, delta_transform(f.in, h), tokens, kDecayBlock, r.delta,
                       r.derivative);
  for (int64_t i = 0; i < kDecayBlock; i += kLanes) store<T>(r.decay + i, exp2(f.in.a[h] * T(kLog2E) * load(r.delta + i)));
  pack_rows<T>(element(f.in.b, s.batch, begin, s.group), f.in.b.length_stride, tokens, extent.states, r.b, tokens, states);
  pack_rows<T>(element(f.in.c, s.batch, begin, s.group), f.in.c.length_stride, tokens, extent.states, r.c, tokens, states);
  pack_rows<T>(element(f.in.x, s.batch, begin, h), f.in.x.length_stride, tokens, extent.channels, r.x, tokens, channels);
  for (int64_t k = 0; k < tokens; ++k) {
    scale_rows(r.delta + k, 1, channels, r.x + k * channels, r.input);
    T* const state = r.history + k * extent.elements;
    recur<T, StateRows::kWhole>(r.decay[k], r.input, r.b + k * states, r.c + k * states, extent.channels, states, state, states, state + extent.elements, states,
                   r.y + k * channels);
  }
}

/** Token k of those that recur_over_tokens() ran over, whose gradient of y is in d_y; returns the gradient of its decay's logarithm. */
template <typename T>
static T recurrent_backward_token(const HeadExtent& extent, int64_t k, const RecurrentBackwardScratch<T>& r) {
  constexpr int kLanes = Simd<T>::kLanes;
  const int64_t states = extent.padded_states;
  const Vec<T> decay = set1(r.decay[k]);
  const T *b = r.b + k * states, *c = r.c + k * states, *x = r.x + k * extent.padded_channels;
  Vec<T> d_decay = {};
  memset(r.d_b, 0, static_cast<size_t>(states) * sizeof(T));
  memset(r.d_c, 0, static_cast<size_t>(states) * sizeof(T));
  for (int64_t p = 0; p < extent.channels; p += kLanes) {
    alignas(DJLMAMBA_VECTOR_BYTES) T sums[kLanes * kLanes] = {};
    for (int64_t i = p; i < p + kLanes && i < extent.channels; ++i) {
      const Vec<T> d_y = set1(r.d_y[i]), input = set1(r.delta[k] * x[i]);
      const T* before = r.history + k * extent.elements + i * states;
      T* d_state = r.d_state + i * states;
      Vec<T> sum = {};
      for (int64_t n = 0; n < states; n += kLanes) {
        const Vec<T> gradient = fmadd(d_y, load(c + n), load(d_state + n));
        store<T>(r.d_c + n, fmadd(d_y, load(before + extent.elements + n), load(r.d_c + n)));
        store<T>(r.d_b + n, fmadd(input, gradient, load(r.d_b + n)));
        sum = fmadd(gradient, load(b + n), sum);
        d_decay = fmadd(gradient, load(before + n), d_decay);
        store<T>(d_state + n, decay * gradient);
      }
      store<T>(sums + (i - p) * kLanes, sum);
    }
    store<T>(r.d_input + p, sum_lanes<T>(sums));
  }
  T sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) sum += d_decay[lane];
  return r.decay[k] * sum;
}

/** The whole sequence for each of its heads; the first head of a block starts the partial gradients of B and C. Skip is [head][channel] if it is given. */
template <typename T, typename X>
static void recurrent_backward(const StateSpaceDualBackward<T, X>& f, const HeadExtent& extent, const HeadsOfSequence& s, const T* skip,
                               const PartialRows<T>& partial, const HeadSums<T>& sums, const RecurrentBackwardScratch<T>& r) {
  constexpr int kLanes = Simd<T>::kLanes;
  const size_t state_bytes = static_cast<size_t>(extent.elements) * sizeof(T);
  for (int64_t head = 0; head < s.heads; ++head) {
    const int64_t h = s.first_head + head;
    const T* head_skip = f.in.skip.data == nullptr ? nullptr : skip + head * extent.padded_channels;
    memset(r.history, 0, state_bytes * (kDecayBlock + 1));
    pack_state(f.in.initial_state.data == nullptr ? nullptr : state_of(f.in.initial_state, s, head), f.in.initial_state.row_stride, extent, r.checkpoints);
    const int64_t sixteens = (s.end - s.begin + kDecayBlock - 1) / kDecayBlock;
    for (int64_t i = 0; i + 1 < sixteens; ++i) {
      memcpy(r.history, r.checkpoints + i * extent.elements, state_bytes);
      recur_over_tokens(f, extent, s, h, s.begin + i * kDecayBlock, kDecayBlock, r);
      memcpy(r.checkpoints + (i + 1) * extent.elements, r.history + kDecayBlock * extent.elements, state_bytes);
    }
    pack_state(f.d_final_state.data == nullptr ? nullptr : state_of(f.d_final_state, s, head), f.d_final_state.row_stride, extent, r.d_state);
    for (int64_t i = sixteens - 1; i >= 0; --i) {
      const int64_t begin = s.begin + i * kDecayBlock;
      const int64_t tokens = s.end - begin < kDecayBlock ? s.end - begin : kDecayBlock;
      memcpy(r.history, r.checkpoints + i * extent.elements, state_bytes);
      recur_over_tokens(f, extent, s, h, begin, tokens, r);
      for (int64_t k = tokens - 1; k >= 0; --k) {
        const int64_t t = begin + k;
        const X* d_out = element(f.d_out, s.batch, t, h);
        const X* z = f.in.z.data == nullptr ? nullptr : element(f.in.z, s.batch, t, h);
        const T* x = r.x + k * extent.padded_channels;
        pack_d_y(d_out, z, extent.channels, r.d_y, extent.padded_channels);
        const T d_log_decay = recurrent_backward_token(extent, k, r);
        T d_delta = f.in.a[h] * d_log_decay;
        for (int64_t p = 0; p < extent.channels; ++p) d_delta += x[p] * r.d_input[p];
        r.d_delta[k] = d_delta;
        sums.d_a[head] += r.delta[k] * d_log_decay;
        for (int64_t p = 0; p < extent.channels; p += kLanes) {
          const int count = extent.channels - p < kLanes ? static_cast<int>(extent.channels - p) : kLanes;
          const Vec<T> d_y = load(r.d_y + p), x_p = load(x + p);
          Vec<T> d_x = r.delta[k] * load(r.d_input + p), y = load(r.y + k * extent.padded_channels + p);
          if (head_skip != nullptr) {
            d_x = fmadd(load(head_skip + p), d_y, d_x);
            y = fmadd(load(head_skip + p), x_p, y);
          }
          if (f.d_x.data != nullptr) store_first<X>(element(f.d_x, s.batch, t, h) + p, d_x, count);
          if (f.d_z.data != nullptr) {
            store_first<X>(element(f.d_z, s.batch, t, h) + p, gate_gradient<T>(load_first(d_out + p, count), y, load_first(z + p, count)), count);
          }
          T* d_skip = sums.d_skip + head * extent.padded_channels + p;
          store<T>(d_skip, fmadd(x_p, d_y, load(d_skip)));
        }
        for (int64_t n = 0; n < extent.states; ++n) {
          T *d_b = partial.d_b + t * extent.states + n, *d_c = partial.d_c + t * extent.states + n;
          *d_b = head == 0 ? r.d_b[n] : *d_b + r.d_b[n];
          *d_c = head == 0 ? r.d_c[n] : *d_c + r.d_c[n];
        }
      }
      write_d_deltas(r.d_delta, r.derivative, tokens, f.d_delta.data == nullptr ? nullptr : element(f.d_delta, s.batch, begin, h),
                     f.d_delta.length_stride, sums.d_delta_bias + head);
    }
    if (f.d_initial_state.data == nullptr) continue;
    T* to = state_of(f.d_initial_state, s, head);
    for (int64_t p = 0; p < extent.channels; ++p) {
      memcpy(to + p * f.d_initial_state.row_stride, r.d_state + p * extent.padded_states, static_cast<size_t>(extent.states) * sizeof(T));
    }
  }
}

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
