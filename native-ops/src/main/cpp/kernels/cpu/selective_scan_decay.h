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
 * The forms of a decay 2^(x a), chosen per slab and tile from the sizes of x and a. A polynomial form is named by its degree; it is one in x with
 * the powers of a in its coefficients, for x >= 0 >= a, exact at 0. Its error is below 3e-7 of the largest decay, 1, which is what the error of a state
 * depends on (relative to the decay itself, which may be down to 0.19, it is that much larger).
 */
constexpr int kDecayGeneral = 0;
constexpr int kDecayInRange = 1;
constexpr int kMinDecayDegree = 5;
/* Shorter sequences do not repay the coefficients. */
constexpr int64_t kMinPolynomialLength = 48;
template <typename T>
constexpr int kMaxDecayDegree = sizeof(T) == 4 ? 7 : 0;

/** Minimax fits of relative error to 2^p for p in [-limit, 0], from the coefficient of p on; the constant is 1. */
struct DecayFit {
  float limit;
  double coefficients[7];
};
static constexpr DecayFit kDecayFits[] = {
    {1.0f, {0.6931437213, 0.2401801437, 0.05529736055, 0.009205801103, 0.0009449049543}},
    {1.75f, {0.6931440635, 0.2401950215, 0.05539468526, 0.009438098213, 0.001178150346, 8.37520893e-5}},
    {2.4f, {0.6931458434, 0.2402139615, 0.05546282507, 0.009551722108, 0.001274374468, 0.0001239424324, 6.573843294e-6}}};

/** The delta' of one pack and tile. A NaN among them may be passed over: every form makes NaN of it. */
template <typename T>
struct DeltaRange {
  T largest;  // the largest |delta'|
  bool negative;
};

template <typename T>
struct SlabDecay {
  T largest;   // the largest |a|
  T decaying;  // the same, or infinity if some a > 0
  int degree;  // of the coefficients held, or 0
};

/** To be called for each slab of a pack. */
template <typename T>
struct SlabDecays {
  const T* a;
  SlabDecay<T>* decay;

  template <int kStates>
  void run(int64_t first) {
    constexpr int kLanes = Simd<T>::kLanes;
    Vec<T> largest = {}, highest = {};
    for (int n = 0; n < kStates; ++n) {
      const Vec<T> a_n = load(a + (first + n) * kLanes);
      largest = max(abs(a_n), largest);
      highest = max(a_n, highest);
    }
    decay[first].largest = largest_lane<T>(largest);
    decay[first].decaying = largest_lane<T>(highest) > T(0) ? static_cast<T>(__builtin_inf()) : decay[first].largest;
    decay[first].degree = 0;
  }
};

/** Depends on nothing but its arguments, so that results do not depend on how blocks were grouped. Comparisons with a NaN lead to the general form. */
template <typename T>
DJLMAMBA_INLINE int decay_form(const SlabDecay<T>& slab, const DeltaRange<T>& delta, int64_t length) {
  if constexpr (kMaxDecayDegree<T> > 0) {
    const T exponent = slab.decaying * delta.largest;
    if (length >= kMinPolynomialLength && !delta.negative) {
      for (int degree = kMinDecayDegree; degree <= kMaxDecayDegree<T>; ++degree) {
        if (exponent <= kDecayFits[degree - kMinDecayDegree].limit) return degree;
      }
    }
  }
  return slab.largest * delta.largest <= kExp2Range<T> ? kDecayInRange : kDecayGeneral;
}

/** coefficients[state][k][lane], from the highest power of x down. Powers are taken in double: their roundings would add up. */
template <typename T>
__attribute__((noinline)) void decay_coefficients(const T* __restrict a, int states, int degree, T* __restrict coefficients) {
  constexpr int kLanes = Simd<T>::kLanes;
  for (int n = 0; n < states; ++n) {
    double power[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) power[lane] = 1;
    for (int k = 1; k <= degree; ++k) {
      const double fit = kDecayFits[degree - kMinDecayDegree].coefficients[k - 1];
      T* to = coefficients + (n * kMaxDecayDegree<T> + degree - k) * kLanes;
      for (int lane = 0; lane < kLanes; ++lane) {
        power[lane] *= static_cast<double>(a[n * kLanes + lane]);
        to[lane] = static_cast<T>(power[lane] * fit);
      }
    }
  }
}

/** Steps that are worked on at once. */
#if defined(__AVX512F__)
template <int kForm>
constexpr int kStepsAtOnce = kForm >= kMinDecayDegree ? 4 : 2;
#else
template <int kForm>
constexpr int kStepsAtOnce = kForm >= kMinDecayDegree ? 2 : 1;
#endif

/** States whose polynomials are taken side by side: with the steps they make as many independent chains as the multipliers' latency needs. */
template <int kStates>
constexpr int kStatesAtOnce = DJLMAMBA_VECTOR_BYTES == 64 && kStates % 2 == 0 ? 2 : 1;

/** The decays of kTogether states over kSteps steps, which share the loads of the coefficients: decay[state][step]. */
template <typename T, int kForm, int kTogether, int kSteps>
DJLMAMBA_INLINE void decays(const Vec<T>* x, const T* a, const T* coefficients, Vec<T> (*decay)[kSteps]) {
  constexpr int kLanes = Simd<T>::kLanes;
  if constexpr (kForm >= kMinDecayDegree) {
#pragma GCC unroll 8
    for (int k = 0; k <= kForm; ++k) {
#pragma GCC unroll 2
      for (int n = 0; n < kTogether; ++n) {
        const Vec<T> c = k < kForm ? load(coefficients + (n * kMaxDecayDegree<T> + k) * kLanes) : set1(T(1));
#pragma GCC unroll 4
        for (int i = 0; i < kSteps; ++i) decay[n][i] = k == 0 ? c : fmadd(decay[n][i], x[i], c);
      }
    }
  } else {
#pragma GCC unroll 2
    for (int n = 0; n < kTogether; ++n) {
      const Vec<T> a_n = load(a + n * kLanes);
#pragma GCC unroll 4
      for (int i = 0; i < kSteps; ++i) decay[n][i] = kForm == kDecayInRange ? exp2_in_range(x[i], a_n) : exp2(x[i] * a_n);
    }
  }
}

/** Calls function.template scan<kStates, form>(first). */
template <typename T, int kStates, typename Function>
DJLMAMBA_INLINE void scan_in_form(int form, int64_t first, Function& function) {
  if constexpr (kMaxDecayDegree<T> > 0) {
    if (form == 5) return function.template scan<kStates, 5>(first);
    if (form == 6) return function.template scan<kStates, 6>(first);
    if (form == 7) return function.template scan<kStates, 7>(first);
  }
  if (form == kDecayInRange) return function.template scan<kStates, kDecayInRange>(first);
  return function.template scan<kStates, kDecayGeneral>(first);
}

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
