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
 * Vector exponential, softplus and sigmoid on top of simd.h. All exponentials are to base 2: callers fold log2(e) into a factor they have
 * anyway. Polynomials are minimax fits of relative error. Functions of kCount vectors work stage by stage: a processor that would not find enough
 * independent work further down the instructions has it side by side.
 */

#include "simd.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

constexpr double kLog2E = 1.44269504088896340736;
constexpr double kLn2 = 0.69314718055994530942;

/** exp2_in_range() is right for |x a| up to this. */
template <typename T>
constexpr T kExp2Range = sizeof(T) == 4 ? T(120) : T(1000);

DJLMAMBA_INLINE VecF exp2_polynomial(VecF r) {
  VecF p = fmadd(set1(1.327647263e-3f), r, set1(9.675541343e-3f));
  p = fmadd(p, r, set1(5.550713272e-2f));
  p = fmadd(p, r, set1(0.2402211972f));
  p = fmadd(p, r, set1(0.6931469671f));
  return fmadd(p, r, set1(1.0f));
}

DJLMAMBA_INLINE VecD exp2_polynomial(VecD r) {
  constexpr double kCoefficients[] = {7.0741056135081427963e-9,  1.0178198021671930844e-7, 1.321543308967639918e-6,
                                      0.000015252733489988525649, 0.00015403530462514432062, 0.0013333558146789921722,
                                      0.0096181291075883352443,   0.055504108664819921605,   0.24022650695910156204,
                                      0.69314718055994533046,     1.0};
  VecD p = set1(4.4352827069572771511e-10);
#pragma GCC unroll 11
  for (int i = 0; i < 11; ++i) p = fmadd(p, r, set1(kCoefficients[i]));
  return p;
}

#if defined(__AVX512F__)

/*
 * 2^(k + i/32 + r) = 2^k 2^(i/32) 2^r with |r| <= 1/64, in nine instructions, the product x a included. Adding 1.5 * 2^18 rounds to multiples of
 * 1/32, whose number 32 k + i is then in the low bits: the last five pick the table's entry, and all of them, moved up by 18, add k to its exponent
 * (what i adds there is subtracted from the table beforehand). Exact at 0; relative error below 2e-7.
 */
alignas(64) static const uint32_t kExp2Table[32] = {
    0x3f800000, 0x3f7ecd87, 0x3f7daac3, 0x3f7c980f, 0x3f7b95c2, 0x3f7aa43a, 0x3f79c3d3, 0x3f78f4f0, 0x3f7837f0, 0x3f778d3a, 0x3f76f532,
    0x3f767043, 0x3f75fed7, 0x3f75a15b, 0x3f75583f, 0x3f7523f6, 0x3f7504f3, 0x3f74fbaf, 0x3f7508a4, 0x3f752c4d, 0x3f75672a, 0x3f75b9be,
    0x3f76248c, 0x3f76a81e, 0x3f7744fd, 0x3f77fbb8, 0x3f78ccdf, 0x3f79b907, 0x3f7ac0c7, 0x3f7be4ba, 0x3f7d257d, 0x3f7e83b3};

template <int kCount>
DJLMAMBA_INLINE void exp2_in_range(const VecF* x, VecF a, VecF* out) {
  constexpr float kRounder = 1.5f * (1 << 18);
  VecF t[kCount], r[kCount], scale[kCount];
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) t[i] = fmadd(x[i], a, set1(kRounder));
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) r[i] = kRounder - t[i];
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) r[i] = fmadd(x[i], a, r[i]);
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) {
    const __m512i bits = (__m512i)t[i];
    const __m512i entry = _mm512_permutex2var_epi32(_mm512_load_si512(kExp2Table), bits, _mm512_load_si512(kExp2Table + 16));
    scale[i] = (VecF)_mm512_add_epi32(entry, _mm512_maskz_slli_epi32(0xffff, bits, 18));
  }
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) t[i] = fmadd(set1(0.240230507f), r[i], set1(0.6931573806f));
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) r[i] = scale[i] * r[i];
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) out[i] = fmadd(r[i], t[i], scale[i]);
}

DJLMAMBA_INLINE VecF exp2_in_range(VecF x, VecF a) {
  exp2_in_range<1>(&x, a, &x);
  return x;
}

/** 2^p for every p: 0 far below the normal numbers, infinity above, NaN for NaN. */
DJLMAMBA_INLINE VecF exp2(VecF p) {
  VecF f = _mm512_maskz_reduce_ps(0xffff, p, _MM_FROUND_TO_NEG_INF);
  VecF r = fmadd(set1(1.877576766e-3f), f, set1(8.989339877e-3f));
  r = fmadd(r, f, set1(5.582631823e-2f));
  r = fmadd(r, f, set1(0.240153617f));
  r = fmadd(r, f, set1(0.6931530732f));
  r = fmadd(r, f, set1(0.9999999251f));
  return _mm512_maskz_scalef_ps(0xffff, r, p);
}

#else

/** 2^(x a) for |x a| <= kExp2Range: the rounded exponent is added to the exponent of the polynomial. */
DJLMAMBA_INLINE VecF exp2_in_range(VecF x, VecF a) {
  constexpr float kRounder = 1.5f * (1 << 23);
  VecF t = fmadd(x, a, set1(kRounder));
  VecF r = fmadd(x, a, kRounder - t);
  return (VecF)((VecI32)exp2_polynomial(r) + ((VecI32)t << 23));
}

template <int kCount>
DJLMAMBA_INLINE void exp2_in_range(const VecF* x, VecF a, VecF* out) {
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) out[i] = exp2_in_range(x[i], a);
}

/** 2^p for every p: 0 below 2^-125.5, infinity above all numbers, NaN for NaN. Half the scale is a number for every exponent but the last. */
DJLMAMBA_INLINE VecF exp2(VecF p) {
  constexpr float kRounder = 1.5f * (1 << 23);
  p = min(set1(129.0f), max(set1(-126.0f), p));
  VecF t = p + kRounder;
  VecF twice = 2.0f * exp2_polynomial(p - (t - kRounder));
  return twice * (VecF)(((VecI32)t + 126) << 23);
}

#endif

DJLMAMBA_INLINE VecD exp2_in_range(VecD x, VecD a) {
  constexpr double kRounder = 1.5 * (1LL << 52);
  VecD t = fmadd(x, a, set1(kRounder));
  VecD r = fmadd(x, a, kRounder - t);
  return (VecD)((VecI64)exp2_polynomial(r) + ((VecI64)t << 52));
}

template <int kCount>
DJLMAMBA_INLINE void exp2_in_range(const VecD* x, VecD a, VecD* out) {
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) out[i] = exp2_in_range(x[i], a);
}

/** 2^p for every p: 0 below 2^-1021.5, infinity above all numbers, NaN for NaN. Half the scale is a number for every exponent but the last. */
DJLMAMBA_INLINE VecD exp2(VecD p) {
  constexpr double kRounder = 1.5 * (1LL << 52);
  p = min(set1(1025.0), max(set1(-1022.0), p));
  VecD t = p + kRounder;
  VecD twice = 2.0 * exp2_polynomial(p - (t - kRounder));
  return twice * (VecD)(((VecI64)t + 1022) << 52);
}

/** Of log(1 + e) / e for e in [0, 1], from the highest power down. */
static constexpr float kLog1pCoefficients[] = {5.232690027e-3f, -0.02950521992f, 0.07822591751f,  -0.136632425f, 0.1910600499f,
                                               -0.2484298169f,  0.3331909673f,   -0.4999949314f, 0.9999999699f};

/** log(1 + e) + base for e in [0, 1]. */
DJLMAMBA_INLINE VecD log1p_plus(VecD e, VecD base) {
  constexpr double kCoefficients[] = {0.083156839557900329348, 0.12112249089821112226, 0.13300102491798210381, 0.15386635456315195694,
                                      0.18181739787590417126,  0.22222224111778241296, 0.2857142854492502758,  0.40000000000190326437,
                                      0.66666666666666134233,  2.0};
  VecD s = e / (2.0 + e);
  VecD w = s * s;
  VecD p = set1(0.17060062920105509553);
#pragma GCC unroll 10
  for (int i = 0; i < 10; ++i) p = fmadd(p, w, set1(kCoefficients[i]));
  return fmadd(p, s, base);
}

/** softplus(x), which is x above 20, and its derivative if kDerivative. In float that needs no comparison: there log(1 + exp(-x)) rounds away. */
template <int kCount, bool kDerivative>
DJLMAMBA_INLINE void softplus(const VecF* x, VecF* out, VecF* derivative) {
  VecF e[kCount], p[kCount];
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) e[i] = max(set1(-kExp2Range<float> * static_cast<float>(kLn2)), negative_abs(x[i]));
  exp2_in_range<kCount>(e, set1(static_cast<float>(kLog2E)), e);
  if constexpr (kDerivative) {
#pragma GCC unroll 8
    for (int i = 0; i < kCount; ++i) p[i] = reciprocal(1.0f + e[i]);
#pragma GCC unroll 8
    for (int i = 0; i < kCount; ++i) derivative[i] = x[i] > 0.0f ? p[i] : e[i] * p[i];
  }
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) p[i] = set1(kLog1pCoefficients[0]);
#pragma GCC unroll 8
  for (int k = 1; k < 9; ++k) {
#pragma GCC unroll 8
    for (int i = 0; i < kCount; ++i) p[i] = fmadd(p[i], e[i], set1(kLog1pCoefficients[k]));
  }
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) out[i] = fmadd(p[i], e[i], max(VecF{}, x[i]));
}

DJLMAMBA_INLINE VecF softplus(VecF x) {
  softplus<1, false>(&x, &x, nullptr);
  return x;
}

DJLMAMBA_INLINE VecD softplus(VecD x) {
  /* exp(-|x|), never below the normal numbers. */
  VecD e = exp2_in_range(max(set1(-kExp2Range<double> * kLn2), negative_abs(x)), set1(kLog2E));
  VecD y = log1p_plus(e, max(VecD{}, x));
  return x > 20.0 ? x : y;
}

/** 1 / (1 + exp(-x)). */
template <typename T, int kCount>
DJLMAMBA_INLINE void sigmoid(const Vec<T>* x, Vec<T>* out) {
  constexpr T kBound = kExp2Range<T> * T(kLn2);
  Vec<T> e[kCount];
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) e[i] = min(set1(kBound), max(set1(-kBound), x[i]));
  exp2_in_range<kCount>(e, set1(T(-kLog2E)), e);
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) out[i] = reciprocal(T(1) + e[i]);
}

template <typename T>
DJLMAMBA_INLINE Vec<T> sigmoid(Vec<T> x) {
  sigmoid<T, 1>(&x, &x);
  return x;
}

/** The derivative of softplus(). */
DJLMAMBA_INLINE VecF softplus_derivative(VecF x) { return sigmoid<float>(x); }

DJLMAMBA_INLINE VecD softplus_derivative(VecD x) { return x > 20.0 ? set1(1.0) : sigmoid<double>(x); }

template <int kCount, bool kDerivative>
DJLMAMBA_INLINE void softplus(const VecD* x, VecD* out, VecD* derivative) {
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) {
    if constexpr (kDerivative) derivative[i] = softplus_derivative(x[i]);
    out[i] = softplus(x[i]);
  }
}

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
