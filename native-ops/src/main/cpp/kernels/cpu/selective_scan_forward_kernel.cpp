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

/* Parameters, their powers and the states of a segment stay in a second-level cache. */
constexpr size_t kSegmentBytes = 1 << 20;

template <typename T>
struct ForwardScratch {
  PackedParameters<T> parameters;
  T* states;   // [pack][state][lane]
  /* Of one pack, [time][lane]: */
  T* delta;
  T* delta_u;
  T* y;
  TileMatrices<T> matrices;

  void take(Arena& arena, int64_t packs, int64_t tile, int64_t states_count) {
    constexpr int kLanes = Simd<T>::kLanes;
    parameters.take(arena, packs, states_count);
    states = arena.take<T>(packs * states_count * kLanes);
    delta = arena.take<T>(tile * kLanes);
    delta_u = arena.take<T>(tile * kLanes);
    y = arena.take<T>(tile * kLanes);
    matrices.take(arena, tile, states_count);
  }
};

/** Reads delta' and delta' u of one pack, and starts y as skip u. */
template <typename T, typename X, bool kSoftplus, bool kWhole>
struct ReadTile {
  Rows u_rows;
  Rows delta_rows;
  int count;
  Vec<T> skip;
  Vec<T> bias;
  T* delta;
  T* delta_u;
  T* y;

  template <int kSteps>
  DJLMAMBA_ALWAYS_INLINE void step(int64_t t) {
    constexpr int kLanes = Simd<T>::kLanes;
    Vec<T> u[kSteps], x[kSteps];
#pragma GCC unroll 4
    for (int i = 0; i < kSteps; ++i) {
      u[i] = load_lanes<X, kWhole>(reinterpret_cast<const X*>(u_rows.next), count);
      x[i] = load_lanes<X, kWhole>(reinterpret_cast<const X*>(delta_rows.next), count) + bias;
      u_rows.next += u_rows.step;
      delta_rows.next += delta_rows.step;
    }
    if constexpr (kSoftplus) softplus<kSteps, false>(x, x, nullptr);
#pragma GCC unroll 4
    for (int i = 0; i < kSteps; ++i) {
      store<T>(delta + (t + i) * kLanes, x[i]);
      store<T>(delta_u + (t + i) * kLanes, x[i] * u[i]);
      store<T>(y + (t + i) * kLanes, skip * u[i]);
    }
  }
};

/** Gates y of one pack and writes it out. */
template <typename T, typename X, bool kGate, bool kWhole>
struct WriteTile {
  Rows z_rows;
  Rows out_rows;
  int count;
  const T* y;

  template <int kSteps>
  DJLMAMBA_ALWAYS_INLINE void step(int64_t t) {
    constexpr int kLanes = Simd<T>::kLanes;
    Vec<T> factor[kSteps];
    if constexpr (kGate) {
      Vec<T> z[kSteps];
#pragma GCC unroll 4
      for (int i = 0; i < kSteps; ++i) {
        z[i] = load_lanes<X, kWhole>(reinterpret_cast<const X*>(z_rows.next), count);
        z_rows.next += z_rows.step;
      }
      sigmoid<T, kSteps>(z, factor);
#pragma GCC unroll 4
      for (int i = 0; i < kSteps; ++i) factor[i] = z[i] * factor[i];
    }
#pragma GCC unroll 4
    for (int i = 0; i < kSteps; ++i) {
      Vec<T> value = load(y + (t + i) * kLanes);
      if constexpr (kGate) value = value * factor[i];
      store_lanes<X, kWhole>(reinterpret_cast<X*>(out_rows.next), value, count);
      out_rows.next += out_rows.step;
    }
  }
};

/** The recurrence of one pack over one piece of a tile; y is added to. What is fetched ahead goes on from piece to piece. */
template <typename T, typename X>
struct ForwardScan {
  const PackedParameters<T>& parameters;
  int64_t pack;
  int64_t steps;
  int64_t all_states;
  T* states;
  const T* delta;
  const T* delta_u;
  T* y;
  const T* b;
  int64_t b_stride;
  const T* c;
  int64_t c_stride;
  Prefetch<X>& ahead;

  template <int kStates>
  __attribute__((noinline)) void run(int64_t first) const {
    constexpr int kLanes = Simd<T>::kLanes;
    T* const states_slab = states + first * kLanes;
    Vec<T> h[kStates];
#pragma GCC unroll 8
    for (int n = 0; n < kStates; ++n) h[n] = load(states_slab + n * kLanes);
    Prefetch<X> rows = ahead;
    const bool fetch = first == 0;
    advance_all<T, kStates>(*this, parameters.limits[pack * all_states + first], delta, steps, first, h, [&] {
      if (fetch) prefetch_step(rows);
    });
    if (fetch) ahead = rows;
#pragma GCC unroll 8
    for (int n = 0; n < kStates; ++n) store<T>(states_slab + n * kLanes, h[n]);
  }

  template <int kStates, DecayForm kForm, int kSteps>
  DJLMAMBA_ALWAYS_INLINE void advance(int64_t first, int64_t t, Vec<T>* h) const {
    constexpr int kLanes = Simd<T>::kLanes;
    const int64_t at = pack * all_states + first;
    const T* a = parameters.a + at * kLanes;
    const T* coefficients = parameters.coefficients + at * kDecayDegree<T> * kLanes;
    DJLMAMBA_ONE_BASE(a);
    DJLMAMBA_ONE_BASE(coefficients);
    const T* b_row[kSteps];
    const T* c_row[kSteps];
    Vec<T> x[kSteps], xu[kSteps], sums[kSteps];
#pragma GCC unroll 4
    for (int i = 0; i < kSteps; ++i) {
      b_row[i] = b + (t + i) * b_stride + first;
      c_row[i] = c + (t + i) * c_stride + first;
      x[i] = load(delta + (t + i) * kLanes);
      xu[i] = load(delta_u + (t + i) * kLanes);
      sums[i] = load(y + (t + i) * kLanes);
    }
    constexpr int kTogether = kStatesAtOnce<kStates>;
#pragma GCC unroll 8
    for (int m = 0; m < kStates; m += kTogether) {
      Vec<T> decay[kTogether][kSteps];
      decays<T, kForm, kTogether, kSteps>(x, a + m * kLanes, coefficients + m * kDecayDegree<T> * kLanes, decay);
#pragma GCC unroll 4
      for (int i = 0; i < kSteps; ++i) {
#pragma GCC unroll 2
        for (int n = m; n < m + kTogether; ++n) {
          h[n] = fmadd(h[n], decay[n - m][i], xu[i] * b_row[i][n]);
          sums[i] = fmadd(h[n], set1(c_row[i][n]), sums[i]);
        }
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < kSteps; ++i) store<T>(y + (t + i) * kLanes, sums[i]);
  }
};

template <typename T, typename X, bool kSoftplus, bool kGate, bool kWhole>
void forward_pack(const SelectiveScanForward<T, X>& f, const Pieces& pieces, int64_t batch, int64_t begin, int64_t end, int64_t p,
                  const ForwardScratch<T>& s, Prefetch<X>& ahead) {
  constexpr int kLanes = Simd<T>::kLanes;
  const SelectiveScanInputs<T, X>& in = f.in;
  const int64_t states = in.sizes.states;
  const PackChannels channels = s.parameters.channels[p];
  const TileMatrices<T>& matrices = s.matrices;
  T* const pack_states = s.states + p * states * kLanes;
  ReadTile<T, X, kSoftplus, kWhole> read = {rows_at(in.u, batch, begin, channels.first),
                                            rows_at(in.delta, batch, begin, channels.first),
                                            channels.count,
                                            load(s.parameters.skip + p * kLanes),
                                            load(s.parameters.delta_bias + p * kLanes),
                                            s.delta,
                                            s.delta_u,
                                            s.y};
  for_each_step(end - begin, read);
  for (int64_t q = pieces.first(); q < pieces.last(); ++q) {
    const Piece piece = pieces[q];
    const int64_t from = piece.begin - begin;
    if (piece.starts()) pack_states_or_zeros(in.initial_state, piece.state, channels, states, pack_states);
    const ForwardScan<T, X> scan = {s.parameters,
                                    p,
                                    piece.end - piece.begin,
                                    states,
                                    pack_states,
                                    s.delta + from * kLanes,
                                    s.delta_u + from * kLanes,
                                    s.y + from * kLanes,
                                    matrices.b + from * matrices.b_stride,
                                    matrices.b_stride,
                                    matrices.c + from * matrices.c_stride,
                                    matrices.c_stride,
                                    ahead};
    if (scan.steps > 0) for_each_slab(states, scan);
    if (piece.ends()) unpack_states(pack_states, piece.state, channels, states, f.final_state);
  }
  WriteTile<T, X, kGate, kWhole> write = {rows_at(in.z, batch, begin, channels.first), rows_at(f.out, batch, begin, channels.first),
                                          channels.count, s.y};
  for_each_step(end - begin, write);
}

template <typename T, typename X>
using ForwardPack = void (*)(const SelectiveScanForward<T, X>&, const Pieces&, int64_t, int64_t, int64_t, int64_t, const ForwardScratch<T>&,
                             Prefetch<X>&);

template <typename T, typename X, bool kWhole>
ForwardPack<T, X> forward_pack_for(const SelectiveScanInputs<T, X>& in) {
  if (in.softplus) return in.z.data != nullptr ? forward_pack<T, X, true, true, kWhole> : forward_pack<T, X, true, false, kWhole>;
  return in.z.data != nullptr ? forward_pack<T, X, false, true, kWhole> : forward_pack<T, X, false, false, kWhole>;
}

}  // namespace

template <typename T, typename X>
void selective_scan_forward(const SelectiveScanForward<T, X>& f, int64_t block_begin, int64_t block_end) {
  constexpr int kLanes = Simd<T>::kLanes;
  const SelectiveScanInputs<T, X>& in = f.in;
  const int64_t states = in.sizes.states;
  const int64_t length = in.sizes.length;
  const int64_t pack_states = states * kLanes;
  const SelectiveScanGeometry geometry = selective_scan_geometry(in.sizes, kLanes);
  const ForwardPack<T, X> whole_pack = forward_pack_for<T, X, true>(in);
  const ForwardPack<T, X> part_pack = forward_pack_for<T, X, false>(in);

  ForwardScratch<T> s;
  const int64_t max_packs = max_packs_per_segment(geometry, kSegmentBytes / ((2 + kDecayDegree<T>) * static_cast<size_t>(pack_states) * sizeof(T)));
  take_scratch([&](Arena& arena) { s.take(arena, max_packs, geometry.tile, states); });

  for (int64_t block = block_begin; block < block_end;) {
    const Segment segment = next_segment(geometry, block, block_end, max_packs);
    block += segment.block_end - segment.block_begin;
    const int64_t batch = segment.batch;
    const int64_t packs = segment.pack_end - segment.pack_begin;
    s.parameters.load_segment(in, geometry, segment);
    for (int64_t tile = 0; tile < geometry.tiles; ++tile) {
      const int64_t begin = tile * geometry.tile;
      const int64_t end = begin + geometry.tile < length ? begin + geometry.tile : length;
      const Pieces pieces(in.packed, length, batch, begin, end);
      /* A tile that a sequence starts with starts from that sequence's initial state. */
      if (f.checkpoints != nullptr && !pieces[pieces.first()].starts()) {
        memcpy(f.checkpoints + ((batch * geometry.tiles + tile) * geometry.packs_per_batch + segment.pack_begin) * pack_states, s.states,
               static_cast<size_t>(packs * pack_states) * sizeof(T));
      }
      const TileStart next = end < length ? TileStart{batch, end} : TileStart{batch + 1, 0};
      const SequenceView<const X> streams[] = {in.u, in.delta, in.z, const_view(f.out)};
      for (int64_t p = 0; p < packs; ++p) {
        const PackChannels& channels = s.parameters.channels[p];
        if (p == 0 || channels.group != s.matrices.group) s.matrices.load(in, batch, begin, end, channels.group);
        Prefetch<X> ahead = prefetch_share(streams, next.batch, next.t, p, packs, geometry.tile, s.parameters.channels[0].first);
        (channels.count == kLanes ? whole_pack : part_pack)(f, pieces, batch, begin, end, p, s, ahead);
      }
    }
  }
}

template void selective_scan_forward<float, float>(const SelectiveScanForward<float, float>&, int64_t, int64_t);
template void selective_scan_forward<double, double>(const SelectiveScanForward<double, double>&, int64_t, int64_t);
template void selective_scan_forward<float, BFloat16>(const SelectiveScanForward<float, BFloat16>&, int64_t, int64_t);

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
