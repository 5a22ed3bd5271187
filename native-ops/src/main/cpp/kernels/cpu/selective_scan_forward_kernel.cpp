/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "selective_scan_packs.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

namespace {

/* States held in registers at once: with 32 registers 16 states leave room for the exponential's constants. */
#if defined(__AVX512F__)
constexpr int kForwardSlab = 16;
#else
constexpr int kForwardSlab = 4;
#endif

/* Scratch that a segment may take, so that it stays in a second-level cache beside the rows that stream through. */
constexpr size_t kSegmentBytes = 768 << 10;
constexpr int64_t kMaxPacksPerSegment = 64;

template <typename T>
struct ForwardScratch {
  PackedParameters<T> parameters;
  /* [pack][time][lane], the time axis one longer than a tile: a power of two would map all packs to a few cache sets. */
  T* delta;
  T* delta_u;
  T* y;
  T* largest_delta;  // [pack][lane] over the tile
  T* states;         // [pack][state][lane]
  int64_t pack_stride;

  void take(Arena& arena, int64_t packs, int64_t tile, int64_t states_count) {
    constexpr int kLanes = Simd<T>::kLanes;
    pack_stride = (tile + 1) * kLanes;
    parameters.take(arena, packs, states_count);
    delta = arena.take<T>(packs * pack_stride);
    delta_u = arena.take<T>(packs * pack_stride);
    y = arena.take<T>(packs * pack_stride);
    largest_delta = arena.take<T>(packs * kLanes);
    states = arena.take<T>(packs * states_count * kLanes);
  }
};

/** Reads a tile's rows in order: delta' and delta' u into packs, y starts as skip u. */
template <typename T, bool kSoftplus>
void pack_tile(const SelectiveScanInputs<T>& in, int64_t batch, int64_t begin, int64_t end, int64_t packs, const ForwardScratch<T>& s) {
  constexpr int kLanes = Simd<T>::kLanes;
  memset(s.largest_delta, 0, static_cast<size_t>(packs * kLanes) * sizeof(T));
  for (int64_t t = begin; t < end; ++t) {
    const T* u_row = in.u.data + batch * in.u.batch_stride + t * in.u.length_stride;
    const T* delta_row = in.delta.data + batch * in.delta.batch_stride + t * in.delta.length_stride;
    for (int64_t p = 0; p < packs; ++p) {
      const PackChannels channels = s.parameters.channels[p];
      const int64_t at = p * s.pack_stride + (t - begin) * kLanes;
      const Vec<T> u = load_first(u_row + channels.first, channels.count);
      Vec<T> delta = load_first(delta_row + channels.first, channels.count) + load(s.parameters.delta_bias + p * kLanes);
      if constexpr (kSoftplus) delta = softplus(delta);
      T* largest = s.largest_delta + p * kLanes;
      store<T>(largest, max(kSoftplus ? delta : abs(delta), load(largest)));
      store<T>(s.delta + at, delta);
      store<T>(s.delta_u + at, delta * u);
      store<T>(s.y + at, load(s.parameters.skip + p * kLanes) * u);
    }
  }
}

/** Gates a tile's y and writes it out. */
template <typename T>
void unpack_tile(const SelectiveScanForward<T>& f, int64_t batch, int64_t begin, int64_t end, int64_t packs, const ForwardScratch<T>& s) {
  constexpr int kLanes = Simd<T>::kLanes;
  for (int64_t t = begin; t < end; ++t) {
    T* out_row = f.out.data + batch * f.out.batch_stride + t * f.out.length_stride;
    const T* z_row = f.in.z.data == nullptr ? nullptr : f.in.z.data + batch * f.in.z.batch_stride + t * f.in.z.length_stride;
    for (int64_t p = 0; p < packs; ++p) {
      const PackChannels channels = s.parameters.channels[p];
      Vec<T> y = load(s.y + p * s.pack_stride + (t - begin) * kLanes);
      if (z_row != nullptr) {
        const Vec<T> z = load_first(z_row + channels.first, channels.count);
        y = y * (z * sigmoid<T>(z));
      }
      store_first<T>(out_row + channels.first, y, channels.count);
    }
  }
}

/** The recurrence of one pack over one tile; y is added to. */
template <typename T, bool kInRange>
struct ForwardScan {
  int64_t steps;
  const T* a;
  T* states;
  const T* delta;
  const T* delta_u;
  T* y;
  const T* b;
  int64_t b_stride;
  const T* c;
  int64_t c_stride;

  template <int kStates>
  __attribute__((noinline)) void run(int64_t first) const {
    constexpr int kLanes = Simd<T>::kLanes;
    const T* const a_slab = a + first * kLanes;
    const T* x_step = delta;
    const T* xu_step = delta_u;
    T* y_step = y;
    const T* b_row = b + first;
    const T* c_row = c + first;
    const int64_t b_step = b_stride;
    const int64_t c_step = c_stride;
    T* const states_slab = states + first * kLanes;
    Vec<T> h[kStates];
#pragma GCC unroll 16
    for (int n = 0; n < kStates; ++n) h[n] = load(states_slab + n * kLanes);
    for (int64_t left = steps; left > 0; --left) {
      const Vec<T> x = load(x_step);
      const Vec<T> xu = load(xu_step);
      Vec<T> sums[2] = {load(y_step), Vec<T>{}};
#pragma GCC unroll 16
      for (int n = 0; n < kStates; ++n) {
        const Vec<T> a_n = load(a_slab + n * kLanes);
        const Vec<T> decay = kInRange ? exp2_in_range(x, a_n) : exp2(x * a_n);
        h[n] = fmadd(h[n], decay, xu * b_row[n]);
        sums[n & 1] = fmadd(h[n], set1(c_row[n]), sums[n & 1]);
      }
      store<T>(y_step, sums[0] + sums[1]);
      x_step += kLanes;
      xu_step += kLanes;
      y_step += kLanes;
      b_row += b_step;
      c_row += c_step;
    }
#pragma GCC unroll 16
    for (int n = 0; n < kStates; ++n) store<T>(states_slab + n * kLanes, h[n]);
  }
};

template <typename T, bool kInRange>
void scan_pack(const SelectiveScanInputs<T>& in, int64_t batch, int64_t begin, int64_t end, int64_t p, const ForwardScratch<T>& s) {
  constexpr int kLanes = Simd<T>::kLanes;
  const int64_t states = in.sizes.states;
  const int64_t group = s.parameters.channels[p].group;
  const ForwardScan<T, kInRange> scan = {
      end - begin,
      s.parameters.a + p * states * kLanes,
      s.states + p * states * kLanes,
      s.delta + p * s.pack_stride,
      s.delta_u + p * s.pack_stride,
      s.y + p * s.pack_stride,
      in.b.data + batch * in.b.batch_stride + begin * in.b.length_stride + group * in.b.group_stride,
      in.b.length_stride,
      in.c.data + batch * in.c.batch_stride + begin * in.c.length_stride + group * in.c.group_stride,
      in.c.length_stride};
  for_each_slab_from<kForwardSlab>(0, states, scan);
}

}  // namespace

template <typename T>
void selective_scan_forward(const SelectiveScanForward<T>& f, int64_t block_begin, int64_t block_end) {
  constexpr int kLanes = Simd<T>::kLanes;
  const SelectiveScanInputs<T>& in = f.in;
  const int64_t states = in.sizes.states;
  const int64_t length = in.sizes.length;
  const SelectiveScanGeometry geometry = selective_scan_geometry(in.sizes, kLanes);

  ForwardScratch<T> s;
  Arena measure = {nullptr, 0};
  s.take(measure, 16, geometry.tile, states);
  int64_t max_packs = static_cast<int64_t>(16 * kSegmentBytes / measure.bytes);
  max_packs = max_packs < kMaxPacksPerSegment ? max_packs : kMaxPacksPerSegment;
  max_packs = max_packs < geometry.packs_per_block ? geometry.packs_per_block : max_packs;
  measure = {nullptr, 0};
  s.take(measure, max_packs, geometry.tile, states);
  Arena arena = {static_cast<char*>(thread_scratch(measure.bytes)), 0};
  s.take(arena, max_packs, geometry.tile, states);

  for (int64_t block = block_begin; block < block_end;) {
    const Segment segment = next_segment(geometry, block, block_end, max_packs);
    block += segment.block_end - segment.block_begin;
    const int64_t packs = segment.pack_end - segment.pack_begin;
    const int64_t batch = segment.batch;
    s.parameters.load_segment(in, geometry, segment);
    const int64_t pack_states = states * kLanes;
    if (in.initial_state.data == nullptr) {
      memset(s.states, 0, static_cast<size_t>(packs * pack_states) * sizeof(T));
    } else {
      for (int64_t p = 0; p < packs; ++p) {
        const PackChannels channels = s.parameters.channels[p];
        pack_columns(in.initial_state.data + batch * in.initial_state.batch_stride + channels.first * in.initial_state.row_stride,
                     in.initial_state.row_stride, channels.count, states, T(1), s.states + p * pack_states);
      }
    }
    for (int64_t tile = 0; tile < geometry.tiles; ++tile) {
      const int64_t begin = tile * geometry.tile;
      const int64_t end = begin + geometry.tile < length ? begin + geometry.tile : length;
      if (f.checkpoints != nullptr) {
        memcpy(f.checkpoints + ((batch * geometry.tiles + tile) * geometry.packs_per_batch + segment.pack_begin) * pack_states, s.states,
               static_cast<size_t>(packs * pack_states) * sizeof(T));
      }
      if (in.softplus) {
        pack_tile<T, true>(in, batch, begin, end, packs, s);
      } else {
        pack_tile<T, false>(in, batch, begin, end, packs, s);
      }
      for (int64_t p = 0; p < packs; ++p) {
        /* Written so that a NaN takes the form that is right for every input. */
        if (largest_lane<T>(load(s.largest_delta + p * kLanes)) * s.parameters.a_largest[p] <= kExp2Range<T>) {
          scan_pack<T, true>(in, batch, begin, end, p, s);
        } else {
          scan_pack<T, false>(in, batch, begin, end, p, s);
        }
      }
      unpack_tile(f, batch, begin, end, packs, s);
    }
    if (f.final_state.data != nullptr) {
      for (int64_t p = 0; p < packs; ++p) {
        const PackChannels channels = s.parameters.channels[p];
        unpack_columns(s.states + p * pack_states, f.final_state.row_stride, channels.count, states,
                       f.final_state.data + batch * f.final_state.batch_stride + channels.first * f.final_state.row_stride);
      }
    }
  }
}

template void selective_scan_forward<float>(const SelectiveScanForward<float>&, int64_t, int64_t);
template void selective_scan_forward<double>(const SelectiveScanForward<double>&, int64_t, int64_t);

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
