/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "causal_conv1d_geometry.h"
#include "scratch.h"
#include "simd_math.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

namespace {

/** One block: rows [begin, end) of one batch, channels [first, first + count). */
struct Block {
  int64_t batch;
  int64_t row_block;
  int64_t begin;
  int64_t end;
  int64_t first;
  int64_t count;
};

Block block_at(const CausalConv1dGeometry& geometry, const CausalConv1dSizes& sizes, int64_t index) {
  Block b;
  const int64_t chunk = index % geometry.channel_blocks;
  const int64_t stretch = index / geometry.channel_blocks;
  b.batch = stretch / geometry.row_blocks;
  b.row_block = stretch % geometry.row_blocks;
  b.begin = b.row_block * geometry.rows_per_block;
  b.begin = b.begin < sizes.length ? b.begin : sizes.length;
  b.end = b.begin + geometry.rows_per_block;
  b.end = b.end < sizes.length ? b.end : sizes.length;
  b.first = chunk * geometry.channels_per_block;
  const int64_t left = sizes.channels - b.first;
  b.count = left < geometry.channels_per_block ? left : geometry.channels_per_block;
  return b;
}

/** Scratch of one thread; rows are padded to whole vectors, with zeros where they are read beyond the channels. */
template <typename T>
struct Scratch {
  int64_t row;          // elements of a padded row
  T* zeros;
  T* bias;
  T* weight;            // [width][row]
  T* d_sums;            // [width + 1][row]: of d_weight and d_bias
  T* d_pre;             // [width][row]: a ring of gradients before the activation
  const T** rows;       // [width]
  const T** d_pre_rows; // [width]
  const T** weight_rows;

  Scratch(const CausalConv1dGeometry& geometry, int64_t width) {
    constexpr int kLanes = Simd<T>::kLanes;
    row = (geometry.channels_per_block + kLanes - 1) / kLanes * kLanes;
    const int64_t elements = row * (2 + width + (width + 1) + width);
    T* memory = static_cast<T*>(
        thread_scratch(static_cast<size_t>(elements) * sizeof(T) + static_cast<size_t>(3 * width) * sizeof(const T*) + 64));
    zeros = memory;
    bias = zeros + row;
    weight = bias + row;
    d_sums = weight + width * row;
    d_pre = d_sums + (width + 1) * row;
    const size_t end = (reinterpret_cast<size_t>(d_pre + width * row) + 63) / 64 * 64;
    rows = reinterpret_cast<const T**>(end);
    d_pre_rows = rows + width;
    weight_rows = d_pre_rows + width;
    memset(memory, 0, static_cast<size_t>(elements) * sizeof(T));
  }

  void load_parameters(const CausalConv1dInputs<T>& in, const Block& block) {
    if (in.bias != nullptr) memcpy(bias, in.bias + block.first, static_cast<size_t>(block.count) * sizeof(T));
    for (int64_t d = 0; d < block.count; ++d) {
      const T* from = in.weight.data + (block.first + d) * in.weight.row_stride;
      for (int64_t k = 0; k < in.sizes.width; ++k) weight[k * row + d] = from[k];
    }
  }

  /** Row t of initial_state followed by x, for t >= 1 - width. */
  const T* input_row(const CausalConv1dInputs<T>& in, const Block& block, int64_t t) const {
    if (t >= 0) return in.x.data + block.batch * in.x.batch_stride + t * in.x.length_stride + block.first;
    if (in.initial_state.data == nullptr) return zeros;
    return in.initial_state.data + block.batch * in.initial_state.batch_stride +
           (t + in.sizes.width - 1) * in.initial_state.row_stride + block.first;
  }

  void load_rows(const CausalConv1dInputs<T>& in, const Block& block, int64_t t) {
    for (int64_t k = 0; k < in.sizes.width; ++k) rows[k] = input_row(in, block, t - in.sizes.width + 1 + k);
  }
};

/** kWidth is the width, or 0 for one that is only known at run time. */
template <typename T, int kWidth>
DJLMAMBA_INLINE Vec<T> convolve(const Scratch<T>& s, int64_t width, int64_t d, int count) {
  Vec<T> y = load(s.bias + d);
  if constexpr (kWidth > 0) {
#pragma GCC unroll 4
    for (int k = 0; k < kWidth; ++k) y = fmadd(load(s.weight + k * s.row + d), load_first(s.rows[k] + d, count), y);
  } else {
    for (int64_t k = 0; k < width; ++k) y = fmadd(load(s.weight + k * s.row + d), load_first(s.rows[k] + d, count), y);
  }
  return y;
}

template <typename T, int kWidth, bool kSilu>
DJLMAMBA_INLINE void forward_vector(const Scratch<T>& s, int64_t width, int64_t d, int count, T* out) {
  Vec<T> y = convolve<T, kWidth>(s, width, d, count);
  if constexpr (kSilu) y = y * sigmoid<T>(y);
  store_first<T>(out + d, y, count);
}

template <typename T, int kWidth, bool kSilu>
void forward_row(const Scratch<T>& shared, int64_t width, int64_t channels, T* out) {
  constexpr int kLanes = Simd<T>::kLanes;
  const Scratch<T> s = shared;
  int64_t d = 0;
  for (; d + kLanes <= channels; d += kLanes) forward_vector<T, kWidth, kSilu>(s, width, d, kLanes, out);
  if (d < channels) forward_vector<T, kWidth, kSilu>(s, width, d, static_cast<int>(channels - d), out);
}

/** The gradient before the activation of one row; with `sums`, also adds what it contributes to the gradients of the weights and the bias. */
template <typename T, bool kSilu>
void backward_row(const Scratch<T>& shared, int64_t width, int64_t channels, const T* d_out, T* d_pre, T* sums) {
  constexpr int kLanes = Simd<T>::kLanes;
  const Scratch<T> s = shared;
  for (int64_t d = 0; d < channels; d += kLanes) {
    const int count = channels - d < kLanes ? static_cast<int>(channels - d) : kLanes;
    Vec<T> g = load_first(d_out + d, count);
    if constexpr (kSilu) {
      const Vec<T> y = convolve<T, 0>(s, width, d, count);
      const Vec<T> gate = sigmoid<T>(y);
      g = g * gate * fmadd(y, T(1) - gate, set1(T(1)));
    }
    store<T>(d_pre + d, g);
    if (sums == nullptr) continue;
    for (int64_t k = 0; k < width; ++k) {
      T* sum = sums + k * s.row + d;
      store<T>(sum, fmadd(g, load_first(s.rows[k] + d, count), load(sum)));
    }
    T* bias_sum = sums + width * s.row + d;
    store<T>(bias_sum, load(bias_sum) + g);
  }
}

/** Element d of row t of the gradient of initial_state followed by x; null if it is not wanted. */
template <typename T>
DJLMAMBA_INLINE T* input_gradient_at(const CausalConv1dBackward<T>& f, const Block& block, int64_t t, int64_t d) {
  if (t >= 0) {
    return f.d_x.data == nullptr ? nullptr : f.d_x.data + block.batch * f.d_x.batch_stride + t * f.d_x.length_stride + block.first + d;
  }
  return f.d_initial_state.data == nullptr ? nullptr
                                           : f.d_initial_state.data + block.batch * f.d_initial_state.batch_stride +
                                                 (t + f.in.sizes.width - 1) * f.d_initial_state.row_stride + block.first + d;
}

/** What the gradient of final_state adds to that of element d of row t of initial_state followed by x; null if nothing. */
template <typename T>
DJLMAMBA_INLINE const T* final_gradient_at(const CausalConv1dBackward<T>& f, const Block& block, int64_t t, int64_t d) {
  const int64_t row = t - (f.in.sizes.length - f.in.sizes.width + 1);
  if (f.d_final_state.data == nullptr || row < 0) return nullptr;
  return f.d_final_state.data + block.batch * f.d_final_state.batch_stride + row * f.d_final_state.row_stride + block.first + d;
}

/**
 * The whole backward pass of one vector of channels of a block, for small widths: the inputs and the gradients in reach and all sums are in
 * registers. Rows are far apart, so those of the next vector are prefetched.
 */
template <typename T, int kWidth, bool kSilu, bool kWhole>
void backward_column(const CausalConv1dBackward<T>& f, const Block& block, const Scratch<T>& s, int64_t d, int count) {
  constexpr int kLanes = Simd<T>::kLanes;
  const CausalConv1dInputs<T>& in = f.in;
  const int64_t length = in.sizes.length;
  const int64_t first_input = block.row_block == 0 ? 1 - kWidth : block.begin;
  Vec<T> weight[kWidth], sums[kWidth + 1] = {}, x[kWidth] = {}, d_pre[kWidth] = {};
#pragma GCC unroll 4
  for (int k = 0; k < kWidth; ++k) weight[k] = load(s.weight + k * s.row + d);
#pragma GCC unroll 4
  for (int k = 1; k < kWidth; ++k) x[k] = load_lanes<T, kWhole>(s.input_row(in, block, block.begin - kWidth + k) + d, count);
  const Vec<T> bias = load(s.bias + d);
  const T* x_row = in.x.data + block.batch * in.x.batch_stride + block.begin * in.x.length_stride + block.first + d;
  const T* d_out_row = f.d_out.data + block.batch * f.d_out.batch_stride + block.begin * f.d_out.length_stride + block.first + d;
  for (int64_t t = block.begin; t < block.end + kWidth - 1; ++t) {
    Vec<T> g = {};
    if (t < length) {
      __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(x_row) + sizeof(T) * kLanes), 0, 3);
      __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(d_out_row) + sizeof(T) * kLanes), 0, 3);
#pragma GCC unroll 4
      for (int k = 1; k < kWidth; ++k) x[k - 1] = x[k];
      x[kWidth - 1] = load_lanes<T, kWhole>(x_row, count);
      g = load_lanes<T, kWhole>(d_out_row, count);
      if constexpr (kSilu) {
        Vec<T> y = bias;
#pragma GCC unroll 4
        for (int k = 0; k < kWidth; ++k) y = fmadd(weight[k], x[k], y);
        const Vec<T> gate = sigmoid<T>(y);
        g = g * gate * fmadd(y, T(1) - gate, set1(T(1)));
      }
      /* Rows after the block are only for the gradients of its inputs. */
      if (t < block.end) {
#pragma GCC unroll 4
        for (int k = 0; k < kWidth; ++k) sums[k] = fmadd(g, x[k], sums[k]);
        sums[kWidth] = sums[kWidth] + g;
      }
      x_row += in.x.length_stride;
      d_out_row += f.d_out.length_stride;
    }
#pragma GCC unroll 4
    for (int k = kWidth - 1; k > 0; --k) d_pre[k] = d_pre[k - 1];
    d_pre[0] = g;
    const int64_t input = t - kWidth + 1;
    if (input < first_input) continue;
    T* to = input_gradient_at(f, block, input, d);
    if (to == nullptr) continue;
    __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(to) + sizeof(T) * kLanes), 0, 3);
    const T* base = final_gradient_at(f, block, input, d);
    Vec<T> sum = base == nullptr ? Vec<T>{} : load_lanes<T, kWhole>(base, count);
#pragma GCC unroll 4
    for (int k = 0; k < kWidth; ++k) sum = fmadd(weight[k], d_pre[k], sum);
    store_lanes<T, kWhole>(to, sum, count);
  }
#pragma GCC unroll 5
  for (int k = 0; k <= kWidth; ++k) store<T>(s.d_sums + k * s.row + d, sums[k]);
}

template <typename T, int kWidth, bool kSilu>
void backward_columns(const CausalConv1dBackward<T>& f, const Block& block, const Scratch<T>& s) {
  constexpr int kLanes = Simd<T>::kLanes;
  int64_t d = 0;
  for (; d + kLanes <= block.count; d += kLanes) backward_column<T, kWidth, kSilu, true>(f, block, s, d, kLanes);
  if (d < block.count) backward_column<T, kWidth, kSilu, false>(f, block, s, d, static_cast<int>(block.count - d));
}

template <typename T>
using ForwardRow = void (*)(const Scratch<T>&, int64_t, int64_t, T*);
template <typename T>
using BackwardColumns = void (*)(const CausalConv1dBackward<T>&, const Block&, const Scratch<T>&);

template <typename T, bool kSilu>
ForwardRow<T> forward_row_for(int64_t width) {
  return width == 4 ? forward_row<T, 4, kSilu> : width == 3 ? forward_row<T, 3, kSilu> : width == 2 ? forward_row<T, 2, kSilu>
                                                                                                    : forward_row<T, 0, kSilu>;
}

/** Null for widths that backward_column() is not made for. */
template <typename T, bool kSilu>
BackwardColumns<T> backward_columns_for(int64_t width) {
  return width == 4   ? backward_columns<T, 4, kSilu>
         : width == 3 ? backward_columns<T, 3, kSilu>
         : width == 2 ? backward_columns<T, 2, kSilu>
         : width == 1 ? backward_columns<T, 1, kSilu>
                      : nullptr;
}

/** Gradient of row t of initial_state followed by x, from the ring of gradients before the activation. */
template <typename T>
void write_input_gradient(const CausalConv1dBackward<T>& f, const Block& block, Scratch<T>& s, int64_t t) {
  constexpr int kLanes = Simd<T>::kLanes;
  const CausalConv1dSizes& sizes = f.in.sizes;
  T* to = input_gradient_at(f, block, t, 0);
  if (to == nullptr) return;
  const T* base = final_gradient_at(f, block, t, 0);
  int64_t terms = 0;
  for (int64_t k = 0; k < sizes.width; ++k) {
    const int64_t at = t + sizes.width - 1 - k;
    if (at < 0 || at >= sizes.length) continue;
    s.weight_rows[terms] = s.weight + k * s.row;
    s.d_pre_rows[terms] = s.d_pre + (at % sizes.width) * s.row;
    ++terms;
  }
  for (int64_t d = 0; d < block.count; d += kLanes) {
    const int count = block.count - d < kLanes ? static_cast<int>(block.count - d) : kLanes;
    Vec<T> sum = base == nullptr ? Vec<T>{} : load_first(base + d, count);
    for (int64_t k = 0; k < terms; ++k) sum = fmadd(load(s.weight_rows[k] + d), load(s.d_pre_rows[k] + d), sum);
    store_first<T>(to + d, sum, count);
  }
}

/** One block for any width, row by row. */
template <typename T, bool kSilu>
void backward_rows(const CausalConv1dBackward<T>& f, const Block& block, Scratch<T>& s) {
  const CausalConv1dInputs<T>& in = f.in;
  const int64_t width = in.sizes.width;
  memset(s.d_sums, 0, static_cast<size_t>((width + 1) * s.row) * sizeof(T));
  /* An input reaches width - 1 rows ahead: those rows of the next block are computed again, without their share of the sums. */
  const int64_t first_input = block.row_block == 0 ? 1 - width : block.begin;
  for (int64_t t = block.begin; t < block.end + width - 1; ++t) {
    if (t < in.sizes.length) {
      s.load_rows(in, block, t);
      backward_row<T, kSilu>(s, width, block.count,
                             f.d_out.data + block.batch * f.d_out.batch_stride + t * f.d_out.length_stride + block.first,
                             s.d_pre + (t % width) * s.row, t < block.end ? s.d_sums : nullptr);
    }
    if (t - width + 1 >= first_input) write_input_gradient(f, block, s, t - width + 1);
  }
}

}  // namespace

template <typename T>
void causal_conv1d_forward(const CausalConv1dForward<T>& f, int64_t block_begin, int64_t block_end) {
  if (block_begin >= block_end) return;
  const CausalConv1dInputs<T>& in = f.in;
  const int64_t width = in.sizes.width;
  const CausalConv1dGeometry geometry = causal_conv1d_geometry(in.sizes);
  Scratch<T> s(geometry, width);
  const ForwardRow<T> row = in.silu ? forward_row_for<T, true>(width) : forward_row_for<T, false>(width);
  int64_t loaded = -1;
  for (int64_t index = block_begin; index < block_end; ++index) {
    const Block block = block_at(geometry, in.sizes, index);
    if (block.first != loaded) s.load_parameters(in, block);
    loaded = block.first;
    for (int64_t t = block.begin; t < block.end; ++t) {
      s.load_rows(in, block, t);
      row(s, width, block.count, f.out.data + block.batch * f.out.batch_stride + t * f.out.length_stride + block.first);
    }
    if (f.final_state.data != nullptr && block.row_block == geometry.row_blocks - 1) {
      for (int64_t j = 0; j < width - 1; ++j) {
        memcpy(f.final_state.data + block.batch * f.final_state.batch_stride + j * f.final_state.row_stride + block.first,
               s.input_row(in, block, in.sizes.length - width + 1 + j), static_cast<size_t>(block.count) * sizeof(T));
      }
    }
  }
}

template <typename T>
void causal_conv1d_backward(const CausalConv1dBackward<T>& f, int64_t block_begin, int64_t block_end) {
  if (block_begin >= block_end) return;
  const CausalConv1dInputs<T>& in = f.in;
  const int64_t width = in.sizes.width;
  const CausalConv1dGeometry geometry = causal_conv1d_geometry(in.sizes);
  Scratch<T> s(geometry, width);
  const BackwardColumns<T> columns = in.silu ? backward_columns_for<T, true>(width) : backward_columns_for<T, false>(width);
  int64_t loaded = -1;
  for (int64_t index = block_begin; index < block_end; ++index) {
    const Block block = block_at(geometry, in.sizes, index);
    if (block.first != loaded) s.load_parameters(in, block);
    loaded = block.first;
    if (columns != nullptr) {
      columns(f, block, s);
    } else if (in.silu) {
      backward_rows<T, true>(f, block, s);
    } else {
      backward_rows<T, false>(f, block, s);
    }
    T* partial = f.workspace + (block.batch * geometry.row_blocks + block.row_block) * (width + 1) * in.sizes.channels + block.first;
    for (int64_t k = 0; k <= width; ++k) {
      memcpy(partial + k * in.sizes.channels, s.d_sums + k * s.row, static_cast<size_t>(block.count) * sizeof(T));
    }
  }
}

template <typename T>
void causal_conv1d_backward_reduce(const CausalConv1dBackward<T>& f, int64_t block_begin, int64_t block_end) {
  constexpr int kLanes = Simd<T>::kLanes;
  const CausalConv1dSizes& sizes = f.in.sizes;
  const CausalConv1dGeometry geometry = causal_conv1d_geometry(sizes);
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

template void causal_conv1d_forward<float>(const CausalConv1dForward<float>&, int64_t, int64_t);
template void causal_conv1d_forward<double>(const CausalConv1dForward<double>&, int64_t, int64_t);
template void causal_conv1d_backward<float>(const CausalConv1dBackward<float>&, int64_t, int64_t);
template void causal_conv1d_backward<double>(const CausalConv1dBackward<double>&, int64_t, int64_t);
template void causal_conv1d_backward_reduce<float>(const CausalConv1dBackward<float>&, int64_t, int64_t);
template void causal_conv1d_backward_reduce<double>(const CausalConv1dBackward<double>&, int64_t, int64_t);

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
