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

/* Parameters and states of a segment stay in a second-level cache. */
constexpr size_t kSegmentBytes = 512 << 10;

template <typename T>
struct ForwardScratch {
  PackedParameters<T> parameters;
  T* states;   // [pack][state][lane]
  /* Of one pack, [time][lane]: */
  T* delta;
  T* delta_u;
  T* y;

  void take(Arena& arena, int64_t packs, int64_t tile, int64_t states_count) {
    constexpr int kLanes = Simd<T>::kLanes;
    parameters.take(arena, packs, states_count);
    states = arena.take<T>(packs * states_count * kLanes);
    delta = arena.take<T>(tile * kLanes);
    delta_u = arena.take<T>(tile * kLanes);
    y = arena.take<T>(tile * kLanes);
  }
};

/** Reads delta' and delta' u of one pack, and starts y as skip u. Returns the largest |delta'|, which may pass over a NaN. */
template <typename T, bool kSoftplus, bool kWhole>
T read_tile(Rows u_rows, Rows delta_rows, int64_t steps, int count, Vec<T> skip, Vec<T> bias, T* delta, T* delta_u, T* y) {
  constexpr int kLanes = Simd<T>::kLanes;
  Vec<T> largest = {};
  for (int64_t t = 0; t < steps; ++t) {
    const Vec<T> u = load_lanes<T, kWhole>(reinterpret_cast<const T*>(u_rows.next), count);
    Vec<T> x = load_lanes<T, kWhole>(reinterpret_cast<const T*>(delta_rows.next), count) + bias;
    if constexpr (kSoftplus) x = softplus(x);
    largest = max(kSoftplus ? x : abs(x), largest);
    store<T>(delta + t * kLanes, x);
    store<T>(delta_u + t * kLanes, x * u);
    store<T>(y + t * kLanes, skip * u);
    u_rows.next += u_rows.step;
    delta_rows.next += delta_rows.step;
  }
  return largest_lane<T>(largest);
}

/** Gates y of one pack and writes it out. */
template <typename T, bool kGate, bool kWhole>
void write_tile(Rows z_rows, Rows out_rows, int64_t steps, int count, const T* y) {
  constexpr int kLanes = Simd<T>::kLanes;
  for (int64_t t = 0; t < steps; ++t) {
    Vec<T> value = load(y + t * kLanes);
    if constexpr (kGate) {
      const Vec<T> z = load_lanes<T, kWhole>(reinterpret_cast<const T*>(z_rows.next), count);
      value = value * (z * sigmoid<T>(z));
      z_rows.next += z_rows.step;
    }
    store_lanes<T, kWhole>(reinterpret_cast<T*>(out_rows.next), value, count);
    out_rows.next += out_rows.step;
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
  Prefetch ahead;

  template <int kStates>
  __attribute__((noinline)) void run(int64_t first) {
    constexpr int kLanes = Simd<T>::kLanes;
    const T* a_slab = a + first * kLanes;
    DJLMAMBA_ONE_BASE(a_slab);
    Prefetch rows = ahead;
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
      prefetch_step(rows);
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

/** Scans one pack over the tile [begin, end). */
template <typename T, bool kInRange>
void scan_tile(const SelectiveScanForward<T>& f, int64_t batch, int64_t begin, int64_t end, int64_t p, const ForwardScratch<T>& s,
               const NextPack& next) {
  constexpr int kLanes = Simd<T>::kLanes;
  const SelectiveScanInputs<T>& in = f.in;
  const int64_t pack_states = in.sizes.states * kLanes;
  const int64_t group = s.parameters.channels[p].group;
  ForwardScan<T, kInRange> scan = {
      end - begin,
      s.parameters.a + p * pack_states,
      s.states + p * pack_states,
      s.delta,
      s.delta_u,
      s.y,
      in.b.data + batch * in.b.batch_stride + begin * in.b.length_stride + group * in.b.group_stride,
      in.b.length_stride,
      in.c.data + batch * in.c.batch_stride + begin * in.c.length_stride + group * in.c.group_stride,
      in.c.length_stride,
      {{rows_at(in.u, batch, next.t, next.channel), rows_at(in.delta, batch, next.t, next.channel), rows_at(in.z, batch, next.t, next.channel),
        rows_at(f.out, batch, next.t, next.channel)}}};
  for_each_slab_from<kForwardSlab>(0, in.sizes.states, scan);
}

template <typename T, bool kSoftplus, bool kGate, bool kWhole>
void forward_pack(const SelectiveScanForward<T>& f, int64_t batch, int64_t begin, int64_t end, int64_t p, const ForwardScratch<T>& s,
                  const NextPack& next) {
  constexpr int kLanes = Simd<T>::kLanes;
  const SelectiveScanInputs<T>& in = f.in;
  const PackChannels channels = s.parameters.channels[p];
  const T largest = read_tile<T, kSoftplus, kWhole>(
      rows_at(in.u, batch, begin, channels.first), rows_at(in.delta, batch, begin, channels.first), end - begin, channels.count,
      load(s.parameters.skip + p * kLanes), load(s.parameters.delta_bias + p * kLanes), s.delta, s.delta_u, s.y);
  /* Written so that a NaN takes the form that is right for every input. */
  if (largest * s.parameters.a_largest[p] <= kExp2Range<T>) {
    scan_tile<T, true>(f, batch, begin, end, p, s, next);
  } else {
    scan_tile<T, false>(f, batch, begin, end, p, s, next);
  }
  write_tile<T, kGate, kWhole>(rows_at(in.z, batch, begin, channels.first), rows_at(f.out, batch, begin, channels.first), end - begin,
                                channels.count, s.y);
}

template <typename T>
using ForwardPack = void (*)(const SelectiveScanForward<T>&, int64_t, int64_t, int64_t, int64_t, const ForwardScratch<T>&, const NextPack&);

template <typename T, bool kWhole>
ForwardPack<T> forward_pack_for(const SelectiveScanInputs<T>& in) {
  if (in.softplus) return in.z.data != nullptr ? forward_pack<T, true, true, kWhole> : forward_pack<T, true, false, kWhole>;
  return in.z.data != nullptr ? forward_pack<T, false, true, kWhole> : forward_pack<T, false, false, kWhole>;
}

}  // namespace

template <typename T>
void selective_scan_forward(const SelectiveScanForward<T>& f, int64_t block_begin, int64_t block_end) {
  constexpr int kLanes = Simd<T>::kLanes;
  const SelectiveScanInputs<T>& in = f.in;
  const int64_t states = in.sizes.states;
  const int64_t length = in.sizes.length;
  const int64_t pack_states = states * kLanes;
  const SelectiveScanGeometry geometry = selective_scan_geometry(in.sizes, kLanes);
  const ForwardPack<T> whole_pack = forward_pack_for<T, true>(in);
  const ForwardPack<T> part_pack = forward_pack_for<T, false>(in);

  ForwardScratch<T> s;
  const int64_t max_packs = max_packs_per_segment(geometry, kSegmentBytes / (2 * static_cast<size_t>(pack_states) * sizeof(T)));
  Arena measure = {nullptr, 0};
  s.take(measure, max_packs, geometry.tile, states);
  Arena arena = {static_cast<char*>(thread_scratch(measure.bytes)), 0};
  s.take(arena, max_packs, geometry.tile, states);

  for (int64_t block = block_begin; block < block_end;) {
    const Segment segment = next_segment(geometry, block, block_end, max_packs);
    block += segment.block_end - segment.block_begin;
    const int64_t packs = segment.pack_end - segment.pack_begin;
    s.parameters.load_segment(in, geometry, segment);
    pack_states_or_zeros(in.initial_state, segment.batch, s.parameters.channels, packs, states, s.states);
    for (int64_t tile = 0; tile < geometry.tiles; ++tile) {
      const int64_t begin = tile * geometry.tile;
      const int64_t end = begin + geometry.tile < length ? begin + geometry.tile : length;
      if (f.checkpoints != nullptr) {
        memcpy(f.checkpoints + ((segment.batch * geometry.tiles + tile) * geometry.packs_per_batch + segment.pack_begin) * pack_states, s.states,
               static_cast<size_t>(packs * pack_states) * sizeof(T));
      }
      for (int64_t p = 0; p < packs; ++p) {
        const bool whole = s.parameters.channels[p].count == kLanes;
        (whole ? whole_pack : part_pack)(f, segment.batch, begin, end, p, s, next_pack(s.parameters.channels, p, packs, begin, end));
      }
    }
    unpack_states(s.states, segment.batch, s.parameters.channels, packs, states, f.final_state);
  }
}

template void selective_scan_forward<float>(const SelectiveScanForward<float>&, int64_t, int64_t);
template void selective_scan_forward<double>(const SelectiveScanForward<double>&, int64_t, int64_t);

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
