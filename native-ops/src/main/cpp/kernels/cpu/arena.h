/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

/* Scratch memory in pieces; compiled once per instruction set (see simd.h). */

#include "scratch.h"
#include "simd.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

/** Hands out 64-byte aligned pieces of one allocation; with a null start it only adds up their sizes. */
struct Arena {
  char* next;
  size_t bytes;

  template <typename U>
  U* take(int64_t count) {
    const size_t size = (static_cast<size_t>(count) * sizeof(U) + 63) / 64 * 64;
    char* p = next;
    if (next != nullptr) next += size;
    bytes += size;
    return reinterpret_cast<U*>(p);
  }
};

/** Lets `take(arena)` have its pieces of the calling thread's scratch memory, which is valid until the thread's next call of this. */
template <typename Take>
DJLMAMBA_INLINE void take_scratch(Take take) {
  Arena measure = {nullptr, 0};
  take(measure);
  Arena arena = {static_cast<char*>(thread_scratch(measure.bytes)), 0};
  take(arena);
}

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
