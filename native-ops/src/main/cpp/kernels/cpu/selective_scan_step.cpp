/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "selective_scan_step.h"

#include <algorithm>

#include "dispatch.h"

namespace djlmamba::cpu {

#define DJLMAMBA_DECLARE(isa_namespace)                                          \
  namespace isa_namespace {                                                      \
  template <typename T, typename X>                                              \
  void selective_scan_step(const SelectiveScanStep<T, X>&, int64_t, int64_t);    \
  }
DJLMAMBA_FOR_EACH_ISA(DJLMAMBA_DECLARE)
#undef DJLMAMBA_DECLARE

namespace {

/* Elements of a block's state. */
constexpr int64_t kBlockElements = 1 << 12;
/* Elements of states that are worth handing to another thread. */
constexpr int64_t kGrainElements = 1 << 13;
/* A whole number of vectors of every instruction set. */
constexpr int64_t kChannelMultiple = 16;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

SelectiveScanStepPlan plan(const SelectiveScanStepSizes& sizes) {
  const SelectiveScanStepGeometry geometry = selective_scan_step_geometry(sizes);
  SelectiveScanStepPlan plan;
  plan.blocks = sizes.rows * sizes.groups * geometry.chunks_per_group;
  plan.grain = std::max<int64_t>(1, kGrainElements / std::max<int64_t>(1, geometry.chunk * sizes.states));
  return plan;
}

}  // namespace

SelectiveScanStepGeometry selective_scan_step_geometry(const SelectiveScanStepSizes& sizes) {
  SelectiveScanStepGeometry g;
  g.channels_per_group = sizes.channels / sizes.groups;
  g.chunk = std::max<int64_t>(1, kBlockElements / (sizes.states * kChannelMultiple)) * kChannelMultiple;
  g.chunks_per_group = ceil_div(g.channels_per_group, g.chunk);
  return g;
}

template <typename T, typename X>
const SelectiveScanStepKernels<T, X>& selective_scan_step_kernels() {
  static const SelectiveScanStepKernels<T, X> kernels = {plan, DJLMAMBA_DISPATCH(selective_scan_step<T, X>)};
  return kernels;
}

template const SelectiveScanStepKernels<float, float>& selective_scan_step_kernels<float, float>();
template const SelectiveScanStepKernels<double, double>& selective_scan_step_kernels<double, double>();
template const SelectiveScanStepKernels<float, BFloat16>& selective_scan_step_kernels<float, BFloat16>();

}  // namespace djlmamba::cpu
