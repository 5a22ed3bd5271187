/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "causal_conv1d_block.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

namespace {

/** Scratch of one thread; rows are padded to whole vectors. */
template <typename T>
struct BackwardScratch {
  Taps<T> taps;
  int64_t row;           // elements of a padded row
  T* d_sums;             // [width + 1][row]: of d_weight and d_bias
  /* For widths that are not in registers, rings of rows whose entry is the row's number modulo the width: */
  T* inputs;             // [width][row]
  T* d_pre;              // [width][row]: gradients before the activation
  const T** input_rows;  // [width], in the order of the taps
  const T** d_pre_rows;  // [width], those in reach of one input
  const T** weight_rows; // [width], theirs

  void take(Arena& arena, int64_t width, int64_t channels) {
    taps.take(arena, width, channels);
    row = taps.row;
    d_sums = arena.take<T>((width + 1) * row);
    inputs = arena.take<T>(width * row);
    d_pre = arena.take<T>(width * row);
    input_rows = arena.take<const T*>(width);
    d_pre_rows = arena.take<const T*>(width);
    weight_rows = arena.take<const T*>(width);
  }
};

/** The first row whose gradient a piece writes: with the piece that starts a sequence, that of the initial state. */
DJLMAMBA_INLINE int64_t first_input_of(const Piece& piece, int64_t width) { return piece.starts() ? piece.begin - width + 1 : piece.begin; }

/** Element d of the row of d_final_state that is added to the gradient of row t of the initial state followed by x; null if there is none. */
template <typename T, typename X>
DJLMAMBA_INLINE const T* final_gradient_at(const CausalConv1dBackward<T, X>& f, const Block& block, const Piece& piece, int64_t t, int64_t d) {
  const int64_t row = t - (piece.sequence_end - f.in.sizes.width + 1);
  if (f.d_final_state.data == nullptr || row < 0) return nullptr;
  return f.d_final_state.data + piece.state * f.d_final_state.batch_stride + row * f.d_final_state.row_stride + block.first + d;
}

/** Element d of row t of d_x, or null if it is not wanted. */
template <typename T, typename X>
DJLMAMBA_INLINE X* d_x_at(const CausalConv1dBackward<T, X>& f, const Block& block, int64_t t, int64_t d) {
  return f.d_x.data == nullptr ? nullptr : f.d_x.data + block.batch * f.d_x.batch_stride + t * f.d_x.length_stride + block.first + d;
}

/** Element d of the row of d_initial_state for row t, which is before the sequence's first, or null if it is not wanted. */
template <typename T, typename X>
DJLMAMBA_INLINE T* d_earlier_at(const CausalConv1dBackward<T, X>& f, const Block& block, const Piece& piece, int64_t t, int64_t d) {
  if (f.d_initial_state.data == nullptr) return nullptr;
  return f.d_initial_state.data + piece.state * f.d_initial_state.batch_stride +
         (t - piece.sequence_begin + f.in.sizes.width - 1) * f.d_initial_state.row_stride + block.first + d;
}

/** The gradient of SiLU's input, from that of its output. */
template <typename T>
DJLMAMBA_INLINE Vec<T> silu_gradient(Vec<T> g, Vec<T> y) {
  const Vec<T> gate = sigmoid<T>(y);
  return g * gate * fmadd(y, T(1) - gate, set1(T(1)));
}

/**
 * The whole backward pass of one vector of channels of a piece, for small widths: the inputs and the gradients in reach and all sums are in
 * registers. Rows are far apart, so those of the next vector are prefetched. `more` adds to the sums of the block's earlier pieces.
 */
template <typename T, typename X, int kWidth, bool kSilu, bool kWhole>
void backward_column(const CausalConv1dBackward<T, X>& f, const Block& block, const Piece& piece, bool more, const BackwardScratch<T>& s, int64_t d,
                     int count) {
  constexpr int kLanes = Simd<T>::kLanes;
  const CausalConv1dInputs<T, X>& in = f.in;
  const int64_t first_input = first_input_of(piece, kWidth);
  Vec<T> weight[kWidth], sums[kWidth + 1] = {}, x[kWidth] = {}, d_pre[kWidth] = {};
#pragma GCC unroll 4
  for (int k = 0; k < kWidth; ++k) weight[k] = load(s.taps.weight + k * s.row + d);
#pragma GCC unroll 4
  for (int k = 1; k < kWidth; ++k) {
    const int64_t t = piece.begin - kWidth + k;
    if (t >= piece.sequence_begin) {
      x[k] = load_lanes<X, kWhole>(x_row(in, block, t) + d, count);
    } else if (in.initial_state.data != nullptr) {
      x[k] = load_lanes<T, kWhole>(earlier_row(in, block, piece, t) + d, count);
    }
  }
  if (more) {
#pragma GCC unroll 5
    for (int k = 0; k <= kWidth; ++k) sums[k] = load(s.d_sums + k * s.row + d);
  }
  const Vec<T> bias = load(s.taps.bias + d);
  const X* x_next = nullptr;
  const X* d_out_next = nullptr;
  if (piece.begin < piece.end) {
    x_next = x_row(in, block, piece.begin) + d;
    d_out_next = f.d_out.data + block.batch * f.d_out.batch_stride + piece.begin * f.d_out.length_stride + block.first + d;
  }
  for (int64_t t = piece.begin; t < piece.end + kWidth - 1; ++t) {
    Vec<T> g = {};
    if (t < piece.sequence_end) {
      __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(x_next) + sizeof(X) * kLanes), 0, 3);
      __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(d_out_next) + sizeof(X) * kLanes), 0, 3);
#pragma GCC unroll 4
      for (int k = 1; k < kWidth; ++k) x[k - 1] = x[k];
      x[kWidth - 1] = load_lanes<X, kWhole>(x_next, count);
      g = load_lanes<X, kWhole>(d_out_next, count);
      if constexpr (kSilu) {
        Vec<T> y = bias;
#pragma GCC unroll 4
        for (int k = 0; k < kWidth; ++k) y = fmadd(weight[k], x[k], y);
        g = silu_gradient<T>(g, y);
      }
      /* Rows after the piece are only for the gradients of its inputs. */
      if (t < piece.end) {
#pragma GCC unroll 4
        for (int k = 0; k < kWidth; ++k) sums[k] = fmadd(g, x[k], sums[k]);
        sums[kWidth] = sums[kWidth] + g;
      }
      x_next += in.x.length_stride;
      d_out_next += f.d_out.length_stride;
    }
#pragma GCC unroll 4
    for (int k = kWidth - 1; k > 0; --k) d_pre[k] = d_pre[k - 1];
    d_pre[0] = g;
    const int64_t input = t - kWidth + 1;
    if (input < first_input) continue;
    const T* base = final_gradient_at(f, block, piece, input, d);
    Vec<T> sum = base == nullptr ? Vec<T>{} : load_lanes<T, kWhole>(base, count);
#pragma GCC unroll 4
    for (int k = 0; k < kWidth; ++k) sum = fmadd(weight[k], d_pre[k], sum);
    if (input >= piece.sequence_begin) {
      X* to = d_x_at(f, block, input, d);
      if (to == nullptr) continue;
      __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(to) + sizeof(X) * kLanes), 0, 3);
      store_lanes<X, kWhole>(to, sum, count);
    } else if (T* to = d_earlier_at(f, block, piece, input, d)) {
      store_lanes<T, kWhole>(to, sum, count);
    }
  }
#pragma GCC unroll 5
  for (int k = 0; k <= kWidth; ++k) store<T>(s.d_sums + k * s.row + d, sums[k]);
}

template <typename T, typename X, int kWidth, bool kSilu>
void backward_columns(const CausalConv1dBackward<T, X>& f, const Block& block, const Piece& piece, bool more, const BackwardScratch<T>& s) {
  constexpr int kLanes = Simd<T>::kLanes;
  int64_t d = 0;
  for (; d + kLanes <= block.count; d += kLanes) backward_column<T, X, kWidth, kSilu, true>(f, block, piece, more, s, d, kLanes);
  if (d < block.count) backward_column<T, X, kWidth, kSilu, false>(f, block, piece, more, s, d, static_cast<int>(block.count - d));
}

/** The gradient before the activation of one row; with `sums`, also adds what it contributes to the gradients of the weights and the bias. */
template <typename T, typename X, bool kSilu>
void backward_row(const BackwardScratch<T>& shared, int64_t width, int64_t channels, const X* d_out, T* d_pre, T* sums) {
  constexpr int kLanes = Simd<T>::kLanes;
  const BackwardScratch<T> s = shared;
  for (int64_t d = 0; d < channels; d += kLanes) {
    const int count = channels - d < kLanes ? static_cast<int>(channels - d) : kLanes;
    Vec<T> g = load_first(d_out + d, count);
    if constexpr (kSilu) {
      Vec<T> y = load(s.taps.bias + d);
      for (int64_t k = 0; k < width; ++k) y = fmadd(load(s.taps.weight + k * s.row + d), load(s.input_rows[k] + d), y);
      g = silu_gradient<T>(g, y);
    }
    store<T>(d_pre + d, g);
    if (sums == nullptr) continue;
    for (int64_t k = 0; k < width; ++k) {
      T* sum = sums + k * s.row + d;
      store<T>(sum, fmadd(g, load(s.input_rows[k] + d), load(sum)));
    }
    T* bias_sum = sums + width * s.row + d;
    store<T>(bias_sum, load(bias_sum) + g);
  }
}

/** to[d] = the gradient of one row, from the `terms` gradients before the activation in its reach. */
template <typename T, typename To>
void write_input_gradient(const BackwardScratch<T>& s, int64_t terms, const T* base, int64_t channels, To* to) {
  constexpr int kLanes = Simd<T>::kLanes;
  for (int64_t d = 0; d < channels; d += kLanes) {
    const int count = channels - d < kLanes ? static_cast<int>(channels - d) : kLanes;
    Vec<T> sum = base == nullptr ? Vec<T>{} : load_first(base + d, count);
    for (int64_t k = 0; k < terms; ++k) sum = fmadd(load(s.weight_rows[k] + d), load(s.d_pre_rows[k] + d), sum);
    store_first<To>(to + d, sum, count);
  }
}

/** One piece for any width, row by row. */
template <typename T, typename X, bool kSilu>
void backward_rows(const CausalConv1dBackward<T, X>& f, const Block& block, const Piece& piece, bool more, const BackwardScratch<T>& s) {
  const CausalConv1dInputs<T, X>& in = f.in;
  const int64_t width = in.sizes.width;
  if (!more) memset(s.d_sums, 0, static_cast<size_t>((width + 1) * s.row) * sizeof(T));
  const auto slot = [&](int64_t t) { return (t + width) % width * s.row; };  // t may be as low as 1 - width
  for (int64_t t = piece.begin - width + 1; t < piece.begin; ++t) copy_input_row(in, block, piece, t, s.inputs + slot(t));
  /* An input reaches width - 1 rows ahead: those rows of the next block are computed again, without their share of the sums. */
  const int64_t first_input = first_input_of(piece, width);
  for (int64_t t = piece.begin; t < piece.end + width - 1; ++t) {
    if (t < piece.sequence_end) {
      copy_input_row(in, block, piece, t, s.inputs + slot(t));
      for (int64_t k = 0; k < width; ++k) s.input_rows[k] = s.inputs + slot(t - width + 1 + k);
      backward_row<T, X, kSilu>(s, width, block.count,
                                f.d_out.data + block.batch * f.d_out.batch_stride + t * f.d_out.length_stride + block.first, s.d_pre + slot(t),
                                t < piece.end ? s.d_sums : nullptr);
    }
    const int64_t input = t - width + 1;
    if (input < first_input) continue;
    int64_t terms = 0;
    for (int64_t k = 0; k < width; ++k) {
      const int64_t at = input + width - 1 - k;
      if (at < piece.sequence_begin || at >= piece.sequence_end) continue;
      s.weight_rows[terms] = s.taps.weight + k * s.row;
      s.d_pre_rows[terms] = s.d_pre + slot(at);
      ++terms;
    }
    const T* base = final_gradient_at(f, block, piece, input, 0);
    if (input >= piece.sequence_begin) {
      if (X* to = d_x_at(f, block, input, 0)) write_input_gradient(s, terms, base, block.count, to);
    } else if (T* to = d_earlier_at(f, block, piece, input, 0)) {
      write_input_gradient(s, terms, base, block.count, to);
    }
  }
}

template <typename T, typename X>
using BackwardPiece = void (*)(const CausalConv1dBackward<T, X>&, const Block&, const Piece&, bool, const BackwardScratch<T>&);

template <typename T, typename X, bool kSilu>
BackwardPiece<T, X> backward_piece_of_width(int64_t width) {
  return width == 4   ? backward_columns<T, X, 4, kSilu>
         : width == 3 ? backward_columns<T, X, 3, kSilu>
         : width == 2 ? backward_columns<T, X, 2, kSilu>
         : width == 1 ? backward_columns<T, X, 1, kSilu>
                      : backward_rows<T, X, kSilu>;
}

}  // namespace

template <typename T, typename X>
void causal_conv1d_backward(const CausalConv1dBackward<T, X>& f, int64_t block_begin, int64_t block_end) {
  if (block_begin >= block_end) return;
  const CausalConv1dInputs<T, X>& in = f.in;
  const int64_t width = in.sizes.width;
  const CausalConv1dGeometry geometry = causal_conv1d_backward_geometry(in.sizes);
  BackwardScratch<T> s;
  take_scratch([&](Arena& arena) { s.take(arena, width, geometry.channels_per_block); });
  const BackwardPiece<T, X> backward_piece = in.silu ? backward_piece_of_width<T, X, true>(width) : backward_piece_of_width<T, X, false>(width);
  int64_t loaded = -1;
  for (int64_t index = block_begin; index < block_end; ++index) {
    const Block block = block_at(geometry, in.sizes, index);
    if (block.first != loaded) s.taps.load(in.weight, in.bias, width, block.first, block.count);
    loaded = block.first;
    const Pieces pieces(in.packed, in.sizes.length, block.batch, block.begin, block.end);
    for (int64_t p = pieces.first(); p < pieces.last(); ++p) backward_piece(f, block, pieces[p], p > pieces.first(), s);
    T* partial = f.workspace + (block.batch * geometry.row_blocks + block.row_block) * (width + 1) * in.sizes.channels + block.first;
    for (int64_t k = 0; k <= width; ++k) {
      memcpy(partial + k * in.sizes.channels, s.d_sums + k * s.row, static_cast<size_t>(block.count) * sizeof(T));
    }
  }
}

template <typename T, typename X>
void causal_conv1d_backward_reduce(const CausalConv1dBackward<T, X>& f, int64_t block_begin, int64_t block_end) {
  constexpr int kLanes = Simd<T>::kLanes;
  const CausalConv1dSizes& sizes = f.in.sizes;
  const CausalConv1dGeometry geometry = causal_conv1d_backward_geometry(sizes);
  const int64_t partials = sizes.batch * geometry.row_blocks;
  const int64_t stride = (sizes.width + 1) * sizes.channels;
  for (int64_t index = block_begin; index < block_end; ++index) {
    const int64_t first = index * geometry.channels_per_block;
    const int64_t end = first + geometry.channels_per_block < sizes.channels ? first + geometry.channels_per_block : sizes.channels;
    for (int64_t k = 0; k <= sizes.width; ++k) {
      if (k < sizes.width ? f.d_weight.data == nullptr : f.d_bias == nullptr) continue;
      for (int64_t d = first; d < end; d += kLanes) {
        const int count = end - d < kLanes ? static_cast<int>(end - d) : kLanes;
        Vec<T> sum = {};
        for (int64_t i = 0; i < partials; ++i) sum = sum + load_first(f.workspace + i * stride + k * sizes.channels + d, count);
        if (k == sizes.width) {
          store_first<T>(f.d_bias + d, sum, count);
        } else {
          alignas(DJLMAMBA_VECTOR_BYTES) T lanes[kLanes];
          store<T>(lanes, sum);
          for (int i = 0; i < count; ++i) f.d_weight.data[(d + i) * f.d_weight.row_stride + k] = lanes[i];
        }
      }
    }
  }
}

#define DJLMAMBA_INSTANTIATE(T, X)                                                               \
  template void causal_conv1d_backward<T, X>(const CausalConv1dBackward<T, X>&, int64_t, int64_t); \
  template void causal_conv1d_backward_reduce<T, X>(const CausalConv1dBackward<T, X>&, int64_t, int64_t);
DJLMAMBA_INSTANTIATE(float, float)
DJLMAMBA_INSTANTIATE(double, double)
DJLMAMBA_INSTANTIATE(float, BFloat16)
#undef DJLMAMBA_INSTANTIATE

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
