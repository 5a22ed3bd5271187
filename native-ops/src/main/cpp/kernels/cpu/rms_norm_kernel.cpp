/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "rms_norm_geometry.h"
#include "scratch.h"
#include "simd_math.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

namespace {

DJLMAMBA_INLINE float square_root(float x) { return __builtin_sqrtf(x); }
DJLMAMBA_INLINE double square_root(double x) { return __builtin_sqrt(x); }

/** Element `first` of row `row` of a view; null if the view is. */
template <typename E>
DJLMAMBA_INLINE E* at(const SequenceView<E>& view, const RmsNormSizes& sizes, int64_t row, int64_t first) {
  if (view.data == nullptr) return nullptr;
  return view.data + row / sizes.length * view.batch_stride + row % sizes.length * view.length_stride + first;
}

/** Scratch of one thread: values of one group, and the weights of all channels. */
template <typename T>
struct Scratch {
  T* u;        // what is normalised
  T* d_norm;   // the gradient of the normalised
  T* sigmoid;  // of the gate
  const T* weight;

  template <typename X>
  explicit Scratch(const RmsNormInputs<T, X>& in) {
    constexpr int kLanes = Simd<T>::kLanes;
    const int64_t channels = in.sizes.channels;
    const int64_t group = (channels / in.sizes.groups + kLanes - 1) / kLanes * kLanes;
    const int64_t ones = in.weight == nullptr ? channels : 0;
    u = static_cast<T*>(thread_scratch(static_cast<size_t>(3 * group + ones) * sizeof(T)));
    d_norm = u + group;
    sigmoid = d_norm + group;
    T* filled = sigmoid + group;
    for (int64_t d = 0; d < ones; ++d) filled[d] = T(1);
    weight = in.weight == nullptr ? filled : in.weight;
  }
};

/** Where one group of one row begins in each array. */
template <typename T, typename X>
struct Group {
  const X* x;
  const T* residual;
  const X* gate;
  const T* weight;

  Group(const RmsNormInputs<T, X>& in, const Scratch<T>& scratch, int64_t row, int64_t first)
      : x(at(in.x, in.sizes, row, first)),
        residual(at(in.residual, in.sizes, row, first)),
        gate(at(in.gate, in.sizes, row, first)),
        weight(scratch.weight + first) {}

  /** h: x, the residual, or their sum. */
  DJLMAMBA_ALWAYS_INLINE Vec<T> hidden(int64_t d, int count) const {
    if (residual == nullptr) return load_first(x + d, count);
    const Vec<T> h = load_first(residual + d, count);
    return x == nullptr ? h : h + load_first(x + d, count);
  }
};

/** Calls step(d, count) for every vector of [0, size), where count is a constant but for the last. */
template <typename T, typename Step>
DJLMAMBA_INLINE void for_each_vector(int64_t size, const Step& step) {
  constexpr int kLanes = Simd<T>::kLanes;
  int64_t d = 0;
  for (; d + kLanes <= size; d += kLanes) step(d, kLanes);
  if (d < size) step(d, static_cast<int>(size - d));
}

/** As for_each_vector(), with the number of one of four accumulators as step's third argument. */
template <typename T, typename Step>
DJLMAMBA_INLINE void for_each_vector_in_fours(int64_t size, const Step& step) {
  constexpr int kLanes = Simd<T>::kLanes;
  int64_t d = 0;
  for (; d + 4 * kLanes <= size; d += 4 * kLanes) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) step(d + i * kLanes, kLanes, i);
  }
  for (; d + kLanes <= size; d += kLanes) step(d, kLanes, 0);
  if (d < size) step(d, static_cast<int>(size - d), 1);
}

template <typename T>
DJLMAMBA_INLINE T total(const Vec<T>* four) {
  return sum_of_lanes<T>((four[0] + four[1]) + (four[2] + four[3]));
}

template <typename T, typename X, typename O, RmsNormGate kGate>
void forward_rows(const RmsNormForward<T, X, O>& f, const Scratch<T>& scratch, int64_t row_begin, int64_t row_end) {
  const RmsNormInputs<T, X>& in = f.in;
  const RmsNormSizes& sizes = in.sizes;
  const int64_t size = sizes.channels / sizes.groups;
  T* u = scratch.u;
  for (int64_t row = row_begin; row < row_end; ++row) {
    for (int64_t first = 0; first < sizes.channels; first += size) {
      const Group<T, X> group(in, scratch, row, first);
      O* out = at(f.out, sizes, row, first);
      T* sum = at(f.sum, sizes, row, first);
      Vec<T> squares[4] = {};
      for_each_vector_in_fours<T>(size, [&](int64_t d, int count, int i) __attribute__((always_inline)) {
        Vec<T> h = group.hidden(d, count);
        if (sum != nullptr) store_first<T>(sum + d, h, count);
        if constexpr (kGate == RmsNormGate::kFirst) {
          const Vec<T> z = load_first(group.gate + d, count);
          h = h * (z * DJLMAMBA_ISA_NAMESPACE::sigmoid<T>(z));
        }
        store<T>(u + d, h);
        squares[i] = fmadd(h, h, squares[i]);
      });
      const Vec<T> scale = set1(T(1) / square_root(total<T>(squares) / static_cast<T>(size) + in.epsilon));
      for_each_vector<T>(size, [&](int64_t d, int count) __attribute__((always_inline)) {
        Vec<T> y = load(u + d) * scale * load_first(group.weight + d, count);
        if constexpr (kGate == RmsNormGate::kLast) {
          const Vec<T> z = load_first(group.gate + d, count);
          y = y * (z * DJLMAMBA_ISA_NAMESPACE::sigmoid<T>(z));
        }
        store_first<O>(out + d, y, count);
      });
    }
  }
}

/**
 * With g = d_out weight (times silu(gate) where that comes last), r = 1 / sqrt(mean(u^2) + epsilon) and n = u r:
 *
 *   d_weight = d_out n (times that silu),   d_u = r (g - n mean(g n))
 */
template <typename T, typename X, typename O, RmsNormGate kGate>
void backward_rows(const RmsNormBackward<T, X, O>& f, const Scratch<T>& scratch, int64_t row_begin, int64_t row_end, T* weight_sums) {
  const RmsNormInputs<T, X>& in = f.in;
  const RmsNormSizes& sizes = in.sizes;
  const int64_t size = sizes.channels / sizes.groups;
  for (int64_t row = row_begin; row < row_end; ++row) {
    for (int64_t first = 0; first < sizes.channels; first += size) {
      const Group<T, X> group(in, scratch, row, first);
      const O* d_out = at(f.d_out, sizes, row, first);
      const T* d_sum = at(f.d_sum, sizes, row, first);
      X* d_x = at(f.d_x, sizes, row, first);
      T* d_residual = at(f.d_residual, sizes, row, first);
      X* d_gate = at(f.d_gate, sizes, row, first);
      T* sums = weight_sums == nullptr ? nullptr : weight_sums + first;
      Vec<T> squares[4] = {}, dots[4] = {};
      for_each_vector_in_fours<T>(size, [&](int64_t d, int count, int i) __attribute__((always_inline)) {
        Vec<T> u = group.hidden(d, count);
        Vec<T> g = d_out == nullptr ? Vec<T>{} : load_first(d_out + d, count) * load_first(group.weight + d, count);
        if constexpr (kGate != RmsNormGate::kNone) {
          const Vec<T> z = load_first(group.gate + d, count);
          const Vec<T> s = DJLMAMBA_ISA_NAMESPACE::sigmoid<T>(z);
          store<T>(scratch.sigmoid + d, s);
          if constexpr (kGate == RmsNormGate::kFirst) {
            u = u * (z * s);
          } else {
            g = g * (z * s);
          }
        }
        store<T>(scratch.u + d, u);
        store<T>(scratch.d_norm + d, g);
        squares[i] = fmadd(u, u, squares[i]);
        dots[i] = fmadd(g, u, dots[i]);
      });
      const T r = T(1) / square_root(total<T>(squares) / static_cast<T>(size) + in.epsilon);
      const Vec<T> scale = set1(r);
      const Vec<T> projection = set1(-r * r * (total<T>(dots) / static_cast<T>(size)));
      for_each_vector<T>(size, [&](int64_t d, int count) __attribute__((always_inline)) {
        const Vec<T> u = load(scratch.u + d);
        const Vec<T> g = load(scratch.d_norm + d);
        Vec<T> d_hidden = scale * fmadd(u, projection, g);
        if (sums != nullptr && d_out != nullptr) {
          Vec<T> n = u * scale * load_first(d_out + d, count);
          if constexpr (kGate == RmsNormGate::kLast) n = n * (load_first(group.gate + d, count) * load(scratch.sigmoid + d));
          store_first<T>(sums + d, load_first(sums + d, count) + n, count);
        }
        if constexpr (kGate != RmsNormGate::kNone) {
          const Vec<T> z = load_first(group.gate + d, count);
          const Vec<T> s = load(scratch.sigmoid + d);
          if (d_gate != nullptr) {
            /* Of silu: s (1 + z (1 - s)). */
            const Vec<T> slope = s * fmadd(z, T(1) - s, set1(T(1)));
            if constexpr (kGate == RmsNormGate::kFirst) {
              store_first<X>(d_gate + d, d_hidden * group.hidden(d, count) * slope, count);
            } else {
              const Vec<T> y = d_out == nullptr ? Vec<T>{} : load_first(d_out + d, count) * load_first(group.weight + d, count);
              store_first<X>(d_gate + d, y * (u * scale) * slope, count);
            }
          }
          if constexpr (kGate == RmsNormGate::kFirst) d_hidden = d_hidden * (z * s);
        }
        if (d_sum != nullptr) d_hidden = d_hidden + load_first(d_sum + d, count);
        if (d_x != nullptr) store_first<X>(d_x + d, d_hidden, count);
        if (d_residual != nullptr) store_first<T>(d_residual + d, d_hidden, count);
      });
    }
  }
}

}  // namespace

template <typename T, typename X, typename O>
void rms_norm_forward(const RmsNormForward<T, X, O>& f, int64_t block_begin, int64_t block_end) {
  const RmsNormGeometry geometry = rms_norm_geometry(f.in.sizes);
  const int64_t begin = block_begin * geometry.forward_rows_per_block;
  int64_t end = block_end * geometry.forward_rows_per_block;
  end = end < geometry.rows ? end : geometry.rows;
  if (begin >= end) return;
  const Scratch<T> scratch(f.in);
  switch (f.in.order) {
    case RmsNormGate::kNone:
      return forward_rows<T, X, O, RmsNormGate::kNone>(f, scratch, begin, end);
    case RmsNormGate::kFirst:
      return forward_rows<T, X, O, RmsNormGate::kFirst>(f, scratch, begin, end);
    case RmsNormGate::kLast:
      return forward_rows<T, X, O, RmsNormGate::kLast>(f, scratch, begin, end);
  }
}

template <typename T, typename X, typename O>
void rms_norm_backward(const RmsNormBackward<T, X, O>& f, int64_t block_begin, int64_t block_end) {
  const RmsNormGeometry geometry = rms_norm_geometry(f.in.sizes);
  if (block_begin >= block_end) return;
  const Scratch<T> scratch(f.in);
  const int64_t channels = f.in.sizes.channels;
  for (int64_t block = block_begin; block < block_end; ++block) {
    const int64_t begin = block * geometry.backward_rows_per_block;
    int64_t end = begin + geometry.backward_rows_per_block;
    end = end < geometry.rows ? end : geometry.rows;
    T* sums = f.d_weight == nullptr ? nullptr : f.workspace + block * channels;
    if (sums != nullptr) memset(sums, 0, static_cast<size_t>(channels) * sizeof(T));
    switch (f.in.order) {
      case RmsNormGate::kNone:
        backward_rows<T, X, O, RmsNormGate::kNone>(f, scratch, begin, end, sums);
        break;
      case RmsNormGate::kFirst:
        backward_rows<T, X, O, RmsNormGate::kFirst>(f, scratch, begin, end, sums);
        break;
      case RmsNormGate::kLast:
        backward_rows<T, X, O, RmsNormGate::kLast>(f, scratch, begin, end, sums);
        break;
    }
  }
}

template <typename T, typename X, typename O>
void rms_norm_backward_reduce(const RmsNormBackward<T, X, O>& f, int64_t block_begin, int64_t block_end) {
  if (f.d_weight == nullptr) return;
  constexpr int kLanes = Simd<T>::kLanes;
  const RmsNormGeometry geometry = rms_norm_geometry(f.in.sizes);
  const int64_t channels = f.in.sizes.channels;
  const int64_t first = block_begin * geometry.channels_per_reduce_block;
  int64_t end = block_end * geometry.channels_per_reduce_block;
  end = end < channels ? end : channels;
  for (int64_t d = first; d < end; d += kLanes) {
    const int count = end - d < kLanes ? static_cast<int>(end - d) : kLanes;
    Vec<T> sum = {};
    for (int64_t block = 0; block < geometry.backward_blocks; ++block) sum = sum + load_first(f.workspace + block * channels + d, count);
    store_first<T>(f.d_weight + d, sum, count);
  }
}

#define DJLMAMBA_INSTANTIATE(T, X, O)                                                             \
  template void rms_norm_forward<T, X, O>(const RmsNormForward<T, X, O>&, int64_t, int64_t);      \
  template void rms_norm_backward<T, X, O>(const RmsNormBackward<T, X, O>&, int64_t, int64_t);    \
  template void rms_norm_backward_reduce<T, X, O>(const RmsNormBackward<T, X, O>&, int64_t, int64_t);
DJLMAMBA_FOR_EACH_RMS_NORM(DJLMAMBA_INSTANTIATE)
#undef DJLMAMBA_INSTANTIATE

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
