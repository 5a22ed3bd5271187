/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "isa.h"
#include "measure.h"

/** The machine's rate of fused multiply-adds of floats, for the instruction set in use. */
namespace djlmamba::bench {

/** Rounds of twelve independent sums; the compiler may not know what the factor is, nor leave a sum out. */
#define DJLMAMBA_FMA_LOOP(Vector, fused)                                   \
  Vector factor = {}, sums[12] = {};                                       \
  for (int64_t i = 0; i < rounds; ++i) {                                   \
    __asm__ volatile("" : "+x"(factor));                                   \
    _Pragma("GCC unroll 12") for (int k = 0; k < 12; ++k) {                \
      sums[k] = fused;                                                     \
      __asm__ volatile("" : "+x"(sums[k]));                                \
    }                                                                      \
  }

#if defined(__x86_64__)
__attribute__((target("avx512f"))) inline void fma_avx512(int64_t rounds) { DJLMAMBA_FMA_LOOP(__m512, _mm512_fmadd_ps(factor, factor, sums[k])) }
__attribute__((target("avx2,fma"))) inline void fma_avx2(int64_t rounds) { DJLMAMBA_FMA_LOOP(__m256, _mm256_fmadd_ps(factor, factor, sums[k])) }
#endif
typedef float FourFloats __attribute__((vector_size(16)));
inline void fma_baseline(int64_t rounds) { DJLMAMBA_FMA_LOOP(FourFloats, factor * factor + sums[k]) }

/** Operations (two a multiply-add) per second of all threads together. */
inline double fma_rate(int threads) {
  constexpr int64_t kRounds = 200000;
  void (*loop)(int64_t) = fma_baseline;
  int lanes = 4;
#if defined(__x86_64__)
  if (cpu::isa() == cpu::Isa::kAvx512) {
    loop = fma_avx512;
    lanes = 16;
  } else if (cpu::isa() == cpu::Isa::kAvx2) {
    loop = fma_avx2;
    lanes = 8;
  }
#endif
  const double best = measure(9, [&] { run_blocks(threads, threads, [&](int64_t, int64_t) { loop(kRounds); }); }).best;
  return 2.0 * 12 * lanes * kRounds * threads / best;
}

}  // namespace djlmamba::bench
