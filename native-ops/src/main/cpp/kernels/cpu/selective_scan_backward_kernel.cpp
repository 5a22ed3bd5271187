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

/* Parameters, gradients of states and sums of a segment stay in a second-level cache. */
constexpr size_t kSegmentBytes = 1 << 20;

template <typename T>
struct BackwardScratch {
  PackedParameters<T> parameters;
  T* d_skip;               // [pack][lane]
  T* d_delta_bias;         // [pack][lane]
  T* d_states;             // [pack][state][lane]: gradient of the states before the current step
  T* d_a;                  // [pack][state][lane]
  /* Of one pack and tile, [time][lane]: */
  T* delta;
  T* u;
  T* d_y;                  // the gradient of y: that of out, gated
  T* d_delta;              // the gradient of delta'
  T* d_u;
  T* y;
  T* d_z_factor;           // the gradient of z is y times this
  T* softplus_derivative;
  T* initial;              // [state][lane]
  T* history;              // [time + 1][slab][lane] states
  T* decay;                // [time][slab][lane]
  /* Sums over the packs of one block, lanes still apart; a whole number of squares of vectors for sum_lanes(). */
  T* d_b;                  // [time][state][lane]
  T* d_c;
  T* row;                  // [time][state]
  int64_t row_vectors;
  TileMatrices<T> matrices;

  void take(Arena& arena, int64_t packs, int64_t tile, int64_t states) {
    constexpr int kLanes = Simd<T>::kLanes;
    row_vectors = (tile * states + kLanes - 1) / kLanes * kLanes;
    parameters.take(arena, packs, states);
    d_skip = arena.take<T>(packs * kLanes);
    d_delta_bias = arena.take<T>(packs * kLanes);
    d_states = arena.take<T>(packs * states * kLanes);
    d_a = arena.take<T>(packs * states * kLanes);
    T** const tile_arrays[] = {&delta, &u, &d_y, &d_delta, &d_u, &y, &d_z_factor, &softplus_derivative};
    for (T** array : tile_arrays) *array = arena.take<T>(tile * kLanes);
    initial = arena.take<T>(states * kLanes);
    history = arena.take<T>((tile + 1) * kStatesPerSlab * kLanes);
    decay = arena.take<T>(tile * kStatesPerSlab * kLanes);
    d_b = arena.take<T>(row_vectors * kLanes);
    d_c = arena.take<T>(row_vectors * kLanes);
    row = arena.take<T>(row_vectors);
    matrices.take(arena, tile, states);
  }
};

/** Reads one pack and tile, and starts y and the gradients of delta' and u. */
template <typename T, typename X, bool kSoftplus, bool kGate, bool kWhole>
struct BackwardReadTile {
  Rows u_rows;
  Rows delta_rows;
  Rows d_out_rows;
  Rows z_rows;
  int count;
  Vec<T> skip;
  Vec<T> bias;
  BackwardScratch<T> s;

  static DJLMAMBA_ALWAYS_INLINE Vec<T> next(Rows& rows, int count) {
    const Vec<T> v = load_lanes<X, kWhole>(reinterpret_cast<const X*>(rows.next), count);
    rows.next += rows.step;
    return v;
  }

  template <int kSteps>
  DJLMAMBA_ALWAYS_INLINE void step(int64_t t) {
    constexpr int kLanes = Simd<T>::kLanes;
    Vec<T> u[kSteps], x[kSteps], d_y[kSteps];
#pragma GCC unroll 4
    for (int i = 0; i < kSteps; ++i) {
      u[i] = next(u_rows, count);
      x[i] = next(delta_rows, count) + bias;
      d_y[i] = next(d_out_rows, count);
    }
    if constexpr (kSoftplus) {
      Vec<T> derivative[kSteps];
      softplus<kSteps, true>(x, x, derivative);
#pragma GCC unroll 4
      for (int i = 0; i < kSteps; ++i) store<T>(s.softplus_derivative + (t + i) * kLanes, derivative[i]);
    }
    if constexpr (kGate) {
      Vec<T> z[kSteps], gate[kSteps];
#pragma GCC unroll 4
      for (int i = 0; i < kSteps; ++i) z[i] = next(z_rows, count);
      sigmoid<T, kSteps>(z, gate);
#pragma GCC unroll 4
      for (int i = 0; i < kSteps; ++i) {
        store<T>(s.y + (t + i) * kLanes, skip * u[i]);
        store<T>(s.d_z_factor + (t + i) * kLanes, d_y[i] * gate[i] * fmadd(z[i], T(1) - gate[i], set1(T(1))));
        d_y[i] = d_y[i] * (z[i] * gate[i]);
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < kSteps; ++i) {
      const int64_t at = (t + i) * kLanes;
      store<T>(s.delta + at, x[i]);
      store<T>(s.u + at, u[i]);
      store<T>(s.d_y + at, d_y[i]);
      store<T>(s.d_delta + at, Vec<T>{});
      store<T>(s.d_u + at, skip * d_y[i]);
    }
  }
};

/** Writes the gradients of the sequences of one pack and tile, and adds to those of skip and delta_bias. */
template <typename T, typename X, bool kSoftplus, bool kWhole>
void write_tile(const SelectiveScanBackward<T, X>& f, int64_t batch, int64_t begin, int64_t steps, const PackChannels& channels, T* d_skip_sum,
                T* d_delta_bias_sum, const BackwardScratch<T>& scratch) {
  constexpr int kLanes = Simd<T>::kLanes;
  const BackwardScratch<T> s = scratch;
  const int count = channels.count;
  Rows d_u_rows = rows_at(f.d_u, batch, begin, channels.first);
  Rows d_delta_rows = rows_at(f.d_delta, batch, begin, channels.first);
  Rows d_z_rows = rows_at(f.d_z, batch, begin, channels.first);
  Vec<T> d_skip = load(d_skip_sum);
  Vec<T> d_delta_bias = load(d_delta_bias_sum);
  for (int64_t t = 0; t < steps; ++t) {
    const int64_t at = t * kLanes;
    Vec<T> d_delta = load(s.d_delta + at);
    if constexpr (kSoftplus) d_delta = d_delta * load(s.softplus_derivative + at);
    d_delta_bias = d_delta_bias + d_delta;
    d_skip = fmadd(load(s.d_y + at), load(s.u + at), d_skip);
    if (d_delta_rows.next != 0) store_lanes<X, kWhole>(reinterpret_cast<X*>(d_delta_rows.next), d_delta, count);
    if (d_u_rows.next != 0) store_lanes<X, kWhole>(reinterpret_cast<X*>(d_u_rows.next), load(s.d_u + at), count);
    if (d_z_rows.next != 0) store_lanes<X, kWhole>(reinterpret_cast<X*>(d_z_rows.next), load(s.y + at) * load(s.d_z_factor + at), count);
    d_delta_rows.next += d_delta_rows.step;
    d_u_rows.next += d_u_rows.step;
    d_z_rows.next += d_z_rows.step;
  }
  store<T>(d_skip_sum, d_skip);
  store<T>(d_delta_bias_sum, d_delta_bias);
}

/** One pack over one piece of a tile: first the states again from those before it, then their gradients backwards in time. */
template <typename T, typename X, bool kWantY>
struct BackwardScan {
  const PackedParameters<T>& parameters;
  int64_t pack;
  int64_t steps;
  int64_t states;
  const T* a;
  const T* initial;
  const T* delta;
  const T* u;
  const T* d_y;
  T* y;
  const T* b;
  int64_t b_stride;
  const T* c;
  int64_t c_stride;
  T* history;
  T* decay;
  T* d_states;
  T* d_a;
  T* d_delta;
  T* d_u;
  T* d_b;
  T* d_c;
  Prefetch<X>& inputs_ahead;
  Prefetch<X>& outputs_ahead;

  template <int kStates>
  void run(int64_t first) const {
    scan<kStates>(first);
    reverse<kStates>(first);
  }

  /** The states and decays again. */
  template <int kStates>
  __attribute__((noinline)) void scan(int64_t first) const {
    constexpr int kLanes = Simd<T>::kLanes;
    Vec<T> h[kStates];
#pragma GCC unroll 8
    for (int n = 0; n < kStates; ++n) {
      h[n] = load(initial + (first + n) * kLanes);
      store<T>(history + n * kLanes, h[n]);
    }
    Prefetch<X> rows = inputs_ahead;
    const bool fetch = first == 0;
    advance_all<T, kStates>(*this, parameters.limits[pack * states + first], delta, steps, first, h, [&] {
      if (fetch) prefetch_step(rows);
    });
    if (fetch) inputs_ahead = rows;
  }

  template <int kStates, DecayForm kForm, int kSteps>
  DJLMAMBA_ALWAYS_INLINE void advance(int64_t first, int64_t t, Vec<T>* h) const {
    constexpr int kLanes = Simd<T>::kLanes;
    const T* a_slab = a + first * kLanes;
    const T* coefficients = parameters.coefficients + (pack * states + first) * kDecayDegree<T> * kLanes;
    T* history_after = history + (t + 1) * kStates * kLanes;
    T* decay_at = decay + t * kStates * kLanes;
    DJLMAMBA_ONE_BASE(a_slab);
    DJLMAMBA_ONE_BASE(coefficients);
    DJLMAMBA_ONE_BASE(history_after);
    DJLMAMBA_ONE_BASE(decay_at);
    const T* b_row[kSteps];
    const T* c_row[kSteps];
    Vec<T> x[kSteps], xu[kSteps], sums[kSteps];
#pragma GCC unroll 4
    for (int i = 0; i < kSteps; ++i) {
      b_row[i] = b + (t + i) * b_stride + first;
      c_row[i] = c + (t + i) * c_stride + first;
      x[i] = load(delta + (t + i) * kLanes);
      xu[i] = x[i] * load(u + (t + i) * kLanes);
      if constexpr (kWantY) sums[i] = load(y + (t + i) * kLanes);
    }
    constexpr int kTogether = kStatesAtOnce<kStates>;
#pragma GCC unroll 8
    for (int m = 0; m < kStates; m += kTogether) {
      Vec<T> decay_m[kTogether][kSteps];
      decays<T, kForm, kTogether, kSteps>(x, a_slab + m * kLanes, coefficients + m * kDecayDegree<T> * kLanes, decay_m);
#pragma GCC unroll 4
      for (int i = 0; i < kSteps; ++i) {
#pragma GCC unroll 2
        for (int n = m; n < m + kTogether; ++n) {
          h[n] = fmadd(h[n], decay_m[n - m][i], xu[i] * b_row[i][n]);
          store<T>(decay_at + (i * kStates + n) * kLanes, decay_m[n - m][i]);
          store<T>(history_after + (i * kStates + n) * kLanes, h[n]);
          if constexpr (kWantY) sums[i] = fmadd(h[n], set1(c_row[i][n]), sums[i]);
        }
      }
    }
    if constexpr (kWantY) {
#pragma GCC unroll 4
      for (int i = 0; i < kSteps; ++i) store<T>(y + (t + i) * kLanes, sums[i]);
    }
  }

  template <int kStates>
  __attribute__((noinline)) void reverse(int64_t first) const {
    constexpr int kLanes = Simd<T>::kLanes;
    const int64_t last = steps - 1;
    const int64_t states_step = states * kLanes;
    const T* a_slab = a + first * kLanes;
    DJLMAMBA_ONE_BASE(a_slab);
    Prefetch<X> rows = outputs_ahead;
    const bool fetch = first == 0;
    const T* x_step = delta + last * kLanes;
    const T* u_step = u + last * kLanes;
    const T* d_y_step = d_y + last * kLanes;
    T* d_delta_step = d_delta + last * kLanes;
    T* d_u_step = d_u + last * kLanes;
    const T* b_row = b + last * b_stride + first;
    const T* c_row = c + last * c_stride + first;
    const int64_t b_step = b_stride;
    const int64_t c_step = c_stride;
    T* d_b_step = d_b + last * states_step + first * kLanes;
    T* d_c_step = d_c + last * states_step + first * kLanes;
    const T* history_step = history + last * kStates * kLanes;
    const T* decay_step = decay + last * kStates * kLanes;
    T* const d_states_slab = d_states + first * kLanes;
    T* const d_a_slab = d_a + first * kLanes;
    Vec<T> g[kStates], d_a_sum[kStates], h[kStates];
#pragma GCC unroll 16
    for (int n = 0; n < kStates; ++n) {
      g[n] = load(d_states_slab + n * kLanes);
      d_a_sum[n] = load(d_a_slab + n * kLanes);
      h[n] = load(history_step + (kStates + n) * kLanes);
    }
    for (int64_t left = steps; left > 0; --left) {
      if (fetch) prefetch_step(rows);
      const Vec<T> x = load(x_step);
      const Vec<T> u_t = load(u_step);
      const Vec<T> d_y_t = load(d_y_step);
      const Vec<T> xu = x * u_t;
      Vec<T> by_xu = {};
      Vec<T> by_exponent = {};
#pragma GCC unroll 16
      for (int n = 0; n < kStates; ++n) {
        const Vec<T> d_h = fmadd(d_y_t, set1(c_row[n]), g[n]);
        store<T>(d_c_step + n * kLanes, fmadd(d_y_t, h[n], load(d_c_step + n * kLanes)));
        store<T>(d_b_step + n * kLanes, fmadd(d_h, xu, load(d_b_step + n * kLanes)));
        by_xu = fmadd(d_h, set1(b_row[n]), by_xu);
        g[n] = d_h * load(decay_step + n * kLanes);
        h[n] = load(history_step + n * kLanes);
        const Vec<T> d_exponent = g[n] * h[n];
        by_exponent = fmadd(d_exponent, load(a_slab + n * kLanes), by_exponent);
        d_a_sum[n] = fmadd(d_exponent, x, d_a_sum[n]);
      }
      /* a is times log2(e). */
      const Vec<T> by_delta = fmadd(by_xu, u_t, by_exponent * T(kLn2));
      store<T>(d_delta_step, load(d_delta_step) + by_delta);
      store<T>(d_u_step, fmadd(by_xu, x, load(d_u_step)));
      x_step -= kLanes;
      u_step -= kLanes;
      d_y_step -= kLanes;
      d_delta_step -= kLanes;
      d_u_step -= kLanes;
      b_row -= b_step;
      c_row -= c_step;
      d_b_step -= states_step;
      d_c_step -= states_step;
      history_step -= kStates * kLanes;
      decay_step -= kStates * kLanes;
    }
    if (fetch) outputs_ahead = rows;
#pragma GCC unroll 16
    for (int n = 0; n < kStates; ++n) {
      store<T>(d_states_slab + n * kLanes, g[n]);
      store<T>(d_a_slab + n * kLanes, d_a_sum[n]);
    }
  }
};

/** The pieces of one pack and tile, from the last to the first; `checkpoint` has the states before the tile. */
template <typename T, typename X, bool kWantY>
void scan_pieces(const SelectiveScanBackward<T, X>& f, const Pieces& pieces, int64_t begin, int64_t p, const T* checkpoint,
                 const BackwardScratch<T>& s, Prefetch<X>& inputs_ahead, Prefetch<X>& outputs_ahead) {
  constexpr int kLanes = Simd<T>::kLanes;
  const SelectiveScanInputs<T, X>& in = f.in;
  const int64_t states = in.sizes.states;
  const PackChannels& channels = s.parameters.channels[p];
  const TileMatrices<T>& matrices = s.matrices;
  T* const d_states = s.d_states + p * states * kLanes;
  for (int64_t q = pieces.last() - 1; q >= pieces.first(); --q) {
    const Piece piece = pieces[q];
    const int64_t from = piece.begin - begin;
    if (piece.ends()) pack_states_or_zeros(f.d_final_state, piece.state, channels, states, d_states);
    const BackwardScan<T, X, kWantY> scan = {s.parameters,
                                             p,
                                             piece.end - piece.begin,
                                             states,
                                             s.parameters.a + p * states * kLanes,
                                             s.initial,
                                             s.delta + from * kLanes,
                                             s.u + from * kLanes,
                                             s.d_y + from * kLanes,
                                             s.y + from * kLanes,
                                             matrices.b + from * matrices.b_stride,
                                             matrices.b_stride,
                                             matrices.c + from * matrices.c_stride,
                                             matrices.c_stride,
                                             s.history,
                                             s.decay,
                                             d_states,
                                             s.d_a + p * states * kLanes,
                                             s.d_delta + from * kLanes,
                                             s.d_u + from * kLanes,
                                             s.d_b + from * states * kLanes,
                                             s.d_c + from * states * kLanes,
                                             inputs_ahead,
                                             outputs_ahead};
    if (scan.steps > 0) {
      if (piece.starts()) {
        pack_states_or_zeros(in.initial_state, piece.state, channels, states, s.initial);
      } else {
        memcpy(s.initial, checkpoint, static_cast<size_t>(states * kLanes) * sizeof(T));
      }
      for_each_slab(states, scan);
    }
    if (piece.starts()) unpack_states(d_states, piece.state, channels, states, f.d_initial_state);
  }
}

template <typename T, typename X, bool kSoftplus, bool kGate, bool kWhole>
void backward_pack(const SelectiveScanBackward<T, X>& f, const Pieces& pieces, int64_t batch, int64_t begin, int64_t end, int64_t p,
                   const T* checkpoint, const BackwardScratch<T>& s, Prefetch<X>& inputs_ahead, Prefetch<X>& outputs_ahead) {
  constexpr int kLanes = Simd<T>::kLanes;
  const PackChannels& channels = s.parameters.channels[p];
  BackwardReadTile<T, X, kSoftplus, kGate, kWhole> read = {rows_at(f.in.u, batch, begin, channels.first),
                                                           rows_at(f.in.delta, batch, begin, channels.first),
                                                           rows_at(f.d_out, batch, begin, channels.first),
                                                           rows_at(f.in.z, batch, begin, channels.first),
                                                           channels.count,
                                                           load(s.parameters.skip + p * kLanes),
                                                           load(s.parameters.delta_bias + p * kLanes),
                                                           s};
  for_each_step(end - begin, read);
  const bool want_y = kGate && f.d_z.data != nullptr;
  (want_y ? scan_pieces<T, X, true> : scan_pieces<T, X, false>)(f, pieces, begin, p, checkpoint, s, inputs_ahead, outputs_ahead);
  write_tile<T, X, kSoftplus, kWhole>(f, batch, begin, end - begin, channels, s.d_skip + p * kLanes, s.d_delta_bias + p * kLanes, s);
}

template <typename T, typename X>
using BackwardPack = void (*)(const SelectiveScanBackward<T, X>&, const Pieces&, int64_t, int64_t, int64_t, int64_t, const T*,
                              const BackwardScratch<T>&, Prefetch<X>&, Prefetch<X>&);

template <typename T, typename X, bool kWhole>
BackwardPack<T, X> backward_pack_for(const SelectiveScanInputs<T, X>& in) {
  if (in.softplus) return in.z.data != nullptr ? backward_pack<T, X, true, true, kWhole> : backward_pack<T, X, true, false, kWhole>;
  return in.z.data != nullptr ? backward_pack<T, X, false, true, kWhole> : backward_pack<T, X, false, false, kWhole>;
}

/** Sums the lanes of a block's d_b or d_c of one tile, and writes the rows to the gradient itself or, of several blocks, to their partial sums. */
template <typename T, typename X>
void write_rows(const SelectiveScanBackward<T, X>& f, const SelectiveScanGeometry& geometry, int64_t batch, int64_t block, int64_t begin, int64_t end,
                const T* sums, T* row, int64_t workspace_offset, const GroupedSequenceView<X>& gradient) {
  if (gradient.data == nullptr) return;
  constexpr int kLanes = Simd<T>::kLanes;
  const int64_t states = f.in.sizes.states;
  const int64_t count = (end - begin) * states;
  for (int64_t i = 0; i < count; i += kLanes) store<T>(row + i, sum_lanes(sums + i * kLanes));
  if (geometry.blocks_per_group > 1) {
    T* partial = f.workspace + workspace_offset + ((batch * geometry.blocks_per_batch + block) * f.in.sizes.length + begin) * states;
    memcpy(partial, row, static_cast<size_t>(count) * sizeof(T));
    return;
  }
  X* to = gradient.data + batch * gradient.batch_stride + begin * gradient.length_stride + block * gradient.group_stride;
  for (int64_t t = 0; t < end - begin; ++t) convert_row(row + t * states, states, to + t * gradient.length_stride);
}

}  // namespace

template <typename T, typename X>
void selective_scan_backward(const SelectiveScanBackward<T, X>& f, int64_t block_begin, int64_t block_end) {
  constexpr int kLanes = Simd<T>::kLanes;
  const SelectiveScanInputs<T, X>& in = f.in;
  const int64_t states = in.sizes.states;
  const int64_t length = in.sizes.length;
  const int64_t pack_states = states * kLanes;
  const SelectiveScanGeometry geometry = selective_scan_geometry(in.sizes, kLanes);
  const BackwardPack<T, X> whole_pack = backward_pack_for<T, X, true>(in);
  const BackwardPack<T, X> part_pack = backward_pack_for<T, X, false>(in);

  BackwardScratch<T> s;
  const int64_t max_packs = max_packs_per_segment(geometry, kSegmentBytes / ((3 + kDecayDegree<T>) * static_cast<size_t>(pack_states) * sizeof(T)));
  take_scratch([&](Arena& arena) { s.take(arena, max_packs, geometry.tile, states); });
  const size_t row_bytes = static_cast<size_t>(s.row_vectors * kLanes) * sizeof(T);

  for (int64_t block = block_begin; block < block_end;) {
    const Segment segment = next_segment(geometry, block, block_end, max_packs);
    block += segment.block_end - segment.block_begin;
    const int64_t packs = segment.pack_end - segment.pack_begin;
    const int64_t batch = segment.batch;
    s.parameters.load_segment(in, geometry, segment);
    memset(s.d_a, 0, static_cast<size_t>(packs * pack_states) * sizeof(T));
    memset(s.d_skip, 0, static_cast<size_t>(packs * kLanes) * sizeof(T));
    memset(s.d_delta_bias, 0, static_cast<size_t>(packs * kLanes) * sizeof(T));
    for (int64_t tile = geometry.tiles - 1; tile >= 0; --tile) {
      const int64_t begin = tile * geometry.tile;
      const int64_t end = begin + geometry.tile < length ? begin + geometry.tile : length;
      const TileStart next = tile > 0 ? TileStart{batch, begin - geometry.tile} : TileStart{batch + 1, (geometry.tiles - 1) * geometry.tile};
      const Pieces pieces(in.packed, length, batch, begin, end);
      const T* checkpoint = f.checkpoints + ((batch * geometry.tiles + tile) * geometry.packs_per_batch + segment.pack_begin) * pack_states;
      const SequenceView<const X> inputs[] = {in.u, in.delta, in.z, f.d_out};
      const SequenceView<const X> outputs[] = {const_view(f.d_u), const_view(f.d_delta), const_view(f.d_z), {}};
      for (int64_t b = segment.block_begin; b < segment.block_end; ++b) {
        memset(s.d_b, 0, row_bytes);
        memset(s.d_c, 0, row_bytes);
        const int64_t end_pack = end_pack_of_block(geometry, b);
        for (int64_t pack = first_pack_of_block(geometry, b); pack < end_pack; ++pack) {
          const int64_t p = pack - segment.pack_begin;
          const PackChannels& channels = s.parameters.channels[p];
          const int64_t first = s.parameters.channels[0].first;
          if (p == 0 || channels.group != s.matrices.group) s.matrices.load(in, batch, begin, end, channels.group);
          Prefetch<X> inputs_ahead = prefetch_share(inputs, next.batch, next.t, p, packs, geometry.tile, first);
          Prefetch<X> outputs_ahead = prefetch_share(outputs, next.batch, next.t, p, packs, geometry.tile, first);
          (channels.count == kLanes ? whole_pack : part_pack)(f, pieces, batch, begin, end, p, checkpoint + p * pack_states, s, inputs_ahead,
                                                              outputs_ahead);
        }
        write_rows(f, geometry, batch, b, begin, end, s.d_b, s.row, geometry.d_b_offset, f.d_b);
        write_rows(f, geometry, batch, b, begin, end, s.d_c, s.row, geometry.d_c_offset, f.d_c);
      }
    }
    const int64_t at = batch * geometry.packs_per_batch + segment.pack_begin;
    memcpy(f.workspace + geometry.d_a_offset + at * pack_states, s.d_a, static_cast<size_t>(packs * pack_states) * sizeof(T));
    memcpy(f.workspace + geometry.d_skip_offset + at * kLanes, s.d_skip, static_cast<size_t>(packs * kLanes) * sizeof(T));
    memcpy(f.workspace + geometry.d_delta_bias_offset + at * kLanes, s.d_delta_bias, static_cast<size_t>(packs * kLanes) * sizeof(T));
  }
}

template void selective_scan_backward<float, float>(const SelectiveScanBackward<float, float>&, int64_t, int64_t);
template void selective_scan_backward<double, double>(const SelectiveScanBackward<double, double>&, int64_t, int64_t);
template void selective_scan_backward<float, BFloat16>(const SelectiveScanBackward<float, BFloat16>&, int64_t, int64_t);

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
