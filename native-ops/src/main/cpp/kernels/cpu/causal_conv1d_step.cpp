/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "causal_conv1d_step.h"

#include <algorithm>

#include "dispatch.h"

namespace djlmamba::cpu {

#define DJLMAMBA_DECLARE(isa_namespace)                                        \
  namespace isa_namespace {                                                    \
  template <typename T, typename X>                                            \
  void causal_conv1d_step(const CausalConv1dStep<T, X>&, int64_t, int64_t);    \
  }
DJLMAMBA_FOR_EACH_ISA(DJLMAMBA_DECLARE)
#undef DJLMAMBA_DECLARE

namespace {

/* Elements of states that are worth handing to another thread. */
constexpr int64_t kGrainElements = 1 << 15;

CausalConv1dStepPlan plan(const CausalConv1dStepSizes& sizes) {
  CausalConv1dStepPlan plan;
  plan.blocks = sizes.rows * ((sizes.channels + kConvStepChannels - 1) / kConvStepChannels);
  plan.grain = std::max<int64_t>(1, kGrainElements / (kConvStepChannels * sizes.width));
  return plan;
}

}  // namespace

template <typename T, typename X>
const CausalConv1dStepKernels<T, X>& causal_conv1d_step_kernels() {
  static const CausalConv1dStepKernels<T, X> kernels = {plan, DJLMAMBA_DISPATCH(causal_conv1d_step<T, X>)};
  return kernels;
}

template const CausalConv1dStepKernels<float, float>& causal_conv1d_step_kernels<float, float>();
template const CausalConv1dStepKernels<double, double>& causal_conv1d_step_kernels<double, double>();
template const CausalConv1dStepKernels<float, BFloat16>& causal_conv1d_step_kernels<float, BFloat16>();

}  // namespace djlmamba::cpu
