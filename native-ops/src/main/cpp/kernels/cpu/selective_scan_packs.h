/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

/* What the forward and backward selective scan kernels share; compiled once per instruction set (see simd.h). */

#include "arena.h"
#include "selective_scan_decay.h"
#include "selective_scan_geometry.h"
#include "sequence_pieces.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

/** Consecutive blocks of one batch that are worked on together, so that rows are read in long runs: packs [pack_begin, pack_end). */
struct Segment {
  int64_t batch;
  int64_t block_begin;
  int64_t block_end;
  int64_t pack_begin;
  int64_t pack_end;
};

struct PackChannels {
  int64_t group;
  int64_t first;
  int count;
};

DJLMAMBA_INLINE int64_t first_pack_of_block(const SelectiveScanGeometry& geometry, int64_t block) {
  const int64_t group = block / geometry.blocks_per_group;
  return group * geometry.packs_per_group + (block - group * geometry.blocks_per_group) * geometry.packs_per_block;
}

/** The pack after the last one of the block before this one: the same as first_pack_of_block(), but right at the end of a group too. */
DJLMAMBA_INLINE int64_t end_pack_of_block(const SelectiveScanGeometry& geometry, int64_t block) {
  const int64_t group_end = (block / geometry.blocks_per_group + 1) * geometry.packs_per_group;
  const int64_t end = first_pack_of_block(geometry, block) + geometry.packs_per_block;
  return end < group_end ? end : group_end;
}

/** The longest segment that starts at `block` (numbered over all batches), ends before `end` and has at most max_packs packs or one block. */
DJLMAMBA_INLINE Segment next_segment(const SelectiveScanGeometry& geometry, int64_t block, int64_t end, int64_t max_packs) {
  Segment s;
  s.batch = block / geometry.blocks_per_batch;
  const int64_t batch_start = s.batch * geometry.blocks_per_batch;
  int64_t blocks = max_packs / geometry.packs_per_block;
  blocks = blocks < 1 ? 1 : blocks;
  blocks = blocks < end - block ? blocks : end - block;
  const int64_t left = batch_start + geometry.blocks_per_batch - block;
  blocks = blocks < left ? blocks : left;
  s.block_begin = block - batch_start;
  s.block_end = s.block_begin + blocks;
  s.pack_begin = first_pack_of_block(geometry, s.block_begin);
  s.pack_end = end_pack_of_block(geometry, s.block_end - 1);
  return s;
}

/** At most `wanted` packs, and no more than a batch has, but at least one block. */
DJLMAMBA_INLINE int64_t max_packs_per_segment(const SelectiveScanGeometry& geometry, size_t wanted) {
  int64_t packs = static_cast<int64_t>(wanted) < geometry.packs_per_batch ? static_cast<int64_t>(wanted) : geometry.packs_per_batch;
  packs = packs < geometry.packs_per_block ? geometry.packs_per_block : packs;
  return packs;
}

DJLMAMBA_INLINE PackChannels pack_channels(const SelectiveScanGeometry& geometry, int64_t pack, int lanes) {
  PackChannels c;
  c.group = pack / geometry.packs_per_group;
  const int64_t offset = (pack - c.group * geometry.packs_per_group) * lanes;
  c.first = c.group * geometry.channels_per_group + offset;
  const int64_t left = geometry.channels_per_group - offset;
  c.count = static_cast<int>(left < lanes ? left : lanes);
  return c;
}

/** to[column][lane] = scale * from[lane][column] for the first `count` lanes, zeros in the others. */
template <typename T>
static void pack_columns(const T* from, int64_t row_stride, int count, int64_t columns, T scale, T* to) {
  constexpr int kLanes = Simd<T>::kLanes;
  if (count < kLanes) memset(to, 0, static_cast<size_t>(columns * kLanes) * sizeof(T));
  for (int lane = 0; lane < count; ++lane) {
    for (int64_t n = 0; n < columns; ++n) to[n * kLanes + lane] = scale * from[lane * row_stride + n];
  }
}

/** to[lane][column] = from[column][lane] for the first `count` lanes. */
template <typename T>
static void unpack_columns(const T* from, int64_t row_stride, int count, int64_t columns, T* to) {
  constexpr int kLanes = Simd<T>::kLanes;
  for (int lane = 0; lane < count; ++lane) {
    for (int64_t n = 0; n < columns; ++n) to[lane * row_stride + n] = from[n * kLanes + lane];
  }
}

/** One pack of entry `entry` of the states, as [state][lane]; zeros when they are not given. */
template <typename T>
static void pack_states_or_zeros(const BatchedMatrixView<const T>& from, int64_t entry, const PackChannels& channels, int64_t states, T* to) {
  constexpr int kLanes = Simd<T>::kLanes;
  if (from.data == nullptr) {
    memset(to, 0, static_cast<size_t>(states * kLanes) * sizeof(T));
  } else {
    pack_columns(from.data + entry * from.batch_stride + channels.first * from.row_stride, from.row_stride, channels.count, states, T(1), to);
  }
}

/** The inverse of pack_states_or_zeros(), when wanted. */
template <typename T>
static void unpack_states(const T* from, int64_t entry, const PackChannels& channels, int64_t states, const BatchedMatrixView<T>& to) {
  if (to.data == nullptr) return;
  unpack_columns(from, to.row_stride, channels.count, states, to.data + entry * to.batch_stride + channels.first * to.row_stride);
}

/** B and C of one group over one tile, in T: as they lie or, where they are stored in another type, a copy. */
template <typename T>
struct TileMatrices {
  int64_t group;
  const T* b;
  int64_t b_stride;
  const T* c;
  int64_t c_stride;
  T* b_copy;  // [time][state]
  T* c_copy;

  void take(Arena& arena, int64_t tile, int64_t states) {
    b_copy = arena.take<T>(tile * states);
    c_copy = arena.take<T>(tile * states);
  }

  template <typename X>
  void load(const SelectiveScanInputs<T, X>& in, int64_t batch, int64_t begin, int64_t end, int64_t of_group) {
    group = of_group;
    b = c = nullptr;
    b_stride = c_stride = 0;
    if (begin == end) return;
    load_one(in.b, batch, begin, end, in.sizes.states, b, b_stride, b_copy);
    load_one(in.c, batch, begin, end, in.sizes.states, c, c_stride, c_copy);
  }

 private:
  template <typename X>
  void load_one(const GroupedSequenceView<const X>& view, int64_t batch, int64_t begin, int64_t end, int64_t states, const T*& rows, int64_t& stride,
                T* copy) const {
    const X* from = view.data + batch * view.batch_stride + begin * view.length_stride + group * view.group_stride;
    if constexpr (kIsBFloat16<X>) {
      for (int64_t t = 0; t < end - begin; ++t) convert_row(from + t * view.length_stride, states, copy + t * states);
      rows = copy;
      stride = states;
    } else {
      rows = from;
      stride = view.length_stride;
    }
  }
};

/** One vector per pack of an optional (channels) array; zeros when it is not given. */
template <typename T>
static void pack_channel_array(const T* from, const PackChannels* channels, int64_t packs, T* to) {
  constexpr int kLanes = Simd<T>::kLanes;
  for (int64_t p = 0; p < packs; ++p) {
    store<T>(to + p * kLanes, from == nullptr ? Vec<T>{} : load_first(from + channels[p].first, channels[p].count));
  }
}

/** Calls function.template run<states of the slab>(first state) for each slab of `states`, largest slabs first. */
template <int kSlab = kStatesPerSlab, typename Function>
DJLMAMBA_INLINE void for_each_slab(int64_t states, Function& function, int64_t first = 0) {
  while (states - first >= kSlab) {
    function.template run<kSlab>(first);
    first += kSlab;
  }
  if constexpr (kSlab > 1) for_each_slab<(kSlab > 4 ? kSlab / 2 : 1)>(states, function, first);
}

/** Per-channel inputs of a segment, packed. A is times log2(e), since exponentials are to base 2. */
template <typename T>
struct PackedParameters {
  PackChannels* channels;
  T* a;                    // [pack][state][lane]
  DecayLimits<T>* limits;  // [pack][state], at the first state of each slab
  T* coefficients;         // [pack][state][coefficient][lane]
  T* skip;                 // [pack][lane]
  T* delta_bias;           // [pack][lane]
  int64_t loaded_begin;
  int64_t loaded_end;

  void take(Arena& arena, int64_t packs, int64_t states) {
    constexpr int kLanes = Simd<T>::kLanes;
    channels = arena.take<PackChannels>(packs);
    a = arena.take<T>(packs * states * kLanes);
    limits = arena.take<DecayLimits<T>>(packs * states);
    coefficients = arena.take<T>(packs * states * kDecayDegree<T> * kLanes);
    skip = arena.take<T>(packs * kLanes);
    delta_bias = arena.take<T>(packs * kLanes);
    loaded_begin = -1;
    loaded_end = -1;
  }

  template <typename X>
  void load_segment(const SelectiveScanInputs<T, X>& in, const SelectiveScanGeometry& geometry, const Segment& segment) {
    if (segment.pack_begin == loaded_begin && segment.pack_end == loaded_end) return;
    constexpr int kLanes = Simd<T>::kLanes;
    const int64_t packs = segment.pack_end - segment.pack_begin;
    const int64_t states = in.sizes.states;
    for (int64_t p = 0; p < packs; ++p) {
      channels[p] = pack_channels(geometry, segment.pack_begin + p, kLanes);
      T* packed = a + p * states * kLanes;
      pack_columns(in.a.data + channels[p].first * in.a.row_stride, in.a.row_stride, channels[p].count, states, T(kLog2E), packed);
      PrepareDecays<T> slabs = {packed, in.sizes.length, limits + p * states, coefficients + p * states * kDecayDegree<T> * kLanes};
      for_each_slab(states, slabs);
    }
    pack_channel_array(in.skip, channels, packs, skip);
    pack_channel_array(in.delta_bias, channels, packs, delta_bias);
    loaded_begin = segment.pack_begin;
    loaded_end = segment.pack_end;
  }
};

/** One row per step of a (batch, length, channels) array, at one channel. The address is an integer: a row past the end may be formed and prefetched. */
struct Rows {
  uintptr_t next;
  uintptr_t step;
};

template <typename T>
DJLMAMBA_INLINE Rows rows_at(SequenceView<T> view, int64_t batch, int64_t t, int64_t channel) {
  if (view.data == nullptr) return {0, 0};
  const int64_t offset = batch * view.batch_stride + t * view.length_stride + channel;
  return {reinterpret_cast<uintptr_t>(view.data) + static_cast<uintptr_t>(offset) * sizeof(T), static_cast<uintptr_t>(view.length_stride) * sizeof(T)};
}

constexpr int kPrefetchStreams = 4;

/**
 * The rows of the next tile, which the scans of this tile's packs fetch step by step into the second-level cache. They go along the rows: from pack to
 * pack the rows of a tile are read across, in strides too long for the processor to foresee.
 */
template <typename X>
struct Prefetch {
  static constexpr uintptr_t kColumnBytes = Simd<X>::kLanes * sizeof(X);
  Rows rows[kPrefetchStreams];  // step: from the end of a row to the start of the next
  int64_t column;
  int64_t columns;
};

/** The share of the next tile, which starts at `t`, that is fetched while pack p of this tile is scanned. Views that are null are passed over. */
template <typename X>
DJLMAMBA_INLINE Prefetch<X> prefetch_share(const SequenceView<const X> (&views)[kPrefetchStreams], int64_t batch, int64_t t, int64_t p, int64_t packs,
                                           int64_t tile, int64_t first_channel) {
  Prefetch<X> share;
  const int64_t row = p * tile / packs;
  share.column = p * tile - row * packs;
  share.columns = packs;
  for (int i = 0; i < kPrefetchStreams; ++i) {
    const SequenceView<const X>& view = views[i].data == nullptr ? views[0] : views[i];
    share.rows[i] = rows_at(view, batch, t + row, first_channel);
    share.rows[i].next += static_cast<uintptr_t>(share.column) * Prefetch<X>::kColumnBytes;
    share.rows[i].step -= static_cast<uintptr_t>(packs) * Prefetch<X>::kColumnBytes;
  }
  return share;
}

template <typename X>
DJLMAMBA_INLINE void prefetch_step(Prefetch<X>& p) {
#pragma GCC unroll 4
  for (int i = 0; i < kPrefetchStreams; ++i) {
    __builtin_prefetch(reinterpret_cast<const void*>(p.rows[i].next), 0, 2);
    p.rows[i].next += Prefetch<X>::kColumnBytes;
  }
  if (++p.column == p.columns) {
    p.column = 0;
    for (int i = 0; i < kPrefetchStreams; ++i) p.rows[i].next += p.rows[i].step;
  }
}

/** A tile by its batch and first step. */
struct TileStart {
  int64_t batch;
  int64_t t;
};

template <typename T>
DJLMAMBA_INLINE SequenceView<const T> const_view(const SequenceView<T>& v) {
  return {v.data, v.batch_stride, v.length_stride};
}

/** The element-wise parts of a tile take so many steps at once. */
constexpr int kStepsSideBySide = 4;

/** Calls tile.step<steps>(first step) until `steps` are done. */
template <typename Tile>
DJLMAMBA_INLINE void for_each_step(int64_t steps, Tile& tile) {
  int64_t t = 0;
  for (; t + kStepsSideBySide <= steps; t += kStepsSideBySide) tile.template step<kStepsSideBySide>(t);
  for (; t < steps; ++t) tile.template step<1>(t);
}

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
