/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

/*
 * Vectors of float and double for one instruction set. A source that includes this file is compiled once per instruction set, with
 * DJLMAMBA_ISA_NAMESPACE naming it: everything here and in such sources lives in that namespace and uses no inline or template code from
 * outside, so that the linker cannot merge code of one instruction set into another. Arithmetic is that of GCC's vector extensions; what they
 * lack has intrinsics for AVX-512 and AVX2 and plain forms for everything else. (The forms with a full zeroing mask compile to the plain
 * instructions; those without a mask pass GCC 12 an undefined vector, about which it warns.)
 */

#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "bfloat16.h"

#if !defined(DJLMAMBA_ISA_NAMESPACE)
#error "DJLMAMBA_ISA_NAMESPACE must name the instruction set"
#endif

#define DJLMAMBA_ALWAYS_INLINE inline __attribute__((always_inline))
#define DJLMAMBA_INLINE static DJLMAMBA_ALWAYS_INLINE

#if defined(__AVX512F__)
#define DJLMAMBA_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define DJLMAMBA_VECTOR_BYTES 32
#else
#define DJLMAMBA_VECTOR_BYTES 16
#endif

/* Keeps the compiler from splitting base + constant offsets into one pointer register each. */
#define DJLMAMBA_ONE_BASE(pointer) __asm__("" : "+r"(pointer))

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

typedef float VecF __attribute__((vector_size(DJLMAMBA_VECTOR_BYTES), may_alias));
typedef double VecD __attribute__((vector_size(DJLMAMBA_VECTOR_BYTES), may_alias));
typedef int32_t VecI32 __attribute__((vector_size(DJLMAMBA_VECTOR_BYTES), may_alias));
typedef int64_t VecI64 __attribute__((vector_size(DJLMAMBA_VECTOR_BYTES), may_alias));
typedef float VecFUnaligned __attribute__((vector_size(DJLMAMBA_VECTOR_BYTES), aligned(4), may_alias));
typedef double VecDUnaligned __attribute__((vector_size(DJLMAMBA_VECTOR_BYTES), aligned(8), may_alias));

template <typename T>
struct Simd;

template <>
struct Simd<float> {
  typedef VecF V;
  typedef VecI32 I;
  typedef VecFUnaligned Unaligned;
  static constexpr int kLanes = DJLMAMBA_VECTOR_BYTES / 4;
};

template <>
struct Simd<double> {
  typedef VecD V;
  typedef VecI64 I;
  typedef VecDUnaligned Unaligned;
  static constexpr int kLanes = DJLMAMBA_VECTOR_BYTES / 8;
};

/** Arrays of BFloat16 are computed on as floats: their vectors are widened when loaded and rounded to nearest even when stored. */
template <>
struct Simd<BFloat16> : Simd<float> {};

template <typename T>
using Vec = typename Simd<T>::V;

template <typename T>
constexpr bool kIsBFloat16 = false;
template <>
constexpr bool kIsBFloat16<BFloat16> = true;

DJLMAMBA_INLINE VecF load_widened(const BFloat16* p) {
#if defined(__AVX512F__)
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return (VecF)_mm512_maskz_slli_epi32(0xffff, _mm512_maskz_cvtepu16_epi32(0xffff, bits), 16);
#elif defined(__AVX2__)
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return (VecF)_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16);
#else
  VecI32 bits = {};
  for (int lane = 0; lane < Simd<float>::kLanes; ++lane) bits[lane] = static_cast<int32_t>(static_cast<uint32_t>(p[lane].bits) << 16);
  return (VecF)bits;
#endif
}

DJLMAMBA_INLINE void store_rounded(BFloat16* p, VecF v) {
  typedef uint32_t VecU32 __attribute__((vector_size(DJLMAMBA_VECTOR_BYTES), may_alias));
  const VecU32 bits = (VecU32)v;
  /* Half a unit in the last place, less one where that place is even; a NaN stays one, made quiet. */
  const VecU32 rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const VecU32 nan = (VecU32)(v != v);
  const VecU32 result = (nan & ((bits >> 16) | 0x40)) | (~nan & rounded);
#if defined(__AVX512F__)
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_maskz_cvtepi32_epi16(0xffff, (__m512i)result));
#elif defined(__AVX2__)
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32((__m256i)result, (__m256i)result), 0xd8);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(packed));
#else
  for (int lane = 0; lane < Simd<float>::kLanes; ++lane) p[lane].bits = static_cast<uint16_t>(result[lane]);
#endif
}

/* Loads and stores: aligned ones are for scratch memory, the others for the caller's arrays. */

template <typename T>
DJLMAMBA_INLINE Vec<T> load(const T* p) {
  return *reinterpret_cast<const Vec<T>*>(p);
}

template <typename T>
DJLMAMBA_INLINE void store(T* p, Vec<T> v) {
  *reinterpret_cast<Vec<T>*>(p) = v;
}

template <typename T>
DJLMAMBA_INLINE Vec<T> load_unaligned(const T* p) {
  if constexpr (kIsBFloat16<T>) {
    return load_widened(p);
  } else {
    return *reinterpret_cast<const typename Simd<T>::Unaligned*>(p);
  }
}

template <typename T>
DJLMAMBA_INLINE void store_unaligned(T* p, Vec<T> v) {
  if constexpr (kIsBFloat16<T>) {
    store_rounded(p, v);
  } else {
    *reinterpret_cast<typename Simd<T>::Unaligned*>(p) = v;
  }
}

/** Past the caches, to an address that is a multiple of a vector; streaming_fence() before another thread may read it. */
DJLMAMBA_INLINE void store_streaming(float* p, VecF v) {
#if defined(__AVX512F__)
  _mm512_stream_ps(p, (__m512)v);
#elif defined(__AVX2__)
  _mm256_stream_ps(p, (__m256)v);
#elif defined(__SSE2__)
  _mm_stream_ps(p, (__m128)v);
#else
  store(p, v);
#endif
}
DJLMAMBA_INLINE void store_streaming(double* p, VecD v) {
#if defined(__AVX512F__)
  _mm512_stream_pd(p, (__m512d)v);
#elif defined(__AVX2__)
  _mm256_stream_pd(p, (__m256d)v);
#elif defined(__SSE2__)
  _mm_stream_pd(p, (__m128d)v);
#else
  store(p, v);
#endif
}

DJLMAMBA_INLINE void streaming_fence() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

template <typename T>
DJLMAMBA_INLINE Vec<T> set1(T x) {
  return x - Vec<T>{};
}

/** The first `count` elements, and zeros in the lanes after them; count is in [1, lanes]. */
template <typename T>
DJLMAMBA_INLINE Vec<T> load_first(const T* p, int count) {
  if (count == Simd<T>::kLanes) return load_unaligned(p);
  alignas(DJLMAMBA_VECTOR_BYTES) T buffer[Simd<T>::kLanes] = {};
  memcpy(buffer, p, static_cast<size_t>(count) * sizeof(T));
  return load_unaligned<T>(buffer);
}

template <typename T>
DJLMAMBA_INLINE void store_first(T* p, Vec<T> v, int count) {
  if (count == Simd<T>::kLanes) {
    store_unaligned<T>(p, v);
    return;
  }
  alignas(DJLMAMBA_VECTOR_BYTES) T buffer[Simd<T>::kLanes];
  store_unaligned<T>(buffer, v);
  memcpy(p, buffer, static_cast<size_t>(count) * sizeof(T));
}

/** As load_first() and store_first(), where the compiler knows whether `count` is a whole vector. */
template <typename T, bool kWhole>
DJLMAMBA_INLINE Vec<T> load_lanes(const T* p, int count) {
  return kWhole ? load_unaligned(p) : load_first(p, count);
}

template <typename T, bool kWhole>
DJLMAMBA_INLINE void store_lanes(T* p, Vec<T> v, int count) {
  kWhole ? store_unaligned<T>(p, v) : store_first<T>(p, v, count);
}

/** to[i] = from[i], which may be of another type. */
template <typename From, typename To>
DJLMAMBA_INLINE void convert_row(const From* from, int64_t count, To* to) {
  constexpr int kLanes = Simd<From>::kLanes;
  for (int64_t i = 0; i < count; i += kLanes) {
    const int lanes = count - i < kLanes ? static_cast<int>(count - i) : kLanes;
    store_first<To>(to + i, load_first(from + i, lanes), lanes);
  }
}

/* a * b + c in one instruction where there is one. */

DJLMAMBA_INLINE VecF fmadd(VecF a, VecF b, VecF c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__)
  return _mm256_fmadd_ps(a, b, c);
#else
  return a * b + c;
#endif
}

DJLMAMBA_INLINE VecD fmadd(VecD a, VecD b, VecD c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_pd(a, b, c);
#elif defined(__AVX2__)
  return _mm256_fmadd_pd(a, b, c);
#else
  return a * b + c;
#endif
}

/* The larger and the smaller; a NaN in b is returned, one in a is not. */

DJLMAMBA_INLINE VecF max(VecF a, VecF b) {
#if defined(__AVX512F__)
  return _mm512_maskz_max_ps(0xffff, a, b);
#elif defined(__AVX2__)
  return _mm256_max_ps(a, b);
#elif defined(__SSE2__)
  return _mm_max_ps(a, b);
#else
  return a > b ? a : b;
#endif
}

DJLMAMBA_INLINE VecD max(VecD a, VecD b) {
#if defined(__AVX512F__)
  return _mm512_maskz_max_pd(0xff, a, b);
#elif defined(__AVX2__)
  return _mm256_max_pd(a, b);
#elif defined(__SSE2__)
  return _mm_max_pd(a, b);
#else
  return a > b ? a : b;
#endif
}

DJLMAMBA_INLINE VecF min(VecF a, VecF b) {
#if defined(__AVX512F__)
  return _mm512_maskz_min_ps(0xffff, a, b);
#elif defined(__AVX2__)
  return _mm256_min_ps(a, b);
#elif defined(__SSE2__)
  return _mm_min_ps(a, b);
#else
  return a < b ? a : b;
#endif
}

DJLMAMBA_INLINE VecD min(VecD a, VecD b) {
#if defined(__AVX512F__)
  return _mm512_maskz_min_pd(0xff, a, b);
#elif defined(__AVX2__)
  return _mm256_min_pd(a, b);
#elif defined(__SSE2__)
  return _mm_min_pd(a, b);
#else
  return a < b ? a : b;
#endif
}

DJLMAMBA_INLINE VecF negative_abs(VecF x) { return (VecF)((VecI32)x | INT32_MIN); }
DJLMAMBA_INLINE VecD negative_abs(VecD x) { return (VecD)((VecI64)x | INT64_MIN); }
DJLMAMBA_INLINE VecF abs(VecF x) { return (VecF)((VecI32)x & INT32_MAX); }
DJLMAMBA_INLINE VecD abs(VecD x) { return (VecD)((VecI64)x & INT64_MAX); }

/** 1 / x to within 2 units in the last place, for normal x whose reciprocal is normal. */
DJLMAMBA_INLINE VecF reciprocal(VecF x) {
#if defined(__AVX512F__)
  VecF r = _mm512_maskz_rcp14_ps(0xffff, x);
  return r * fmadd(-x, r, set1(2.0f));
#else
  return 1.0f / x;
#endif
}
DJLMAMBA_INLINE VecD reciprocal(VecD x) { return 1.0 / x; }

/** Whether every lane is in [low, high]; a lane that is NaN is not. */
DJLMAMBA_INLINE bool all_between(VecF x, float low, float high) {
#if defined(__AVX512F__)
  return (_mm512_cmp_ps_mask(x, set1(low), _CMP_GE_OQ) & _mm512_cmp_ps_mask(x, set1(high), _CMP_LE_OQ)) == 0xffff;
#elif defined(__AVX2__)
  return _mm256_movemask_ps(_mm256_and_ps(_mm256_cmp_ps(x, set1(low), _CMP_GE_OQ), _mm256_cmp_ps(x, set1(high), _CMP_LE_OQ))) == 0xff;
#elif defined(__SSE2__)
  return _mm_movemask_ps(_mm_and_ps(_mm_cmpge_ps(x, set1(low)), _mm_cmple_ps(x, set1(high)))) == 0xf;
#else
  bool all = true;
  for (int lane = 0; lane < Simd<float>::kLanes; ++lane) all = all && x[lane] >= low && x[lane] <= high;
  return all;
#endif
}

DJLMAMBA_INLINE bool all_between(VecD x, double low, double high) {
#if defined(__AVX512F__)
  return (_mm512_cmp_pd_mask(x, set1(low), _CMP_GE_OQ) & _mm512_cmp_pd_mask(x, set1(high), _CMP_LE_OQ)) == 0xff;
#elif defined(__AVX2__)
  return _mm256_movemask_pd(_mm256_and_pd(_mm256_cmp_pd(x, set1(low), _CMP_GE_OQ), _mm256_cmp_pd(x, set1(high), _CMP_LE_OQ))) == 0xf;
#elif defined(__SSE2__)
  return _mm_movemask_pd(_mm_and_pd(_mm_cmpge_pd(x, set1(low)), _mm_cmple_pd(x, set1(high)))) == 0x3;
#else
  bool all = true;
  for (int lane = 0; lane < Simd<double>::kLanes; ++lane) all = all && x[lane] >= low && x[lane] <= high;
  return all;
#endif
}

template <typename Int, int kLanes, int kDistance>
struct SwapLanesIndex {
  alignas(DJLMAMBA_VECTOR_BYTES) Int index[kLanes] = {};
  constexpr SwapLanesIndex() {
    for (int j = 0; j < kLanes; ++j) index[j] = j ^ kDistance;
  }
};

/** The largest lane; lanes that are NaN may be passed over. */
template <typename T, int kDistance = Simd<T>::kLanes / 2>
DJLMAMBA_INLINE T largest_lane(Vec<T> v) {
  if constexpr (kDistance == 0) {
    return v[0];
  } else {
    using Int = typename Simd<T>::I;
    static constexpr SwapLanesIndex<decltype(Int{}[0] + Int{}[0]), Simd<T>::kLanes, kDistance> kIndex;
    return largest_lane<T, kDistance / 2>(max(v, __builtin_shuffle(v, *reinterpret_cast<const Int*>(kIndex.index))));
  }
}

/** The sum of the lanes, in an order that depends on their number alone. */
template <typename T, int kDistance = Simd<T>::kLanes / 2>
DJLMAMBA_INLINE T sum_of_lanes(Vec<T> v) {
  if constexpr (kDistance == 0) {
    return v[0];
  } else {
    using Int = typename Simd<T>::I;
    static constexpr SwapLanesIndex<decltype(Int{}[0] + Int{}[0]), Simd<T>::kLanes, kDistance> kIndex;
    return sum_of_lanes<T, kDistance / 2>(v + __builtin_shuffle(v, *reinterpret_cast<const Int*>(kIndex.index)));
  }
}

/** For stage `kStage` of sum_lanes(): the lanes of two vectors to add, with bit `kStage` of the lane number saying which vector they are of. */
template <typename Int, int kLanes, int kStage>
struct SumLanesIndex {
  alignas(DJLMAMBA_VECTOR_BYTES) Int low[kLanes] = {};
  alignas(DJLMAMBA_VECTOR_BYTES) Int high[kLanes] = {};
  constexpr SumLanesIndex() {
    for (int j = 0; j < kLanes; ++j) {
      low[j] = (j & kStage) ? kLanes + j - kStage : j;
      high[j] = (j & kStage) ? kLanes + j : j + kStage;
    }
  }
};

template <typename T, int kStage>
DJLMAMBA_INLINE Vec<T> sum_lanes_from_stage(Vec<T>* v) {
  constexpr int kLanes = Simd<T>::kLanes;
  if constexpr (kStage == kLanes) {
    return v[0];
  } else {
    using Int = typename Simd<T>::I;
    using Element = decltype(Int{}[0] + Int{}[0]);
    static constexpr SumLanesIndex<Element, kLanes, kStage> kIndex;
    const Int low = *reinterpret_cast<const Int*>(kIndex.low);
    const Int high = *reinterpret_cast<const Int*>(kIndex.high);
#pragma GCC unroll 8
    for (int i = 0; i < kLanes / (2 * kStage); ++i) {
      v[i] = __builtin_shuffle(v[2 * i], v[2 * i + 1], low) + __builtin_shuffle(v[2 * i], v[2 * i + 1], high);
    }
    return sum_lanes_from_stage<T, 2 * kStage>(v);
  }
}

/** Lane j of the result is the sum of the lanes of vector j, for kLanes consecutive vectors. */
template <typename T>
DJLMAMBA_INLINE Vec<T> sum_lanes(const T* vectors) {
  constexpr int kLanes = Simd<T>::kLanes;
  Vec<T> v[kLanes];
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) v[i] = load(vectors + i * kLanes);
  return sum_lanes_from_stage<T, 1>(v);
}

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
