/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "selective_scan.h"

#include <algorithm>

#include "dispatch.h"
#include "selective_scan_geometry.h"

namespace djlmamba::cpu {

#define DJLMAMBA_DECLARE(isa_namespace)                                                        \
  namespace isa_namespace {                                                                    \
  template <typename T, typename X>                                                            \
  void selective_scan_forward(const SelectiveScanForward<T, X>&, int64_t, int64_t);            \
  template <typename T, typename X>                                                            \
  void selective_scan_backward(const SelectiveScanBackward<T, X>&, int64_t, int64_t);          \
  template <typename T, typename X>                                                            \
  void selective_scan_backward_reduce(const SelectiveScanBackward<T, X>&, int64_t, int64_t);   \
  }
DJLMAMBA_FOR_EACH_ISA(DJLMAMBA_DECLARE)
#undef DJLMAMBA_DECLARE

namespace {

/* Enough blocks to share among the cores of a large machine, but few enough that reducing d_b and d_c over them stays cheap. */
constexpr int64_t kWantedBlocks = 16;
constexpr int64_t kMaxPacksPerBlock = 16;
constexpr int64_t kTile = 16;
constexpr int64_t kReduceRows = 64;
/* Steps of one state that are worth handing to another thread. */
constexpr int64_t kGrainSteps = 1 << 16;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t grain(int64_t steps_per_block) { return std::max<int64_t>(1, kGrainSteps / std::max<int64_t>(1, steps_per_block)); }

template <typename T>
SelectiveScanPlan plan(const SelectiveScanSizes& sizes) {
  const int lanes = vector_bytes() / static_cast<int>(sizeof(T));
  const SelectiveScanGeometry geometry = selective_scan_geometry(sizes, lanes);
  SelectiveScanPlan plan;
  plan.forward_blocks = sizes.batch * geometry.blocks_per_batch;
  plan.forward_grain = grain(sizes.length * geometry.packs_per_block * lanes * sizes.states);
  plan.checkpoint_elements = geometry.checkpoint_elements;
  plan.backward_blocks = plan.forward_blocks;
  plan.backward_grain = std::max<int64_t>(1, plan.forward_grain / 4);
  plan.backward_reduce_blocks = geometry.packs_per_batch + geometry.reduce_row_blocks;
  plan.backward_reduce_grain = grain(sizes.batch * sizes.states * lanes);
  plan.backward_workspace_elements = geometry.workspace_elements;
  return plan;
}

}  // namespace

SelectiveScanGeometry selective_scan_geometry(const SelectiveScanSizes& sizes, int lanes) {
  SelectiveScanGeometry g;
  g.channels_per_group = sizes.channels / sizes.groups;
  g.packs_per_group = ceil_div(g.channels_per_group, lanes);
  g.packs_per_batch = g.packs_per_group * sizes.groups;
  const int64_t wanted = ceil_div(g.packs_per_batch * sizes.batch, kWantedBlocks);
  g.packs_per_block = std::min(std::max<int64_t>(1, std::min(wanted, kMaxPacksPerBlock)), std::max<int64_t>(1, g.packs_per_group));
  g.blocks_per_group = ceil_div(g.packs_per_group, g.packs_per_block);
  g.blocks_per_batch = g.blocks_per_group * sizes.groups;
  /* Of nearly equal tiles: a short last one would cost almost as much as a whole one. */
  const int64_t tiles = std::max<int64_t>(1, (sizes.length + kTile / 2) / kTile);
  g.tile = std::max<int64_t>(1, ceil_div(sizes.length, tiles));
  g.tiles = std::max<int64_t>(1, ceil_div(sizes.length, g.tile));
  g.checkpoint_elements = sizes.batch * g.tiles * g.packs_per_batch * sizes.states * lanes;

  const int64_t packs = sizes.batch * g.packs_per_batch;
  /* Several blocks, or none: then the reduction writes zeros. */
  const bool reduce = g.blocks_per_group != 1;
  const int64_t rows = reduce ? sizes.batch * g.blocks_per_batch * sizes.length * sizes.states : 0;
  g.d_a_offset = 0;
  g.d_skip_offset = g.d_a_offset + packs * sizes.states * lanes;
  g.d_delta_bias_offset = g.d_skip_offset + packs * lanes;
  g.d_b_offset = g.d_delta_bias_offset + packs * lanes;
  g.d_c_offset = g.d_b_offset + rows;
  g.workspace_elements = g.d_c_offset + rows;
  g.reduce_rows = kReduceRows;
  g.reduce_row_blocks = reduce ? sizes.batch * ceil_div(sizes.length, g.reduce_rows) : 0;
  return g;
}

template <typename T, typename X>
const SelectiveScanKernels<T, X>& selective_scan_kernels() {
  static const SelectiveScanKernels<T, X> kernels = {plan<T>, DJLMAMBA_DISPATCH(selective_scan_forward<T, X>),
                                                     DJLMAMBA_DISPATCH(selective_scan_backward<T, X>),
                                                     DJLMAMBA_DISPATCH(selective_scan_backward_reduce<T, X>)};
  return kernels;
}

template const SelectiveScanKernels<float, float>& selective_scan_kernels<float, float>();
template const SelectiveScanKernels<double, double>& selective_scan_kernels<double, double>();
template const SelectiveScanKernels<float, BFloat16>& selective_scan_kernels<float, BFloat16>();

}  // namespace djlmamba::cpu
