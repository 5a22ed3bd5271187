/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "isa.h"

#include <cstdlib>
#include <cstring>

namespace djlmamba::cpu {

namespace {

constexpr const char* kNames[] = {"baseline", "avx2", "avx512"};

Isa best_isa() {
#if defined(DJLMAMBA_X86_KERNELS)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return avx512 ? Isa::kAvx512 : avx2 ? Isa::kAvx2 : Isa::kBaseline;
#else
  return Isa::kBaseline;
#endif
}

Isa chosen_isa() {
  const Isa best = best_isa();
  const char* wanted = std::getenv("DJLMAMBA_ISA");
  for (int i = 0; wanted != nullptr && i <= static_cast<int>(best); ++i) {
    if (std::strcmp(wanted, kNames[i]) == 0) return static_cast<Isa>(i);
  }
  return best;
}

}  // namespace

Isa isa() {
  static const Isa chosen = chosen_isa();
  return chosen;
}

const char* isa_name() { return kNames[static_cast<int>(isa())]; }

}  // namespace djlmamba::cpu
