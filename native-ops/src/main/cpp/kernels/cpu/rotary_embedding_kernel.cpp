/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "rotary_embedding.h"
#include "scratch.h"
#include "simd.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

namespace {

/** The cosines and sines of some positions in scratch memory of the thread, padded to whole vectors. */
template <typename T>
struct Angles {
  int64_t pairs;
  int64_t row;     // elements of a padded row
  double* step;    // [pairs][2]: cosine and sine of one position's turn
  double* frequency;
  T* cosine;       // [kRotaryPositions][row]: one for each pair, or twice where pairs are interleaved
  T* sine;         // the same; where pairs are interleaved, with the sign that it has for each channel
  bool interleaved;
  T sign;

  template <typename X>
  explicit Angles(const RotaryEmbeddingArguments<X>& args) : interleaved(args.interleaved), sign(args.inverse ? T(-1) : T(1)) {
    pairs = args.sizes.rotated / 2;
    constexpr int kLanes = Simd<T>::kLanes;
    row = ((interleaved ? 2 * pairs : pairs) + kLanes - 1) / kLanes * kLanes;
    const int64_t doubles = (3 * pairs + 7) / 8 * 8;
    step = static_cast<double*>(
        thread_scratch(static_cast<size_t>(doubles) * sizeof(double) + static_cast<size_t>(2 * kRotaryPositions * row) * sizeof(T)));
    frequency = step + 2 * pairs;
    cosine = reinterpret_cast<T*>(step + doubles);
    sine = cosine + kRotaryPositions * row;
    for (int64_t i = 0; i < pairs; ++i) {
      frequency[i] = __builtin_pow(args.base, -static_cast<double>(2 * i) / static_cast<double>(args.sizes.rotated));
      step[2 * i] = __builtin_cos(frequency[i]);
      step[2 * i + 1] = __builtin_sin(frequency[i]);
    }
  }

  /** Positions [first, first + kRotaryPositions): the first angle exactly, the others turned on from it. */
  void set(int64_t first) {
    for (int64_t i = 0; i < pairs; ++i) {
      const double angle = static_cast<double>(first) * frequency[i];
      double c = __builtin_cos(angle), s = __builtin_sin(angle);
      for (int64_t p = 0; p < kRotaryPositions; ++p) {
        if (interleaved) {
          cosine[p * row + 2 * i] = cosine[p * row + 2 * i + 1] = static_cast<T>(c);
          sine[p * row + 2 * i] = -sign * static_cast<T>(s);
          sine[p * row + 2 * i + 1] = sign * static_cast<T>(s);
        } else {
          cosine[p * row + i] = static_cast<T>(c);
          sine[p * row + i] = sign * static_cast<T>(s);
        }
        const double turned = c * step[2 * i] - s * step[2 * i + 1];
        s = s * step[2 * i] + c * step[2 * i + 1];
        c = turned;
      }
    }
  }
};

template <typename T, typename X>
DJLMAMBA_INLINE void turn_halves(const X* x, X* out, const T* cosine, const T* sine, int64_t pairs, int64_t i, int count) {
  const Vec<T> a = load_first(x + i, count);
  const Vec<T> b = load_first(x + pairs + i, count);
  const Vec<T> c = load(cosine + i);
  const Vec<T> s = load(sine + i);
  store_first<X>(out + i, fmadd(-b, s, a * c), count);
  store_first<X>(out + pairs + i, fmadd(a, s, b * c), count);
}

template <typename T, typename X>
DJLMAMBA_INLINE void turn_neighbours(const X* x, X* out, const T* cosine, const T* sine, int64_t i, int count) {
  using Int = typename Simd<T>::I;
  static constexpr SwapLanesIndex<decltype(Int{}[0] + Int{}[0]), Simd<T>::kLanes, 1> kNeighbour;
  const Vec<T> v = load_first(x + i, count);
  const Vec<T> swapped = __builtin_shuffle(v, *reinterpret_cast<const Int*>(kNeighbour.index));
  store_first<X>(out + i, fmadd(swapped, load(sine + i), v * load(cosine + i)), count);
}

template <typename T, typename X, bool kInterleaved>
void turn_head(const X* x, X* out, const T* cosine, const T* sine, int64_t pairs, int64_t head_size) {
  constexpr int kLanes = Simd<T>::kLanes;
  if constexpr (kInterleaved) {
    int64_t i = 0;
    for (; i + kLanes <= 2 * pairs; i += kLanes) turn_neighbours<T, X>(x, out, cosine, sine, i, kLanes);
    if (i < 2 * pairs) turn_neighbours<T, X>(x, out, cosine, sine, i, static_cast<int>(2 * pairs - i));
  } else {
    int64_t i = 0;
    for (; i + kLanes <= pairs; i += kLanes) turn_halves<T, X>(x, out, cosine, sine, pairs, i, kLanes);
    if (i < pairs) turn_halves<T, X>(x, out, cosine, sine, pairs, i, static_cast<int>(pairs - i));
  }
  memcpy(out + 2 * pairs, x + 2 * pairs, static_cast<size_t>(head_size - 2 * pairs) * sizeof(X));
}

}  // namespace

template <typename T, typename X>
void rotary_embedding(const RotaryEmbeddingArguments<X>& args, int64_t block_begin, int64_t block_end) {
  if (block_begin >= block_end) return;
  const RotaryEmbeddingSizes& sizes = args.sizes;
  Angles<T> angles(args);
  int64_t loaded = -1;
  for (int64_t block = block_begin; block < block_end; ++block) {
    const int64_t first = (sizes.position / kRotaryPositions + block / sizes.batch) * kRotaryPositions;
    const int64_t b = block % sizes.batch;
    if (first != loaded) angles.set(first);
    loaded = first;
    const int64_t begin = first < sizes.position ? sizes.position : first;
    int64_t end = first + kRotaryPositions;
    end = end < sizes.position + sizes.length ? end : sizes.position + sizes.length;
    for (int64_t position = begin; position < end; ++position) {
      const int64_t t = position - sizes.position;
      const X* x = args.x.data + b * args.x.batch_stride + t * args.x.length_stride;
      X* out = args.out.data + b * args.out.batch_stride + t * args.out.length_stride;
      const T* cosine = angles.cosine + (position - first) * angles.row;
      const T* sine = angles.sine + (position - first) * angles.row;
      for (int64_t h = 0; h < sizes.heads; ++h) {
        if (args.interleaved) {
          turn_head<T, X, true>(x + h * args.x.group_stride, out + h * args.out.group_stride, cosine, sine, angles.pairs, sizes.head_size);
        } else {
          turn_head<T, X, false>(x + h * args.x.group_stride, out + h * args.out.group_stride, cosine, sine, angles.pairs, sizes.head_size);
        }
      }
    }
  }
}

template void rotary_embedding<double, double>(const RotaryEmbeddingArguments<double>&, int64_t, int64_t);
template void rotary_embedding<float, float>(const RotaryEmbeddingArguments<float>&, int64_t, int64_t);
template void rotary_embedding<float, BFloat16>(const RotaryEmbeddingArguments<BFloat16>&, int64_t, int64_t);

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
