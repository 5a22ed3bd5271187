/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "denormals.h"
#include "state_space_dual_backward_chunk.h"
#include "state_space_dual_recurrence_backward.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

namespace {

/** Of one thread. */
template <typename T>
struct BackwardScratch {
  T* skip;      // [head][channel]
  T* states;    // [head][chunk][state][channel]: before each chunk of a sequence
  T* d_states;  // [head][state][channel]
  GroupScratch<T> group;
  HeadScratch<T> head;
  HeadSums<T> sums;
  RecurrentBackwardScratch<T> recurrent;
  int64_t chunks;

  void take(Arena& arena, const HeadExtent& extent, const StateSpaceDualGeometry& geometry, int64_t length) {
    const int64_t heads = geometry.heads_per_block * geometry.blocks_together;
    chunks = length > geometry.recurrent_up_to ? (length + geometry.backward_chunk - 1) / geometry.backward_chunk : 0;
    skip = arena.take<T>(heads * extent.padded_channels);
    states = arena.take<T>(heads * chunks * extent.elements);
    d_states = arena.take<T>(heads * extent.elements);
    group.take(arena, extent, geometry.backward_chunk);
    head.take(arena, extent, geometry.backward_chunk);
    sums.take(arena, extent, heads);
    recurrent.take(arena, extent, length < geometry.recurrent_up_to ? length : geometry.recurrent_up_to);
  }
};

/** The state after a chunk from the one before, which may be null: zeros. That of the next unit goes to `next_after`.
 */
template <typename T, typename X>
void next_state(const StateSpaceDualBackward<T, X>& f, const HeadExtent& extent, const HeadsOfSequence& s, int64_t head,
                const Chunk& chunk, const NextUnit<T>& next, const T* b_transposed, const HeadScratch<T>& shared,
                const T* before, T* after, const T* next_after) {
  HeadScratch<T> w = shared;
  const int64_t h = s.first_head + head, row = extent.padded_channels;
  read_deltas<T, false>(element(f.in.delta, s.batch, chunk.begin, h), f.in.delta.length_stride,
                        delta_transform(f.in, h), chunk.tokens, chunk.padded, w.decays.delta, static_cast<T*>(nullptr));
  w.decays.compute(f.in.a[h] * T(kLog2E), chunk.padded);
  pack_rows<T>(element(f.in.x, s.batch, chunk.begin, h), f.in.x.length_stride, chunk.tokens, extent.channels, w.x,
               chunk.padded, row);
  scale_rows(w.decays.to_end_delta, chunk.tokens, row, w.x, w.x);
  advance_state(extent, w.decays.whole, before, b_transposed, chunk.padded, w.x, chunk.tokens,
                static_cast<const T*>(nullptr), after,
                {RowsAhead::of(f.in.x, s.batch, next.chunk.begin, next.head, next.chunk.tokens, extent.channels),
                 RowsAhead::of_state(extent, next.state), RowsAhead::of_state(extent, next_after)});
}

/** Calls function(first head, end, block) for each block of the heads of `s`. */
template <typename Function>
void for_each_block(const StateSpaceDualGeometry& geometry, const HeadsOfSequence& s, const Function& function) {
  for (int64_t first = 0, block = 0; first < s.heads; first += geometry.heads_per_block, ++block) {
    const int64_t end = first + geometry.heads_per_block;
    function(first, end < s.heads ? end : s.heads, block);
  }
}

/** `partial` is of the first block. */
template <typename T, typename X>
void backward_sequence(const StateSpaceDualBackward<T, X>& f, const StateSpaceDualGeometry& geometry,
                       const HeadExtent& extent, const HeadsOfSequence& s, const PartialRows<T>& partial,
                       const BackwardScratch<T>& scratch) {
  const int64_t block_stride = f.in.sizes.length * extent.states;
  if (s.begin == s.end) {
    hand_on_states(f.d_final_state, f.d_initial_state, s, extent.channels, extent.states);
    return;
  }
  if (s.end - s.begin <= geometry.recurrent_up_to) {
    for_each_block(geometry, s, [&](int64_t first, int64_t end, int64_t block) {
      HeadsOfSequence heads = s;
      heads.first_head += first;
      heads.heads = end - first;
      recurrent_backward(f, extent, heads, scratch.skip + first * extent.padded_channels,
                         partial.after(block * block_stride), scratch.sums.from(extent, first), scratch.recurrent);
    });
    return;
  }
  const int64_t chunks = (s.end - s.begin + geometry.backward_chunk - 1) / geometry.backward_chunk;
  const int64_t head_stride = scratch.chunks * extent.elements;
  const bool initial = f.in.initial_state.data != nullptr, d_final = f.d_final_state.data != nullptr;
  if (initial) {
    load_states(f.in.initial_state, s, extent, scratch.d_states);
    for (int64_t head = 0; head < s.heads; ++head) {
      memcpy(scratch.states + head * head_stride, scratch.d_states + head * extent.elements,
             static_cast<size_t>(extent.elements) * sizeof(T));
    }
  }
  for (int64_t i = 0; i + 1 < chunks; ++i) {
    const Chunk chunk = Chunk::at(s, s.begin + i * geometry.backward_chunk, geometry.backward_chunk);
    pack_rows<T>(element(f.in.b, s.batch, chunk.begin, s.group), f.in.b.length_stride, chunk.tokens, extent.states,
                 scratch.group.b, chunk.padded, extent.padded_states);
    transpose_in(scratch.group.b, extent.padded_states, chunk.padded, extent.padded_states, scratch.group.b_transposed,
                 chunk.padded);
    for (int64_t head = 0; head < s.heads; ++head) {
      T* const state = scratch.states + head * head_stride + i * extent.elements;
      const bool last = head + 1 == s.heads;
      const NextUnit<T> next = {last ? Chunk::at(s, chunk.begin + chunk.tokens, geometry.backward_chunk) : chunk,
                                last ? s.first_head : s.first_head + head + 1,
                                last || i == 0 ? nullptr : state + head_stride};
      next_state(f, extent, s, head, chunk, next, scratch.group.b_transposed, scratch.head,
                 i > 0 || initial ? state : nullptr, state + extent.elements,
                 last ? nullptr : state + head_stride + extent.elements);
    }
  }
  if (d_final) load_states(f.d_final_state, s, extent, scratch.d_states);
  for (int64_t i = chunks - 1; i >= 0; --i) {
    const Chunk chunk = Chunk::at(s, s.begin + i * geometry.backward_chunk, geometry.backward_chunk);
    const bool have_state = i > 0 || initial;
    read_group(f, extent, s, chunk, scratch.group);
    for_each_block(geometry, s, [&](int64_t first, int64_t end, int64_t block) {
      clear_group_sums(extent, chunk, scratch.group);
      for (int64_t head = first; head < end; ++head) {
        const bool last = head + 1 == s.heads;
        const NextUnit<T> next = {
            !last   ? chunk
            : i > 0 ? Chunk::at(s, chunk.begin - geometry.backward_chunk, geometry.backward_chunk)
                    : Chunk{chunk.begin, 0, 0},
            last ? s.first_head : s.first_head + head + 1,
            last && i == 0 ? nullptr
                           : scratch.states + (last ? i - 1 : (head + 1) * scratch.chunks + i) * extent.elements};
        backward_chunk(f, extent, s, head, chunk, next, scratch.group, scratch.head, scratch.sums,
                       have_state ? scratch.states + head * head_stride + i * extent.elements : nullptr,
                       scratch.d_states + head * extent.elements, i + 1 < chunks || d_final,
                       have_state || f.d_initial_state.data != nullptr,
                       f.in.skip.data == nullptr ? nullptr : scratch.skip + head * extent.padded_channels);
      }
      write_group(f, extent, chunk, scratch.group, partial.after(block * block_stride));
    });
  }
  store_states(scratch.d_states, s, extent, f.d_initial_state);
}

}  // namespace

template <typename T, typename X>
void state_space_dual_backward(const StateSpaceDualBackward<T, X>& f, int64_t block_begin, int64_t block_end) {
  const DenormalsAreZeros denormals_are_zeros;
  const StateSpaceDualSizes& sizes = f.in.sizes;
  const StateSpaceDualGeometry geometry = state_space_dual_geometry(sizes);
  const HeadExtent extent = HeadExtent::of<T>(sizes.head_size, sizes.states);
  BackwardScratch<T> scratch;
  Arena arena = {nullptr, 0};
  scratch.take(arena, extent, geometry, sizes.length);
  arena = {static_cast<char*>(thread_scratch(arena.bytes)), 0};
  scratch.take(arena, extent, geometry, sizes.length);
  int64_t block = block_begin;
  while (block < block_end) {
    HeadsOfSequence s;
    s.batch = block / geometry.blocks_per_row;
    const int64_t block_of_row = block % geometry.blocks_per_row;
    s.group = block_of_row / geometry.blocks_per_group;
    const int64_t block_of_group = block_of_row % geometry.blocks_per_group;
    int64_t blocks = geometry.blocks_per_group - block_of_group;
    blocks = blocks < geometry.blocks_together ? blocks : geometry.blocks_together;
    blocks = blocks < block_end - block ? blocks : block_end - block;
    const int64_t first = block_of_group * geometry.heads_per_block, left = geometry.heads_per_group - first;
    s.first_head = s.group * geometry.heads_per_group + first;
    s.heads = geometry.heads_per_block * blocks < left ? geometry.heads_per_block * blocks : left;
    for (int64_t head = 0; head < s.heads; ++head) {
      pack_skip(f.in.skip, f.in.skip_by_channel, s.first_head + head, extent,
                scratch.skip + head * extent.padded_channels);
    }
    const int64_t rows = block * sizes.length * sizes.states;
    const PartialRows<T> partial = {f.workspace + geometry.d_b_offset + rows, f.workspace + geometry.d_c_offset + rows};
    scratch.sums.clear(extent, s.heads);
    for (int64_t sequence = 0; sequence < sequences_of(f.in.packed); ++sequence) {
      to_sequence(f.in.packed, sizes.length, sequence, s);
      backward_sequence(f, geometry, extent, s, partial, scratch);
    }
    const int64_t head = s.batch * sizes.heads + s.first_head;
    for (int64_t i = 0; i < s.heads; ++i) {
      memcpy(f.workspace + geometry.d_skip_offset + (head + i) * sizes.head_size,
             scratch.sums.d_skip + i * extent.padded_channels, static_cast<size_t>(sizes.head_size) * sizeof(T));
    }
    memcpy(f.workspace + geometry.d_a_offset + head, scratch.sums.d_a, static_cast<size_t>(s.heads) * sizeof(T));
    memcpy(f.workspace + geometry.d_delta_bias_offset + head, scratch.sums.d_delta_bias,
           static_cast<size_t>(s.heads) * sizeof(T));
    block += blocks;
  }
}

template void state_space_dual_backward<float, float>(const StateSpaceDualBackward<float, float>&, int64_t, int64_t);
template void state_space_dual_backward<double, double>(const StateSpaceDualBackward<double, double>&, int64_t,
                                                        int64_t);
template void state_space_dual_backward<float, BFloat16>(const StateSpaceDualBackward<float, BFloat16>&, int64_t,
                                                         int64_t);

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
