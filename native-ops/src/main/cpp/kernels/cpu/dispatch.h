/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include "isa.h"

/*
 * One kernel source is compiled into one namespace per instruction set. DJLMAMBA_FOR_EACH_ISA(M) expands M(namespace) for each that this build
 * contains; DJLMAMBA_DISPATCH(function) is the address of namespace::function for the instruction set in use.
 */
#if defined(DJLMAMBA_X86_KERNELS)
#define DJLMAMBA_FOR_EACH_ISA(M) M(baseline) M(avx2) M(avx512)
#define DJLMAMBA_DISPATCH(...) \
  (isa() == Isa::kAvx512 ? &avx512::__VA_ARGS__ : isa() == Isa::kAvx2 ? &avx2::__VA_ARGS__ : &baseline::__VA_ARGS__)
#else
#define DJLMAMBA_FOR_EACH_ISA(M) M(baseline)
#define DJLMAMBA_DISPATCH(...) (&baseline::__VA_ARGS__)
#endif

namespace djlmamba::cpu {

/** Bytes of a vector register for the instruction set in use. */
inline int vector_bytes() { return isa() == Isa::kAvx512 ? 64 : isa() == Isa::kAvx2 ? 32 : 16; }

}  // namespace djlmamba::cpu
