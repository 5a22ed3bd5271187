/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

/**
 * While one lives, its thread takes and leaves zeros for numbers below the normal ones, on which processors can be a hundred times slower: what a strong
 * decay leaves of a state soon consists of nothing else.
 */
class DenormalsAreZeros {
 public:
#if defined(__SSE2__)
  DenormalsAreZeros() : before_(_mm_getcsr()) { _mm_setcsr(before_ | kFlushToZero | kDenormalsAreZeros); }
  ~DenormalsAreZeros() { _mm_setcsr(before_); }
#endif
  DenormalsAreZeros(const DenormalsAreZeros&) = delete;
  DenormalsAreZeros& operator=(const DenormalsAreZeros&) = delete;

#if defined(__SSE2__)
 private:
  static constexpr unsigned kFlushToZero = 0x8000;
  static constexpr unsigned kDenormalsAreZeros = 0x0040;
  unsigned before_;
#else
  DenormalsAreZeros() = default;
#endif
};

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
