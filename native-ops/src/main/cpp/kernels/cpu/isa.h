/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

namespace djlmamba::cpu {

/** The instruction sets that the kernels are compiled for, weakest first. */
enum class Isa { kBaseline = 0, kAvx2 = 1, kAvx512 = 2 };

/**
 * The instruction set in use, chosen once per process: the best one that was compiled in and that the processor has. The environment
 * variable DJLMAMBA_ISA (baseline, avx2 or avx512) lowers the choice; a value that is unknown or above what the machine has is ignored.
 */
Isa isa();

/** "baseline", "avx2" or "avx512". */
const char* isa_name();

}  // namespace djlmamba::cpu
