/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "scratch.h"

#include <cstdlib>
#include <memory>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace djlmamba::cpu {

namespace {

constexpr size_t kAlignment = 64;
/* From this size on memory is asked for in pages of this size, where the system has them: a pass over many small ones waits for their addresses. */
constexpr size_t kHugePage = size_t{2} << 20;

struct Free {
  void operator()(void* p) const { std::free(p); }
};

struct Buffer {
  std::unique_ptr<void, Free> memory;
  size_t bytes = 0;
};

}  // namespace

void* thread_scratch(size_t bytes) {
  thread_local Buffer buffer;
  if (bytes > buffer.bytes || !buffer.memory) {
    const size_t alignment = bytes < kHugePage ? kAlignment : kHugePage;
    const size_t rounded = (bytes / alignment + 1) * alignment;
    buffer.memory.reset();
    buffer.bytes = 0;
    buffer.memory.reset(std::aligned_alloc(alignment, rounded));
    if (!buffer.memory) throw std::bad_alloc();
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (alignment == kHugePage) madvise(buffer.memory.get(), rounded, MADV_HUGEPAGE);
#endif
    buffer.bytes = rounded;
  }
  return buffer.memory.get();
}

}  // namespace djlmamba::cpu
