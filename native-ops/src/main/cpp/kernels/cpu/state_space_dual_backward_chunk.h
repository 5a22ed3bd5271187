/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

/* The backward pass of the state space dual over one chunk; compiled once per instruction set (see simd.h). Pairs are
 * (earlier token j, later token i). */

#include "state_space_dual_backward.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

/** A stretch of one sequence. */
struct Chunk {
  int64_t begin;
  int64_t tokens;
  int64_t padded;  // in sixteens

  static Chunk at(const HeadsOfSequence& s, int64_t begin, int64_t size) {
    Chunk c;
    c.begin = begin;
    c.tokens = s.end - begin < size ? s.end - begin : size;
    c.padded = (c.tokens + kDecayBlock - 1) / kDecayBlock * kDecayBlock;
    return c;
  }
};

/** What heads of one group share over one chunk, of one thread. Gradients are sums over the heads of a block. */
template <typename T>
struct GroupScratch {
  T* b;  // [token][state]
  T* c;
  T* b_transposed;  // [state][token]
  T* c_transposed;
  T* scores;          // [j][i]: B of the earlier by C of the later
  T* d_scores;        // [j][i]
  T* d_b_transposed;  // [state][token], through states alone
  T* d_c_transposed;
  T* rows;  // [token][state]

  void take(Arena& arena, const HeadExtent& extent, int64_t chunk) {
    T** const matrices[] = {&b, &c, &b_transposed, &c_transposed, &d_b_transposed, &d_c_transposed, &rows};
    for (T** matrix : matrices) *matrix = arena.take<T>(chunk * extent.padded_states);
    scores = arena.take<T>(chunk * chunk);
    d_scores = arena.take<T>(chunk * chunk);
  }
};

/** One head over one chunk, of one thread. */
template <typename T>
struct HeadScratch {
  T* x;             // [token][channel]
  T* d_y;           // [token][channel]
  T* input;         // [token][channel]
  T* y;             // [token][channel]
  T* x_transposed;  // [channel][token]
  T* d_y_transposed;
  T* products;      // [j][i]: x of the earlier by the gradient of y of the later
  T* mixing;        // [j][i]: decay times scores
  T* block_decays;  // [token j][i of its block]
  T* reached;       // [i]: sum over j up to the current one of products mixing delta'
  /* Sums to be, with the lanes apart: [token][lane] */
  T* from_pairs;    // of products mixing, over i
  T* crossing;      // of reached, over later i: what passes the step after j inside of the chunk
  T* from_states;   // of x by what it gives to the next state
  T* summed;        // [3][token]: of these
  T* into_outputs;  // [i]: what the state before the chunk gives to output i
  T* derivative;    // [token]: of delta' by delta
  T* d_delta;       // [token]
  Decays<T> decays;

  void take(Arena& arena, const HeadExtent& extent, int64_t chunk) {
    constexpr int kLanes = Simd<T>::kLanes;
    T** const matrices[] = {&x, &d_y, &input, &y, &x_transposed, &d_y_transposed};
    for (T** matrix : matrices) *matrix = arena.take<T>(chunk * extent.padded_channels);
    products = arena.take<T>(chunk * chunk);
    mixing = arena.take<T>(chunk * chunk);
    block_decays = arena.take<T>(chunk * kDecayBlock);
    T** const lane_arrays[] = {&from_pairs, &crossing, &from_states};
    for (T** array : lane_arrays) *array = arena.take<T>(chunk * kLanes);
    T** const token_arrays[] = {&reached, &into_outputs, &derivative, &d_delta};
    for (T** array : token_arrays) *array = arena.take<T>(chunk);
    summed = arena.take<T>(3 * chunk);
    decays.take(arena, chunk);
  }
};

template <typename T, typename X>
static void read_group(const StateSpaceDualBackward<T, X>& f, const HeadExtent& extent, const HeadsOfSequence& s,
                       const Chunk& chunk, const GroupScratch<T>& g) {
  const int64_t states = extent.padded_states;
  pack_rows<T>(element(f.in.b, s.batch, chunk.begin, s.group), f.in.b.length_stride, chunk.tokens, extent.states, g.b,
               chunk.padded, states);
  pack_rows<T>(element(f.in.c, s.batch, chunk.begin, s.group), f.in.c.length_stride, chunk.tokens, extent.states, g.c,
               chunk.padded, states);
  transpose_in(g.c, states, chunk.padded, states, g.c_transposed, chunk.padded);
  multiply_half<T, false>(g.b, states, g.c_transposed, extent.states, chunk.padded, g.scores);
}

/** Before the first head of a block. */
template <typename T>
static void clear_group_sums(const HeadExtent& extent, const Chunk& chunk, const GroupScratch<T>& g) {
  memset(g.d_scores, 0, static_cast<size_t>(chunk.padded * chunk.padded) * sizeof(T));
  memset(g.d_b_transposed, 0, static_cast<size_t>(extent.padded_states * chunk.padded) * sizeof(T));
  memset(g.d_c_transposed, 0, static_cast<size_t>(extent.padded_states * chunk.padded) * sizeof(T));
}

/** Adds to rows [t, t + kRows) what passes through the scores: sums over the earlier tokens if kLower, else over the
 * later ones. */
template <typename T, bool kLower, int kRows, int kVectors>
__attribute__((noinline)) static void partial_rows_tile(const Chunk& chunk, const T* d_scores, const T* other,
                                                        int64_t states, int64_t t, const T* rows, T* to, int64_t to_row,
                                                        int64_t columns) {
  Vec<T> sum[kRows][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r][v] = load(rows + r * states + v * Simd<T>::kLanes);
  }
  if constexpr (kLower) {
    multiply_add<T>(sum, t, d_scores + t, 1, chunk.padded, other, states);
    multiply_add_triangle<T, true>(sum, d_scores + t * chunk.padded + t, 1, chunk.padded, other + t * states, states);
  } else {
    const T* row = d_scores + t * chunk.padded + t;
    multiply_add_triangle<T, false>(sum, row, chunk.padded, 1, other + t * states, states);
    multiply_add<T>(sum, chunk.tokens - t - kRows, row + kRows, chunk.padded, 1, other + (t + kRows) * states, states);
  }
  store_tile_part<T, T>(sum, to, to_row, chunk.tokens - t, columns);
}

/** The gradient of B, or of C if kLower, from what passes through states, transposed, and through scores; `other` is C,
 * or B. */
template <typename T, bool kLower>
static void write_partial_rows(const HeadExtent& extent, const Chunk& chunk, const T* transposed, const T* d_scores,
                               const T* other, T* rows, T* to) {
  constexpr int kLanes = Simd<T>::kLanes;
  const int64_t states = extent.padded_states;
  transpose_in(transposed, chunk.padded, states, chunk.padded, rows, states);
  for_each_tile(0, (extent.states + kLanes - 1) / kLanes, [&](auto width, int64_t vector) {
    constexpr int kVectors = decltype(width)::value;
    constexpr int kRows = kTileRows<kVectors>;
    const int64_t column = vector * kLanes;
    for (int64_t t = 0; t < chunk.tokens; t += kRows) {
      partial_rows_tile<T, kLower, kRows, kVectors>(chunk, d_scores, other + column, states, t,
                                                    rows + t * states + column, to + t * extent.states + column,
                                                    extent.states, extent.states - column);
    }
  });
}

template <typename T, typename X>
static void write_group(const StateSpaceDualBackward<T, X>& f, const HeadExtent& extent, const Chunk& chunk,
                        const GroupScratch<T>& g, const PartialRows<T>& partial) {
  const int64_t at = chunk.begin * extent.states;
  if (f.d_b.data != nullptr)
    write_partial_rows<T, false>(extent, chunk, g.d_b_transposed, g.d_scores, g.c, g.rows, partial.d_b + at);
  if (f.d_c.data != nullptr)
    write_partial_rows<T, true>(extent, chunk, g.d_c_transposed, g.d_scores, g.b, g.rows, partial.d_c + at);
}

/** block_decays[j][i] is the decay from token j to token i of its block for i >= j, else zero. */
template <typename T>
static void decay_inside_blocks(const Decays<T>& d, T* block_decays) {
  using Int = typename Simd<T>::I;
  constexpr int kLanes = Simd<T>::kLanes, kVectors = kBlockVectors<T>;
  Int index[kVectors];
  block_indices<T>(index);
  for (int64_t block = 0; block < d.blocks; ++block) {
    Vec<T> exponent[kVectors] = {};
    for (int k = static_cast<int>(kDecayBlock) - 1; k >= 0; --k) {
      const int64_t j = block * kDecayBlock + k;
      const T next = k + 1 < kDecayBlock ? d.a[j + 1] : T(0);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        exponent[v] = (Vec<T>)((Int)(exponent[v] + next) & (index[v] > k));
        store<T>(block_decays + j * kDecayBlock + v * kLanes, (Vec<T>)((Int)exp2(exponent[v]) & (index[v] >= k)));
      }
    }
  }
}

/** From the scores and the products: mixing, d_scores, and what the gradients of the steps need of pairs. */
template <typename T>
static void mix_backward(const GroupScratch<T>& g, const HeadScratch<T>& w, int64_t padded) {
  using Int = typename Simd<T>::I;
  constexpr int kLanes = Simd<T>::kLanes, kVectors = kBlockVectors<T>;
  const Decays<T>& d = w.decays;
  Int index[kVectors];
  block_indices<T>(index);
  decay_inside_blocks(d, w.block_decays);
  memset(w.reached, 0, static_cast<size_t>(padded) * sizeof(T));
  for (int64_t block = 0; block < d.blocks; ++block) {
    T later_decays[kDecayBlock * kDecayBlock];
    for (int64_t later = block + 1; later < d.blocks; ++later) {
      const T between = d.between[later * kDecayBlock + block];
      for (int64_t i = 0; i < kDecayBlock; i += kLanes) {
        store_unaligned<T>(later_decays + later * kDecayBlock + i,
                           between * load(d.from_block + later * kDecayBlock + i));
      }
    }
    for (int k = 0; k < kDecayBlock; ++k) {
      const int64_t j = block * kDecayBlock + k;
      const T *scores = g.scores + j * padded, *products = w.products + j * padded;
      T *mixing = w.mixing + j * padded, *d_scores = g.d_scores + j * padded;
      const Vec<T> delta = set1(d.delta[j]), to_block = set1(d.to_block[j]);
      Vec<T> from_pairs = {}, crossing = {};
      const auto pair = [&](int64_t i, Vec<T> decay, Vec<T> score, Vec<T> product) __attribute__((always_inline)) {
        const Vec<T> mixed = decay * score, weight = product * mixed;
        store<T>(mixing + i, mixed);
        store<T>(d_scores + i, fmadd(product * delta, decay, load(d_scores + i)));
        from_pairs = from_pairs + weight;
        const Vec<T> reached = fmadd(weight, delta, load(w.reached + i));
        store<T>(w.reached + i, reached);
        return reached;
      };
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        const int64_t i = block * kDecayBlock + v * kLanes;
        const Int wanted = index[v] >= k;
        const Vec<T> reached =
            pair(i, load(w.block_decays + j * kDecayBlock + v * kLanes), (Vec<T>)((Int)load(scores + i) & wanted),
                 (Vec<T>)((Int)load(products + i) & wanted));
        crossing = crossing + (Vec<T>)((Int)reached & (index[v] > k));
      }
      for (int64_t i = (block + 1) * kDecayBlock; i < padded; i += kLanes) {
        crossing =
            crossing + pair(i, to_block * load_unaligned<T>(later_decays + i), load(scores + i), load(products + i));
      }
      store<T>(w.from_pairs + j * kLanes, from_pairs);
      store<T>(w.crossing + j * kLanes, crossing);
    }
  }
}

/** What d_inputs() writes: the gradient of x, if it is wanted. */
template <typename T, typename X>
struct InputGradients {
  X* d_x;
  int64_t d_x_row;
  const T* skip;  // by channel, or null
};

/** The gradient of rows [j, j + kRows) of delta' x, kVectors wide, and that of x from it; adds to from_states. */
template <typename T, typename X, int kRows, int kVectors>
__attribute__((noinline)) static void d_input_tile(const HeadExtent& extent, const Chunk& chunk, const T* b,
                                                   const HeadScratch<T>& w, const T* d_state,
                                                   const InputGradients<T, X>& to, int64_t j, int64_t column) {
  constexpr int kLanes = Simd<T>::kLanes;
  const int64_t row = extent.padded_channels;
  Vec<T> sum[kRows][kVectors];
  clear<T>(sum);
  if (d_state != nullptr) {
    multiply_add<T>(sum, extent.states, b + j * extent.padded_states, extent.padded_states, 1, d_state + column, row);
    scale_tile<T>(sum, w.decays.to_end + j);
    const T* x = w.x + j * row + column;
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      Vec<T> product = load(w.from_states + (j + r) * kLanes);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) product = fmadd(sum[r][v], load(x + r * row + v * kLanes), product);
      store<T>(w.from_states + (j + r) * kLanes, product);
    }
  }
  if (to.d_x == nullptr) return;
  const T* mixing = w.mixing + j * chunk.padded + j;
  const T* d_y = w.d_y + j * row + column;
  multiply_add_triangle<T, false>(sum, mixing, chunk.padded, 1, d_y, row);
  multiply_add<T>(sum, chunk.tokens - j - kRows, mixing + kRows, chunk.padded, 1, d_y + kRows * row, row);
  scale_tile<T>(sum, w.decays.delta + j);
  if (to.skip != nullptr) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const Vec<T> skip = load(to.skip + column + v * kLanes);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) sum[r][v] = fmadd(skip, load(d_y + r * row + v * kLanes), sum[r][v]);
    }
  }
  store_tile_part<T, X>(sum, to.d_x + j * to.d_x_row + column, to.d_x_row, chunk.tokens - j, extent.channels - column);
}

/** The gradient of x, and from_states; d_state is null where it is zero. */
template <typename T, typename X>
static void d_inputs(const HeadExtent& extent, const Chunk& chunk, const T* b, const HeadScratch<T>& w,
                     const T* d_state, const InputGradients<T, X>& to) {
  constexpr int kLanes = Simd<T>::kLanes;
  memset(w.from_states, 0, static_cast<size_t>(chunk.padded * kLanes) * sizeof(T));
  for_each_tile(0, extent.padded_channels / kLanes, [&](auto width, int64_t vector) {
    constexpr int kVectors = decltype(width)::value;
    constexpr int kRows = kTileRows<kVectors>;
    for (int64_t j = 0; j < chunk.tokens; j += kRows) {
      d_input_tile<T, X, kRows, kVectors>(extent, chunk, b, w, d_state, to, j, vector * kLanes);
    }
  });
}

/** Adds x times the gradient of y, summed over the tokens, for each channel. */
template <typename T>
static void add_d_skip(const HeadExtent& extent, const Chunk& chunk, const HeadScratch<T>& w, T* d_skip) {
  constexpr int kLanes = Simd<T>::kLanes;
  for_each_tile(0, extent.padded_channels / kLanes, [&](auto width, int64_t vector) {
    constexpr int kVectors = decltype(width)::value;
    const int64_t column = vector * kLanes;
    Vec<T> sum[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[v] = load(d_skip + column + v * kLanes);
    for (int64_t t = 0; t < chunk.tokens; ++t) {
      const int64_t at = t * extent.padded_channels + column;
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v)
        sum[v] = fmadd(load(w.x + at + v * kLanes), load(w.d_y + at + v * kLanes), sum[v]);
    }
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) store<T>(d_skip + column + v * kLanes, sum[v]);
  });
}

/** The gradient of the gate, for which y is computed again. */
template <typename T, typename X>
static void write_d_z(const StateSpaceDualBackward<T, X>& f, const HeadExtent& extent, const HeadsOfSequence& s,
                      int64_t head, const Chunk& chunk, const GroupScratch<T>& g, const HeadScratch<T>& w,
                      const T* state, const T* skip) {
  constexpr int kLanes = Simd<T>::kLanes;
  const int64_t row = extent.padded_channels;
  scale_rows(w.decays.delta, chunk.padded, row, w.x, w.input);
  mix_outputs<T>({g.c, state, w.decays.from_start, w.mixing, 1, chunk.padded, w.input, w.y}, extent, chunk.tokens, {});
  const X* const d_out = element(f.d_out, s.batch, chunk.begin, s.first_head + head);
  const X* const z = element(f.in.z, s.batch, chunk.begin, s.first_head + head);
  X* const d_z = element(f.d_z, s.batch, chunk.begin, s.first_head + head);
  for (int64_t t = 0; t < chunk.tokens; ++t) {
    for (int64_t p = 0; p < extent.channels; p += kLanes) {
      const int count = extent.channels - p < kLanes ? static_cast<int>(extent.channels - p) : kLanes;
      Vec<T> y = load(w.y + t * row + p);
      if (skip != nullptr) y = fmadd(load(skip + p), load(w.x + t * row + p), y);
      store_first<X>(d_z + t * f.d_z.length_stride + p,
                     gate_gradient<T>(load_first(d_out + t * f.d_out.length_stride + p, count), y,
                                      load_first(z + t * f.in.z.length_stride + p, count)),
                     count);
    }
  }
}

/** One tile of add_through_state(), at states n and tokens `column` on. */
template <typename T, int kRows, int kVectors>
__attribute__((noinline)) static void through_state_tile(const HeadExtent& extent, int64_t padded, const T* state,
                                                         const T* columns, const T* scale, const T* others, T* products,
                                                         T* sums) {
  constexpr int kLanes = Simd<T>::kLanes;
  Vec<T> sum[kRows][kVectors];
  clear<T>(sum);
  multiply_add<T>(sum, extent.channels, state, extent.padded_channels, 1, columns, padded);
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const Vec<T> factor = load(scale + v * kLanes);
    Vec<T> product = others == nullptr ? Vec<T>{} : load(products + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const int64_t at = r * padded + v * kLanes;
      const Vec<T> value = factor * sum[r][v];
      store<T>(sums + at, load(sums + at) + value);
      if (others != nullptr) product = fmadd(value, load(others + at), product);
    }
    if (others != nullptr) store<T>(products + v * kLanes, product);
  }
}

/**
 * sums[n][t] += scale[t] times the sum over channels of state[n][p] columns[p][t]. With `others`, [n][t], also the sum
 * over n of the product of that with them is added to products[t]. Meanwhile rows are fetched ahead.
 */
template <typename T>
static void add_through_state(const HeadExtent& extent, int64_t padded, const T* state, const T* columns,
                              const T* scale, const T* others, T* products, T* sums, Ahead ahead) {
  constexpr int kLanes = Simd<T>::kLanes;
  for_each_tile(0, padded / kLanes, [&](auto width, int64_t vector) {
    constexpr int kVectors = decltype(width)::value;
    constexpr int kRows = kTileRows<kVectors>;
    const int64_t column = vector * kLanes;
    ahead.share_among((extent.states + kRows - 1) / kRows);
    for (int64_t n = 0; n < extent.states; n += kRows) {
      ahead.fetch_share();
      const int64_t at = n * padded + column;
      through_state_tile<T, kRows, kVectors>(extent, padded, state + n * extent.padded_channels, columns + column,
                                             scale + column, others == nullptr ? nullptr : others + at,
                                             others == nullptr ? nullptr : products + column, sums + at);
    }
  });
}

/**
 * The gradients of the steps. That of the logarithm of a decay is the sum of everything that crosses the step: from the
 * state before the chunk to the one after it (whole) and to outputs, from inputs to later outputs and to the state
 * after the chunk. Nothing is subtracted.
 */
template <typename T>
static void gradients_of_steps(const Chunk& chunk, const HeadScratch<T>& w, T a, T whole, T* d_a) {
  constexpr int kLanes = Simd<T>::kLanes;
  T *const from_pairs = w.summed, *const crossing = w.summed + chunk.padded,
           *const from_states = w.summed + 2 * chunk.padded;
  for (int64_t t = 0; t < chunk.padded; t += kLanes) {
    store<T>(from_pairs + t, sum_lanes<T>(w.from_pairs + t * kLanes));
    store<T>(crossing + t, sum_lanes<T>(w.crossing + t * kLanes));
    store<T>(from_states + t, sum_lanes<T>(w.from_states + t * kLanes));
  }
  T later_outputs = 0;
  for (int64_t t = chunk.tokens - 1; t >= 0; --t) {
    later_outputs += w.into_outputs[t];
    w.into_outputs[t] = later_outputs;
  }
  T to_states = whole, sum = 0;
  for (int64_t t = 0; t < chunk.tokens; ++t) {
    if (t > 0) to_states += from_states[t - 1] * w.decays.delta[t - 1];
    const T d_log_decay = w.into_outputs[t] + to_states + (t > 0 ? crossing[t - 1] : T(0));
    w.d_delta[t] = from_states[t] + from_pairs[t] + a * d_log_decay;
    sum += w.decays.delta[t] * d_log_decay;
  }
  *d_a += sum;
}

/** Where the pass goes after this head and chunk; a chunk without tokens if it ends. */
template <typename T>
struct NextUnit {
  Chunk chunk;
  int64_t head;    // of all
  const T* state;  // before the chunk, or null
};

/**
 * One head over one chunk: from its state before the chunk (null: zeros) and the gradient of its state after it (zero
 * without `have_d_state`, and then it is written all the same), which becomes that of the state before.
 */
template <typename T, typename X>
static void backward_chunk(const StateSpaceDualBackward<T, X>& f, const HeadExtent& extent, const HeadsOfSequence& s,
                           int64_t head, const Chunk& chunk, const NextUnit<T>& next, const GroupScratch<T>& g,
                           const HeadScratch<T>& shared, const HeadSums<T>& sums, const T* state, T* d_state,
                           bool have_d_state, bool want_d_state, const T* skip) {
  HeadScratch<T> w = shared;
  const int64_t h = s.first_head + head, row = extent.padded_channels, padded = chunk.padded;
  read_deltas<T, true>(element(f.in.delta, s.batch, chunk.begin, h), f.in.delta.length_stride, delta_transform(f.in, h),
                       chunk.tokens, padded, w.decays.delta, w.derivative);
  w.decays.compute(f.in.a[h] * T(kLog2E), padded);
  pack_rows<T>(element(f.in.x, s.batch, chunk.begin, h), f.in.x.length_stride, chunk.tokens, extent.channels, w.x,
               padded, row);
  const X* d_out = element(f.d_out, s.batch, chunk.begin, h);
  const X* z = f.in.z.data == nullptr ? nullptr : element(f.in.z, s.batch, chunk.begin, h);
  for (int64_t t = 0; t < chunk.tokens; ++t) {
    pack_d_y(d_out + t * f.d_out.length_stride, z == nullptr ? nullptr : z + t * f.in.z.length_stride, extent.channels,
             w.d_y + t * row, row);
  }
  memset(w.d_y + chunk.tokens * row, 0, static_cast<size_t>((padded - chunk.tokens) * row) * sizeof(T));
  if (skip != nullptr) add_d_skip(extent, chunk, w, sums.d_skip + head * row);
  transpose_in(w.d_y, row, padded, row, w.d_y_transposed, padded);
  multiply_half<T, false>(w.x, row, w.d_y_transposed, extent.channels, padded, w.products);
  mix_backward(g, w, padded);
  const InputGradients<T, X> d_x = {f.d_x.data == nullptr ? nullptr : element(f.d_x, s.batch, chunk.begin, h),
                                    f.d_x.length_stride, skip};
  d_inputs(extent, chunk, g.b, w, have_d_state ? d_state : nullptr, d_x);
  if (f.d_z.data != nullptr) write_d_z(f, extent, s, head, chunk, g, w, state, skip);
  if (have_d_state && f.d_b.data != nullptr) {
    transpose_in(w.x, row, padded, row, w.x_transposed, padded);
    add_through_state(extent, padded, d_state, w.x_transposed, w.decays.to_end_delta, static_cast<const T*>(nullptr),
                      static_cast<T*>(nullptr), g.d_b_transposed, {RowsAhead::of_state(extent, next.state)});
  }
  memset(w.into_outputs, 0, static_cast<size_t>(padded) * sizeof(T));
  if (state != nullptr) {
    add_through_state(
        extent, padded, state, w.d_y_transposed, w.decays.from_start, g.c_transposed, w.into_outputs, g.d_c_transposed,
        {RowsAhead::of(f.in.x, s.batch, next.chunk.begin, next.head, next.chunk.tokens, extent.channels),
         RowsAhead::of(f.d_out, s.batch, next.chunk.begin, next.head, next.chunk.tokens, extent.channels)});
  }
  T whole = 0;
  if (want_d_state) {
    scale_rows(w.decays.from_start, chunk.tokens, row, w.d_y, w.input);
    whole =
        w.decays.whole *
        advance_state(extent, w.decays.whole, have_d_state ? d_state : nullptr, g.c_transposed, padded, w.input,
                      chunk.tokens, state, d_state,
                      {RowsAhead::of(f.d_x, s.batch, next.chunk.begin, next.head, next.chunk.tokens, extent.channels)});
  }
  gradients_of_steps(chunk, w, f.in.a[h], whole, sums.d_a + head);
  write_d_deltas(w.d_delta, w.derivative, chunk.tokens,
                 f.d_delta.data == nullptr ? nullptr : element(f.d_delta, s.batch, chunk.begin, h),
                 f.d_delta.length_stride, sums.d_delta_bias + head);
}

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
