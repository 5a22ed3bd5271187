/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "rotary_embedding.h"

#include <algorithm>

#include "dispatch.h"

namespace djlmamba::cpu {

#define DJLMAMBA_DECLARE(isa_namespace)                                           \
  namespace isa_namespace {                                                       \
  template <typename T, typename X>                                               \
  void rotary_embedding(const RotaryEmbeddingArguments<X>&, int64_t, int64_t);    \
  }
DJLMAMBA_FOR_EACH_ISA(DJLMAMBA_DECLARE)
#undef DJLMAMBA_DECLARE

namespace {

/* Elements that are worth handing to another thread. */
constexpr int64_t kGrainElements = 1 << 14;

RotaryEmbeddingPlan plan(const RotaryEmbeddingSizes& sizes) {
  RotaryEmbeddingPlan plan;
  if (sizes.length > 0) {
    const int64_t first = sizes.position / kRotaryPositions;
    const int64_t last = (sizes.position + sizes.length - 1) / kRotaryPositions;
    plan.blocks = (last - first + 1) * sizes.batch;
    const int64_t elements = std::min(sizes.length, kRotaryPositions) * sizes.heads * sizes.head_size;
    plan.grain = std::max<int64_t>(1, kGrainElements / std::max<int64_t>(1, elements));
  }
  return plan;
}

}  // namespace

template <typename T, typename X>
const RotaryEmbeddingKernels<T, X>& rotary_embedding_kernels() {
  static const RotaryEmbeddingKernels<T, X> kernels = {plan, DJLMAMBA_DISPATCH(rotary_embedding<T, X>)};
  return kernels;
}

template const RotaryEmbeddingKernels<double, double>& rotary_embedding_kernels<double, double>();
template const RotaryEmbeddingKernels<float, float>& rotary_embedding_kernels<float, float>();
template const RotaryEmbeddingKernels<float, BFloat16>& rotary_embedding_kernels<float, BFloat16>();

}  // namespace djlmamba::cpu
