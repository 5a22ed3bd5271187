/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "causal_conv1d.h"

#include <algorithm>

#include "causal_conv1d_geometry.h"
#include "dispatch.h"

namespace djlmamba::cpu {

#define DJLMAMBA_DECLARE(isa_namespace)                                                   \
  namespace isa_namespace {                                                               \
  template <typename T>                                                                   \
  void causal_conv1d_forward(const CausalConv1dForward<T>&, int64_t, int64_t);            \
  template <typename T>                                                                   \
  void causal_conv1d_backward(const CausalConv1dBackward<T>&, int64_t, int64_t);          \
  template <typename T>                                                                   \
  void causal_conv1d_backward_reduce(const CausalConv1dBackward<T>&, int64_t, int64_t);   \
  }
DJLMAMBA_FOR_EACH_ISA(DJLMAMBA_DECLARE)
#undef DJLMAMBA_DECLARE

namespace {

/* The backward pass goes down columns of three arrays: with the rows beyond a block, their pages fit in a first-level TLB of 96 entries. */
constexpr int64_t kRowsPerBlock = 24;
/* The rows in reach of one output and the weights stay in the first-level cache. */
constexpr int64_t kChannelsPerBlock = 1024;
/* A whole number of vectors of every instruction set. */
constexpr int64_t kChannelMultiple = 16;
/* Elements that are worth handing to another thread. */
constexpr int64_t kGrainElements = 1 << 14;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

CausalConv1dPlan plan(const CausalConv1dSizes& sizes) {
  const CausalConv1dGeometry geometry = causal_conv1d_geometry(sizes);
  const int64_t elements = std::max<int64_t>(1, geometry.rows_per_block * geometry.channels_per_block);
  CausalConv1dPlan plan;
  plan.forward_blocks = geometry.blocks;
  plan.forward_grain = std::max<int64_t>(1, kGrainElements / elements);
  plan.backward_blocks = geometry.blocks;
  plan.backward_grain = std::max<int64_t>(1, plan.forward_grain / 2);
  plan.backward_reduce_blocks = geometry.channel_blocks;
  plan.backward_reduce_grain = 1;
  plan.backward_workspace_elements = geometry.workspace_elements;
  return plan;
}

}  // namespace

CausalConv1dGeometry causal_conv1d_geometry(const CausalConv1dSizes& sizes) {
  CausalConv1dGeometry g;
  g.row_blocks = std::max<int64_t>(1, ceil_div(sizes.length, kRowsPerBlock));
  g.rows_per_block = ceil_div(sizes.length, g.row_blocks);
  g.channel_blocks = ceil_div(sizes.channels, kChannelsPerBlock);
  g.channels_per_block =
      g.channel_blocks == 0 ? 0 : ceil_div(ceil_div(sizes.channels, g.channel_blocks), kChannelMultiple) * kChannelMultiple;
  g.channel_blocks = g.channel_blocks == 0 ? 0 : ceil_div(sizes.channels, g.channels_per_block);
  g.blocks = sizes.batch * g.row_blocks * g.channel_blocks;
  g.workspace_elements = sizes.batch * g.row_blocks * (sizes.width + 1) * sizes.channels;
  return g;
}

template <typename T>
const CausalConv1dKernels<T>& causal_conv1d_kernels() {
  static const CausalConv1dKernels<T> kernels = {plan, DJLMAMBA_DISPATCH(causal_conv1d_forward<T>),
                                                 DJLMAMBA_DISPATCH(causal_conv1d_backward<T>),
                                                 DJLMAMBA_DISPATCH(causal_conv1d_backward_reduce<T>)};
  return kernels;
}

template const CausalConv1dKernels<float>& causal_conv1d_kernels<float>();
template const CausalConv1dKernels<double>& causal_conv1d_kernels<double>();

}  // namespace djlmamba::cpu
