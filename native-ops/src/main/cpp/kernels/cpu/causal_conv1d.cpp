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

#define DJLMAMBA_DECLARE(isa_namespace)                                                      \
  namespace isa_namespace {                                                                  \
  template <typename T, typename X>                                                          \
  void causal_conv1d_forward(const CausalConv1dForward<T, X>&, int64_t, int64_t);            \
  template <typename T, typename X>                                                          \
  void causal_conv1d_backward(const CausalConv1dBackward<T, X>&, int64_t, int64_t);          \
  template <typename T, typename X>                                                          \
  void causal_conv1d_backward_reduce(const CausalConv1dBackward<T, X>&, int64_t, int64_t);   \
  }
DJLMAMBA_FOR_EACH_ISA(DJLMAMBA_DECLARE)
#undef DJLMAMBA_DECLARE

namespace {

constexpr int64_t kForwardRows = 32;
/* The backward pass goes down columns of three arrays: with the rows beyond a block, their pages fit in a first-level TLB of 96 entries. */
constexpr int64_t kBackwardRows = 24;
/* As long runs of memory as the first-level cache holds weights for. */
constexpr int64_t kChannelsPerBlock = 2048;
/* A whole number of vectors of every instruction set. */
constexpr int64_t kChannelMultiple = 16;
/* Elements that are worth handing to another thread. */
constexpr int64_t kGrainElements = 1 << 14;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

CausalConv1dGeometry geometry(const CausalConv1dSizes& sizes, int64_t rows) {
  CausalConv1dGeometry g;
  g.row_blocks = std::max<int64_t>(1, ceil_div(sizes.length, rows));
  g.rows_per_block = ceil_div(sizes.length, g.row_blocks);
  g.channel_blocks = ceil_div(sizes.channels, kChannelsPerBlock);
  g.channels_per_block =
      g.channel_blocks == 0 ? 0 : ceil_div(ceil_div(sizes.channels, g.channel_blocks), kChannelMultiple) * kChannelMultiple;
  g.channel_blocks = g.channel_blocks == 0 ? 0 : ceil_div(sizes.channels, g.channels_per_block);
  g.blocks = sizes.batch * g.row_blocks * g.channel_blocks;
  return g;
}

int64_t grain(const CausalConv1dGeometry& geometry) {
  return std::max<int64_t>(1, kGrainElements / std::max<int64_t>(1, geometry.rows_per_block * geometry.channels_per_block));
}

CausalConv1dPlan plan(const CausalConv1dSizes& sizes) {
  const CausalConv1dGeometry forward = causal_conv1d_forward_geometry(sizes);
  const CausalConv1dGeometry backward = causal_conv1d_backward_geometry(sizes);
  CausalConv1dPlan plan;
  plan.forward_blocks = forward.blocks;
  plan.forward_grain = grain(forward);
  plan.backward_blocks = backward.blocks;
  plan.backward_grain = std::max<int64_t>(1, grain(backward) / 2);
  plan.backward_reduce_blocks = backward.channel_blocks;
  plan.backward_reduce_grain = 1;
  plan.backward_workspace_elements = sizes.batch * backward.row_blocks * (sizes.width + 1) * sizes.channels;
  return plan;
}

}  // namespace

CausalConv1dGeometry causal_conv1d_forward_geometry(const CausalConv1dSizes& sizes) { return geometry(sizes, kForwardRows); }

CausalConv1dGeometry causal_conv1d_backward_geometry(const CausalConv1dSizes& sizes) { return geometry(sizes, kBackwardRows); }

template <typename T, typename X>
const CausalConv1dKernels<T, X>& causal_conv1d_kernels() {
  static const CausalConv1dKernels<T, X> kernels = {plan, DJLMAMBA_DISPATCH(causal_conv1d_forward<T, X>),
                                                    DJLMAMBA_DISPATCH(causal_conv1d_backward<T, X>),
                                                    DJLMAMBA_DISPATCH(causal_conv1d_backward_reduce<T, X>)};
  return kernels;
}

template const CausalConv1dKernels<float, float>& causal_conv1d_kernels<float, float>();
template const CausalConv1dKernels<double, double>& causal_conv1d_kernels<double, double>();
template const CausalConv1dKernels<float, BFloat16>& causal_conv1d_kernels<float, BFloat16>();

}  // namespace djlmamba::cpu
