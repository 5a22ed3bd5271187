/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

/* How the selective scan kernels take the exponential of delta' A; compiled once per instruction set (see simd.h). */

#include "simd_math.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

/** States are worked on in slabs, whose states fit in registers. */
#if defined(__AVX512F__)
constexpr int kStatesPerSlab = 8;
#else
constexpr int kStatesPerSlab = 4;
#endif

/*
 * The forms of a decay 2^(x a). One is chosen for each step, pack and slab by that step's x alone: a choice by several steps would let a later step
 * change the roundings of an earlier one. The polynomial is one in x with the powers of a in its coefficients, for x >= 0 >= a, exact at 0. Its error
 * is below 3e-7 of the largest decay, 1, which is what the error of a state depends on (relative to the decay itself, which may be down to 0.19, it is
 * that much larger).
 */
enum class DecayForm { kGeneral, kInRange, kPolynomial };

/* Shorter sequences do not repay the coefficients. */
constexpr int64_t kMinPolynomialLength = 48;
template <typename T>
constexpr int kDecayDegree = sizeof(T) == 4 ? 7 : 0;

/** Minimax fit of relative error to 2^p for p in [-kDecayFitLimit, 0], from the coefficient of p on; the constant is 1. */
constexpr float kDecayFitLimit = 2.4f;
static constexpr double kDecayFit[] = {0.6931458434, 0.2402139615, 0.05546282507, 0.009551722108, 0.001274374468, 0.0001239424324, 6.573843294e-6};

/** The largest x of a slab for each form. A polynomial is never taken where its limit is negative. */
template <typename T>
struct DecayLimits {
  T polynomial;
  T in_range;

  DJLMAMBA_ALWAYS_INLINE DecayForm form(Vec<T> x) const {
    if (kDecayDegree<T> > 0 && all_between(x, T(0), polynomial)) return DecayForm::kPolynomial;
    return all_between(x, -in_range, in_range) ? DecayForm::kInRange : DecayForm::kGeneral;
  }
};

/** coefficients[state][k][lane], from the highest power of x down. Powers are taken in double: their roundings would add up. */
template <typename T>
__attribute__((noinline)) void decay_coefficients(const T* __restrict a, int states, T* __restrict coefficients) {
  constexpr int kLanes = Simd<T>::kLanes;
  constexpr int kDegree = kDecayDegree<T>;
  for (int n = 0; n < states; ++n) {
    double power[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) power[lane] = 1;
    for (int k = 1; k <= kDegree; ++k) {
      T* to = coefficients + (n * kDegree + kDegree - k) * kLanes;
      for (int lane = 0; lane < kLanes; ++lane) {
        power[lane] *= static_cast<double>(a[n * kLanes + lane]);
        to[lane] = static_cast<T>(power[lane] * kDecayFit[k - 1]);
      }
    }
  }
}

/** Prepares each slab of a pack: its limits, and its coefficients where the polynomial can be used. */
template <typename T>
struct PrepareDecays {
  const T* a;
  int64_t length;
  DecayLimits<T>* limits;
  T* coefficients;

  template <int kStates>
  void run(int64_t first) {
    constexpr int kLanes = Simd<T>::kLanes;
    Vec<T> largest = {}, highest = {};
    for (int n = 0; n < kStates; ++n) {
      const Vec<T> a_n = load(a + (first + n) * kLanes);
      largest = max(abs(a_n), largest);
      highest = max(a_n, highest);
    }
    /* The smallest number stands for 0, by which nothing is divided. */
    const T size = largest_lane<T>(largest) + static_cast<T>(__FLT_MIN__);
    limits[first].in_range = kExp2Range<T> / size;
    limits[first].polynomial = T(-1);
    if (kDecayDegree<T> > 0 && length >= kMinPolynomialLength && !(largest_lane<T>(highest) > T(0))) {
      limits[first].polynomial = static_cast<T>(kDecayFitLimit) / size;
      decay_coefficients(a + first * kLanes, kStates, coefficients + first * kDecayDegree<T> * kLanes);
    }
  }
};

/** Steps that are worked on at once in each form. */
constexpr int kPolynomialSteps = DJLMAMBA_VECTOR_BYTES == 64 ? 4 : 2;
constexpr int kInRangeSteps = DJLMAMBA_VECTOR_BYTES == 64 ? 2 : 1;

/** States whose polynomials are taken side by side: with the steps they make as many independent chains as the multipliers' latency needs. */
template <int kStates>
constexpr int kStatesAtOnce = DJLMAMBA_VECTOR_BYTES == 64 && kStates % 2 == 0 ? 2 : 1;

/**
 * Calls scan.template advance<kStates, form, steps>(first, t, h) over all steps of a tile, several steps at once where they have one form. `each_step` is
 * called once for each step. Steps taken at once give the same bits as one by one.
 */
template <typename T, int kStates, typename Scan, typename EachStep>
DJLMAMBA_ALWAYS_INLINE void advance_all(const Scan& scan, const DecayLimits<T>& limits, const T* delta, int64_t steps, int64_t first, Vec<T>* h,
                                        EachStep each_step) {
  constexpr int kLanes = Simd<T>::kLanes;
  int64_t t = 0;
  while (t < steps) {
    const T* x = delta + t * kLanes;
    const DecayForm form = limits.form(load(x));
    const auto same = [&](int count) {
      if (t + count > steps) return false;
      for (int i = 1; i < count; ++i) {
        if (limits.form(load(x + i * kLanes)) != form) return false;
      }
      return true;
    };
    int taken = 1;
    if (kDecayDegree<T> > 0 && form == DecayForm::kPolynomial) {
      if (same(kPolynomialSteps)) {
        scan.template advance<kStates, DecayForm::kPolynomial, kPolynomialSteps>(first, t, h);
        taken = kPolynomialSteps;
      } else {
        scan.template advance<kStates, DecayForm::kPolynomial, 1>(first, t, h);
      }
    } else if (form == DecayForm::kInRange) {
      if (same(kInRangeSteps)) {
        scan.template advance<kStates, DecayForm::kInRange, kInRangeSteps>(first, t, h);
        taken = kInRangeSteps;
      } else {
        scan.template advance<kStates, DecayForm::kInRange, 1>(first, t, h);
      }
    } else {
      scan.template advance<kStates, DecayForm::kGeneral, 1>(first, t, h);
    }
    for (int i = 0; i < taken; ++i) each_step();
    t += taken;
  }
}

/** The decays of kTogether states over kSteps steps, which share the loads of the coefficients: decay[state][step]. */
template <typename T, DecayForm kForm, int kTogether, int kSteps>
DJLMAMBA_INLINE void decays(const Vec<T>* x, const T* a, const T* coefficients, Vec<T> (*decay)[kSteps]) {
  constexpr int kLanes = Simd<T>::kLanes;
  if constexpr (kForm == DecayForm::kPolynomial) {
    constexpr int kDegree = kDecayDegree<T>;
#pragma GCC unroll 8
    for (int k = 0; k <= kDegree; ++k) {
#pragma GCC unroll 2
      for (int n = 0; n < kTogether; ++n) {
        const Vec<T> c = k < kDegree ? load(coefficients + (n * kDegree + k) * kLanes) : set1(T(1));
#pragma GCC unroll 4
        for (int i = 0; i < kSteps; ++i) decay[n][i] = k == 0 ? c : fmadd(decay[n][i], x[i], c);
      }
    }
  } else {
#pragma GCC unroll 2
    for (int n = 0; n < kTogether; ++n) {
      const Vec<T> a_n = load(a + n * kLanes);
#pragma GCC unroll 4
      for (int i = 0; i < kSteps; ++i) decay[n][i] = kForm == DecayForm::kInRange ? exp2_in_range(x[i], a_n) : exp2(x[i] * a_n);
    }
  }
}

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
