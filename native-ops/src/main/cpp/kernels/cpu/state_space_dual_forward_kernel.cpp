/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "state_space_dual_recurrence.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

namespace {

/* States of the heads that are worked on together stay in a second-level cache. */
constexpr int64_t kStateBytes = 384 << 10;
constexpr int64_t kMostHeads = 16;

/** Of one thread. */
template <typename T>
struct ForwardScratch {
  T* b;             // [token][state]
  T* c;             // [token][state]
  T* b_transposed;  // [state][token]
  T* scores;        // [token][token]: C of the later by B of the earlier
  T* mixing;        // [token][token]: what each output takes of each input of its chunk
  T* x;             // [token][channel]
  T* y;             // [token][channel]
  T* skip;          // [head][channel]
  T* states;        // [head][state][channel]
  Decays<T> decays;
  RecurrentScratch<T> recurrent;

  void take(Arena& arena, const HeadExtent& extent, int64_t chunk, int64_t heads) {
    b = arena.take<T>(chunk * extent.padded_states);
    c = arena.take<T>(chunk * extent.padded_states);
    b_transposed = arena.take<T>(chunk * extent.padded_states);
    scores = arena.take<T>(chunk * chunk);
    mixing = arena.take<T>(chunk * chunk);
    x = arena.take<T>(chunk * extent.padded_channels);
    y = arena.take<T>(chunk * extent.padded_channels);
    skip = arena.take<T>(heads * extent.padded_channels);
    states = arena.take<T>(heads * extent.elements);
    decays.take(arena, chunk);
    recurrent.take(arena, extent);
  }
};

/** mixing[i][j] = scores[i][j] (decay from j to i) delta'(j) for j <= i, and zeros up to the end of i's block. */
template <typename T>
void mix(const Decays<T>& d, const T* scores, int64_t padded, T* mixing) {
  using Int = typename Simd<T>::I;
  constexpr int kLanes = Simd<T>::kLanes, kVectors = kBlockVectors<T>;
  Int index[kVectors];
  block_indices<T>(index);
  for (int64_t block = 0; block < d.blocks; ++block) {
    Vec<T> exponent[kVectors] = {}, delta[kVectors];
    for (int v = 0; v < kVectors; ++v) delta[v] = load(d.delta + block * kDecayBlock + v * kLanes);
    for (int k = 0; k < kDecayBlock; ++k) {
      const int64_t i = block * kDecayBlock + k;
      const T* score = scores + i * padded;
      T* to = mixing + i * padded;
      for (int64_t earlier = 0; earlier < block; ++earlier) {
        const Vec<T> decay = set1(d.from_block[i] * d.between[block * kDecayBlock + earlier]);
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) {
          const int64_t j = earlier * kDecayBlock + v * kLanes;
          store<T>(to + j, decay * load(d.to_block_delta + j) * load(score + j));
        }
      }
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        const int64_t j = block * kDecayBlock + v * kLanes;
        exponent[v] = (Vec<T>)((Int)(exponent[v] + d.a[i]) & (index[v] < k));
        const Vec<T> value = exp2(exponent[v]) * delta[v] * load(score + j);
        store<T>(to + j, (Vec<T>)((Int)value & (index[v] <= k)));
      }
    }
  }
}

/** The outputs of one head over one chunk from its y: skip and gate. */
template <typename T, typename X>
void write_outputs(const StateSpaceDualForward<T, X>& f, const HeadExtent& extent, const HeadsOfSequence& s, int64_t head, int64_t begin, int64_t tokens,
                   const ForwardScratch<T>& scratch) {
  const int64_t row = extent.padded_channels;
  const T* skip = f.in.skip.data == nullptr ? nullptr : scratch.skip + head * row;
  X* const out = element(f.out, s.batch, begin, s.first_head + head);
  const X* const z = f.in.z.data == nullptr ? nullptr : element(f.in.z, s.batch, begin, s.first_head + head);
  for (int64_t t = 0; t < tokens; ++t) {
    write_output<T>(scratch.y + t * row, scratch.x + t * row, skip, z == nullptr ? nullptr : z + t * f.in.z.length_stride, extent.channels,
                    out + t * f.out.length_stride);
  }
}

/** The rows of x that are read after those of this head and chunk. */
template <typename T, typename X>
RowsAhead next_inputs(const StateSpaceDualForward<T, X>& f, const HeadExtent& extent, const HeadsOfSequence& s, int64_t head, int64_t begin, int64_t tokens) {
  if (head + 1 < s.heads) return RowsAhead::of(f.in.x, s.batch, begin, s.first_head + head + 1, tokens, extent.channels);
  const int64_t left = s.end - begin - tokens;
  return RowsAhead::of(f.in.x, s.batch, begin + tokens, s.first_head, left < tokens ? left : tokens, extent.channels);
}

template <typename T, typename X>
void forward_chunk(const StateSpaceDualForward<T, X>& f, const HeadExtent& extent, const HeadsOfSequence& s, int64_t begin, int64_t tokens,
                   const ForwardScratch<T>& shared, bool zero_state, bool want_state) {
  ForwardScratch<T> scratch = shared;
  const int64_t padded = (tokens + kDecayBlock - 1) / kDecayBlock * kDecayBlock;
  const int64_t states = extent.padded_states;
  pack_rows<T>(element(f.in.b, s.batch, begin, s.group), f.in.b.length_stride, tokens, extent.states, scratch.b, padded, states);
  pack_rows<T>(element(f.in.c, s.batch, begin, s.group), f.in.c.length_stride, tokens, extent.states, scratch.c, padded, states);
  transpose_in(scratch.b, states, padded, states, scratch.b_transposed, padded);
  multiply_half<T, true>(scratch.c, states, scratch.b_transposed, extent.states, padded, scratch.scores);
  for (int64_t head = 0; head < s.heads; ++head) {
    const int64_t h = s.first_head + head;
    T* const state = scratch.states + head * extent.elements;
    read_deltas<T, false>(element(f.in.delta, s.batch, begin, h), f.in.delta.length_stride, delta_transform(f.in, h), tokens, padded,
                          scratch.decays.delta, static_cast<T*>(nullptr));
    scratch.decays.compute(f.in.a[h] * T(kLog2E), padded);
    mix(scratch.decays, scratch.scores, padded, scratch.mixing);
    pack_rows<T>(element(f.in.x, s.batch, begin, h), f.in.x.length_stride, tokens, extent.channels, scratch.x, padded, extent.padded_channels);
    mix_outputs<T>({scratch.c, zero_state ? nullptr : state, scratch.decays.from_start, scratch.mixing, padded, 1, scratch.x, scratch.y}, extent, tokens,
                   RowsAhead::of(f.out, s.batch, begin, h, tokens, extent.channels));
    write_outputs(f, extent, s, head, begin, tokens, scratch);
    if (!want_state) continue;
    scale_rows(scratch.decays.to_end_delta, tokens, extent.padded_channels, scratch.x, scratch.x);
    advance_state(extent, scratch.decays.whole, zero_state ? nullptr : state, scratch.b_transposed, padded, scratch.x, tokens,
                  static_cast<const T*>(nullptr), state, next_inputs(f, extent, s, head, begin, tokens));
  }
}

template <typename T, typename X>
void forward_sequence(const StateSpaceDualForward<T, X>& f, const StateSpaceDualGeometry& geometry, const HeadExtent& extent, const HeadsOfSequence& s,
                      const ForwardScratch<T>& scratch) {
  if (s.begin == s.end) {
    hand_on_states(f.in.initial_state, f.final_state, s, extent.channels, extent.states);
    return;
  }
  if (s.end - s.begin <= geometry.recurrent_up_to) {
    recurrent_forward(f, extent, s, scratch.skip, scratch.recurrent);
    return;
  }
  const bool initial = f.in.initial_state.data != nullptr;
  if (initial) load_states(f.in.initial_state, s, extent, scratch.states);
  for (int64_t begin = s.begin; begin < s.end; begin += geometry.forward_chunk) {
    const int64_t tokens = s.end - begin < geometry.forward_chunk ? s.end - begin : geometry.forward_chunk;
    forward_chunk(f, extent, s, begin, tokens, scratch, begin == s.begin && !initial, begin + tokens < s.end || f.final_state.data != nullptr);
  }
  store_states(scratch.states, s, extent, f.final_state);
}

}  // namespace

template <typename T, typename X>
void state_space_dual_forward(const StateSpaceDualForward<T, X>& f, int64_t block_begin, int64_t block_end) {
  const StateSpaceDualSizes& sizes = f.in.sizes;
  const StateSpaceDualGeometry geometry = state_space_dual_geometry(sizes);
  const HeadExtent extent = HeadExtent::of<T>(sizes.head_size, sizes.states);
  int64_t most = kStateBytes / (extent.elements * static_cast<int64_t>(sizeof(T)));
  most = most < 1 ? 1 : most < kMostHeads ? most : kMostHeads;
  most = most < geometry.heads_per_group ? most : geometry.heads_per_group;
  ForwardScratch<T> scratch;
  Arena arena = {nullptr, 0};
  scratch.take(arena, extent, geometry.forward_chunk, most);
  arena = {static_cast<char*>(thread_scratch(arena.bytes)), 0};
  scratch.take(arena, extent, geometry.forward_chunk, most);
  int64_t block = block_begin;
  while (block < block_end) {
    HeadsOfSequence s;
    s.batch = block / sizes.heads;
    s.first_head = block % sizes.heads;
    s.group = s.first_head / geometry.heads_per_group;
    const int64_t left = (s.group + 1) * geometry.heads_per_group - s.first_head;
    s.heads = most < left ? most : left;
    s.heads = s.heads < block_end - block ? s.heads : block_end - block;
    for (int64_t head = 0; head < s.heads; ++head) {
      pack_skip(f.in.skip, f.in.skip_by_channel, s.first_head + head, extent, scratch.skip + head * extent.padded_channels);
    }
    for (int64_t sequence = 0; sequence < sequences_of(f.in.packed); ++sequence) {
      to_sequence(f.in.packed, sizes.length, sequence, s);
      forward_sequence(f, geometry, extent, s, scratch);
    }
    block += s.heads;
  }
}

template void state_space_dual_forward<float, float>(const StateSpaceDualForward<float, float>&, int64_t, int64_t);
template void state_space_dual_forward<double, double>(const StateSpaceDualForward<double, double>&, int64_t, int64_t);
template void state_space_dual_forward<float, BFloat16>(const StateSpaceDualForward<float, BFloat16>&, int64_t, int64_t);

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
