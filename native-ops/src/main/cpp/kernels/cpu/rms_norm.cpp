/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "rms_norm.h"

#include <algorithm>

#include "dispatch.h"
#include "rms_norm_geometry.h"

namespace djlmamba::cpu {

#define DJLMAMBA_DECLARE(isa_namespace)                                                \
  namespace isa_namespace {                                                            \
  template <typename T, typename X, typename O>                                        \
  void rms_norm_forward(const RmsNormForward<T, X, O>&, int64_t, int64_t);             \
  template <typename T, typename X, typename O>                                        \
  void rms_norm_backward(const RmsNormBackward<T, X, O>&, int64_t, int64_t);           \
  template <typename T, typename X, typename O>                                        \
  void rms_norm_backward_reduce(const RmsNormBackward<T, X, O>&, int64_t, int64_t);    \
  }
DJLMAMBA_FOR_EACH_ISA(DJLMAMBA_DECLARE)
#undef DJLMAMBA_DECLARE

namespace {

/* Elements that are worth a block, and handing to another thread. */
constexpr int64_t kForwardElements = 1 << 14;
/* The backward pass leaves a row of partial sums for each block: with this many rows they are few beside what it reads. */
constexpr int64_t kBackwardElements = 1 << 16;
constexpr int64_t kLeastBackwardRows = 16;
constexpr int64_t kChannelsPerReduceBlock = 512;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

RmsNormPlan plan(const RmsNormSizes& sizes) {
  const RmsNormGeometry geometry = rms_norm_geometry(sizes);
  RmsNormPlan plan;
  plan.forward_blocks = ceil_div(geometry.rows, geometry.forward_rows_per_block);
  plan.backward_blocks = geometry.backward_blocks;
  plan.backward_reduce_blocks = ceil_div(sizes.channels, geometry.channels_per_reduce_block);
  plan.backward_workspace_elements = geometry.backward_blocks * sizes.channels;
  return plan;
}

}  // namespace

RmsNormGeometry rms_norm_geometry(const RmsNormSizes& sizes) {
  const int64_t channels = std::max<int64_t>(1, sizes.channels);
  RmsNormGeometry g;
  g.rows = sizes.channels == 0 ? 0 : sizes.batch * sizes.length;
  g.forward_rows_per_block = std::max<int64_t>(1, kForwardElements / channels);
  g.backward_rows_per_block = std::max<int64_t>(kLeastBackwardRows, kBackwardElements / channels);
  g.backward_blocks = ceil_div(g.rows, g.backward_rows_per_block);
  g.channels_per_reduce_block = kChannelsPerReduceBlock;
  return g;
}

template <typename T, typename X, typename O>
const RmsNormKernels<T, X, O>& rms_norm_kernels() {
  static const RmsNormKernels<T, X, O> kernels = {plan, DJLMAMBA_DISPATCH(rms_norm_forward<T, X, O>),
                                                  DJLMAMBA_DISPATCH(rms_norm_backward<T, X, O>),
                                                  DJLMAMBA_DISPATCH(rms_norm_backward_reduce<T, X, O>)};
  return kernels;
}

#define DJLMAMBA_INSTANTIATE(T, X, O) template const RmsNormKernels<T, X, O>& rms_norm_kernels<T, X, O>();
DJLMAMBA_FOR_EACH_RMS_NORM(DJLMAMBA_INSTANTIATE)
#undef DJLMAMBA_INSTANTIATE

}  // namespace djlmamba::cpu
