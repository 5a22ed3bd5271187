/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include <cstdint>

#include "simd_math.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

/* Four vectors at a time, so that the latency of one hides behind the others. */
#define DJLMAMBA_VECTOR_FUNCTION(name, expression)                                                 \
  template <typename T>                                                                            \
  void vector_##name(const T* in, T* out, int64_t count) {                                         \
    constexpr int kLanes = Simd<T>::kLanes;                                                        \
    int64_t i = 0;                                                                                 \
    for (; i + 4 * kLanes <= count; i += 4 * kLanes) {                                             \
      Vec<T> y[4];                                                                                 \
      _Pragma("GCC unroll 4") for (int k = 0; k < 4; ++k) {                                        \
        const Vec<T> x = load_unaligned(in + i + k * kLanes);                                      \
        y[k] = expression;                                                                         \
      }                                                                                            \
      _Pragma("GCC unroll 4") for (int k = 0; k < 4; ++k) store_unaligned<T>(out + i + k * kLanes, y[k]); \
    }                                                                                              \
    for (; i < count; i += kLanes) {                                                               \
      const int first = count - i < kLanes ? static_cast<int>(count - i) : kLanes;                 \
      const Vec<T> x = load_first(in + i, first);                                                  \
      store_first<T>(out + i, expression, first);                                                  \
    }                                                                                              \
  }                                                                                                \
  template void vector_##name<float>(const float*, float*, int64_t);                               \
  template void vector_##name<double>(const double*, double*, int64_t);

DJLMAMBA_VECTOR_FUNCTION(exp2, exp2(x))
DJLMAMBA_VECTOR_FUNCTION(exp2_in_range, exp2_in_range(x, set1(T(1))))
DJLMAMBA_VECTOR_FUNCTION(softplus, softplus(x))
DJLMAMBA_VECTOR_FUNCTION(softplus_derivative, softplus_derivative(x))
DJLMAMBA_VECTOR_FUNCTION(sigmoid, sigmoid<T>(x))

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
