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

/** Rows that are worked on together: they share the loads of the weights and of most inputs, and their activations fill the pipeline. */
constexpr int kRowsTogether = 4;

template <typename T>
struct ForwardScratch {
  Taps<T> taps;
  T* inputs;  // [width - 1 + kRowsTogether][row]: inputs in reach of the first rows of a sequence

  void take(Arena& arena, int64_t width, int64_t channels) {
    taps.take(arena, width, channels);
    inputs = arena.take<T>((width - 1 + kRowsTogether) * taps.row);
  }
};

/** Some rows of the output. kWidth is the width, or 0 for one that is only known at run time. */
template <typename T, typename From, typename X, int kWidth, int kRows, bool kSilu, bool kWhole>
DJLMAMBA_INLINE void forward_vectors(const Taps<T>& taps, const From* from, int64_t from_stride, int64_t width, int64_t d, int count, X* out,
                                     int64_t out_stride) {
  Vec<T> y[kRows];
  const Vec<T> bias = load(taps.bias + d);
#pragma GCC unroll 4
  for (int i = 0; i < kRows; ++i) y[i] = bias;
  if constexpr (kWidth > 0) {
    Vec<T> x[kWidth - 1 + kRows];
#pragma GCC unroll 8
    for (int i = 0; i < kWidth - 1 + kRows; ++i) x[i] = load_lanes<From, kWhole>(from + i * from_stride + d, count);
#pragma GCC unroll 4
    for (int k = 0; k < kWidth; ++k) {
      const Vec<T> weight = load(taps.weight + k * taps.row + d);
#pragma GCC unroll 4
      for (int i = 0; i < kRows; ++i) y[i] = fmadd(weight, x[k + i], y[i]);
    }
  } else {
    for (int64_t k = 0; k < width; ++k) {
      const Vec<T> weight = load(taps.weight + k * taps.row + d);
#pragma GCC unroll 4
      for (int i = 0; i < kRows; ++i) y[i] = fmadd(weight, load_lanes<From, kWhole>(from + (k + i) * from_stride + d, count), y[i]);
    }
  }
  if constexpr (kSilu) {
    Vec<T> gate[kRows];
    sigmoid<T, kRows>(y, gate);
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i) y[i] = y[i] * gate[i];
  }
#pragma GCC unroll 4
  for (int i = 0; i < kRows; ++i) store_lanes<X, kWhole>(out + i * out_stride + d, y[i], count);
}

/** Rows of the output, of which `from` is the earliest input in reach. */
template <typename T, typename From, typename X, int kWidth, int kRows, bool kSilu>
__attribute__((noinline)) void forward_rows(const Taps<T>& shared, const From* from, int64_t from_stride, int64_t width, int64_t channels, X* out,
                                            int64_t out_stride) {
  constexpr int kLanes = Simd<T>::kLanes;
  const Taps<T> taps = shared;
  const int64_t whole = channels / kLanes * kLanes;
  for (int64_t d = 0; d < whole; d += kLanes) {
    forward_vectors<T, From, X, kWidth, kRows, kSilu, true>(taps, from, from_stride, width, d, kLanes, out, out_stride);
  }
  if (whole < channels) {
    forward_vectors<T, From, X, kWidth, kRows, kSilu, false>(taps, from, from_stride, width, whole, static_cast<int>(channels - whole), out,
                                                             out_stride);
  }
}

template <typename T, typename From, typename X>
using ForwardRows = void (*)(const Taps<T>&, const From*, int64_t, int64_t, int64_t, X*, int64_t);

template <typename T, typename From, typename X, int kRows, bool kSilu>
ForwardRows<T, From, X> forward_rows_of_width(int64_t width) {
  return width == 4   ? forward_rows<T, From, X, 4, kRows, kSilu>
         : width == 3 ? forward_rows<T, From, X, 3, kRows, kSilu>
         : width == 2 ? forward_rows<T, From, X, 2, kRows, kSilu>
                      : forward_rows<T, From, X, 0, kRows, kSilu>;
}

/** The functions for some rows at once and for a single one. */
template <typename T, typename From, typename X>
struct RowFunctions {
  ForwardRows<T, From, X> several;
  ForwardRows<T, From, X> one;

  RowFunctions(int64_t width, bool silu)
      : several(silu ? forward_rows_of_width<T, From, X, kRowsTogether, true>(width)
                     : forward_rows_of_width<T, From, X, kRowsTogether, false>(width)),
        one(silu ? forward_rows_of_width<T, From, X, 1, true>(width) : forward_rows_of_width<T, From, X, 1, false>(width)) {}

  /** The rows of the output from `out` on. */
  void run(const Taps<T>& taps, const From* from, int64_t from_stride, int64_t width, int64_t channels, int64_t rows, X* out,
           int64_t out_stride) const {
    int64_t t = 0;
    for (; t + kRowsTogether <= rows; t += kRowsTogether) {
      several(taps, from + t * from_stride, from_stride, width, channels, out + t * out_stride, out_stride);
    }
    for (; t < rows; ++t) one(taps, from + t * from_stride, from_stride, width, channels, out + t * out_stride, out_stride);
  }
};

}  // namespace

template <typename T, typename X>
void causal_conv1d_forward(const CausalConv1dForward<T, X>& f, int64_t block_begin, int64_t block_end) {
  if (block_begin >= block_end) return;
  const CausalConv1dInputs<T, X>& in = f.in;
  const int64_t width = in.sizes.width;
  const CausalConv1dGeometry geometry = causal_conv1d_forward_geometry(in.sizes);
  ForwardScratch<T> s;
  take_scratch([&](Arena& arena) { s.take(arena, width, geometry.channels_per_block); });
  const int64_t row = s.taps.row;
  const RowFunctions<T, X, X> rows(width, in.silu);
  const RowFunctions<T, T, X> first_rows(width, in.silu);
  int64_t loaded = -1;
  for (int64_t index = block_begin; index < block_end; ++index) {
    const Block block = block_at(geometry, in.sizes, index);
    if (block.first != loaded) s.taps.load(in.weight, in.bias, width, block.first, block.count);
    loaded = block.first;
    const Pieces pieces(in.packed, in.sizes.length, block.batch, block.begin, block.end);
    for (int64_t p = pieces.first(); p < pieces.last(); ++p) {
      const Piece piece = pieces[p];
      const auto out = [&](int64_t at) { return f.out.data + block.batch * f.out.batch_stride + at * f.out.length_stride + block.first; };
      int64_t t = piece.begin;
      /* Outputs that reach before the sequence's first step: what they reach is laid out in scratch. */
      const int64_t reach = piece.sequence_begin + width - 1;
      while (t < piece.end && t < reach) {
        int64_t count = (piece.end < reach ? piece.end : reach) - t;
        count = count < kRowsTogether ? count : kRowsTogether;
        for (int64_t i = 0; i < width - 1 + count; ++i) copy_input_row(in, block, piece, t - width + 1 + i, s.inputs + i * row);
        first_rows.run(s.taps, s.inputs, row, width, block.count, count, out(t), f.out.length_stride);
        t += count;
      }
      if (t < piece.end) {
        rows.run(s.taps, x_row(in, block, t - width + 1), in.x.length_stride, width, block.count, piece.end - t, out(t), f.out.length_stride);
      }
      if (f.final_state.data != nullptr && piece.ends()) {
        for (int64_t j = 0; j < width - 1; ++j) {
          copy_input_row(in, block, piece, piece.sequence_end - width + 1 + j,
                         f.final_state.data + piece.state * f.final_state.batch_stride + j * f.final_state.row_stride + block.first);
        }
      }
    }
  }
}

template void causal_conv1d_forward<float, float>(const CausalConv1dForward<float, float>&, int64_t, int64_t);
template void causal_conv1d_forward<double, double>(const CausalConv1dForward<double, double>&, int64_t, int64_t);
template void causal_conv1d_forward<float, BFloat16>(const CausalConv1dForward<float, BFloat16>&, int64_t, int64_t);

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
