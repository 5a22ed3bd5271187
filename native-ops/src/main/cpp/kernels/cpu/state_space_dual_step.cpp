/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "state_space_dual_step.h"

#include <algorithm>

#include "dispatch.h"

namespace djlmamba::cpu {

#define DJLMAMBA_DECLARE(isa_namespace)                                             \
  namespace isa_namespace {                                                         \
  template <typename T, typename X>                                                 \
  void state_space_dual_step(const StateSpaceDualStep<T, X>&, int64_t, int64_t);    \
  }
DJLMAMBA_FOR_EACH_ISA(DJLMAMBA_DECLARE)
#undef DJLMAMBA_DECLARE

namespace {

/* Elements of states that are worth handing to another thread. */
constexpr int64_t kGrainElements = 1 << 16;

/* A block is one head of one row. */
StateSpaceDualStepPlan plan(const StateSpaceDualStepSizes& sizes) {
  StateSpaceDualStepPlan plan;
  plan.blocks = sizes.rows * sizes.heads;
  plan.grain = std::max<int64_t>(1, kGrainElements / std::max<int64_t>(1, sizes.head_size * sizes.states));
  return plan;
}

}  // namespace

template <typename T, typename X>
const StateSpaceDualStepKernels<T, X>& state_space_dual_step_kernels() {
  static const StateSpaceDualStepKernels<T, X> kernels = {plan, DJLMAMBA_DISPATCH(state_space_dual_step<T, X>)};
  return kernels;
}

template const StateSpaceDualStepKernels<float, float>& state_space_dual_step_kernels<float, float>();
template const StateSpaceDualStepKernels<double, double>& state_space_dual_step_kernels<double, double>();
template const StateSpaceDualStepKernels<float, BFloat16>& state_space_dual_step_kernels<float, BFloat16>();

}  // namespace djlmamba::cpu
