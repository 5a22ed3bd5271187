/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "state_space_dual.h"

#include <algorithm>

#include "dispatch.h"
#include "state_space_dual_geometry.h"

namespace djlmamba::cpu {

#define DJLMAMBA_DECLARE(isa_namespace)                                                          \
  namespace isa_namespace {                                                                      \
  template <typename T, typename X>                                                              \
  void state_space_dual_forward(const StateSpaceDualForward<T, X>&, int64_t, int64_t);           \
  template <typename T, typename X>                                                              \
  void state_space_dual_backward(const StateSpaceDualBackward<T, X>&, int64_t, int64_t);         \
  template <typename T, typename X>                                                              \
  void state_space_dual_backward_reduce(const StateSpaceDualBackward<T, X>&, int64_t, int64_t);  \
  }
DJLMAMBA_FOR_EACH_ISA(DJLMAMBA_DECLARE)
#undef DJLMAMBA_DECLARE

namespace {

constexpr int64_t kDecayBlock = 16;
constexpr int64_t kLargestChunk = 256;
/* The largest chunks that are chosen; the first-level cache sets them. */
constexpr int64_t kMostChosenForward = 32;
constexpr int64_t kMostChosenBackward = 64;
/* A state is read and written once by a token of the recurrence, and about five times by a chunk of any length. */
constexpr int64_t kRecurrentUpTo = 4;
/* Heads that share what depends on their group alone, and the memory of the partial gradients of B and C. */
constexpr int64_t kFewestHeads = 6;
constexpr int64_t kMostHeads = 12;
/* Heads that a thread takes through a chunk one after the other: the more, the fewer times it goes over the pages of x and its like. */
constexpr int64_t kMostHeadsTogether = 24;
constexpr int64_t kWantedBlocks = 16;
/* Elements of the states before each chunk that a thread keeps in the backward pass. */
constexpr int64_t kMostChunkStates = int64_t{1} << 25;
constexpr int64_t kReduceRows = 64;
/* Steps of one element of a state that are worth handing to another thread. */
constexpr int64_t kGrainSteps = 1 << 18;
/* The same of the recurrence, which waits for memory. */
constexpr int64_t kGrainRecurrentSteps = 1 << 16;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t grain(int64_t steps_per_block, int64_t steps = kGrainSteps) { return std::max<int64_t>(1, steps / std::max<int64_t>(1, steps_per_block)); }

/* The products with the state take 4 N P operations a token forward and 10 N P backward, those inside a chunk up to 2 Q P and 4 Q P. */
int64_t chunk(const StateSpaceDualSizes& sizes, int64_t most) {
  if (sizes.chunk > 1) return std::min(kLargestChunk, ceil_div(sizes.chunk, kDecayBlock) * kDecayBlock);
  return std::min<int64_t>(most, sizes.states >= 48 ? 64 : sizes.states >= 24 ? 32 : 16);
}

StateSpaceDualPlan plan(const StateSpaceDualSizes& sizes) {
  const StateSpaceDualGeometry geometry = state_space_dual_geometry(sizes);
  const int64_t steps_per_head = sizes.length * sizes.head_size * sizes.states;
  StateSpaceDualPlan plan;
  plan.forward_blocks = sizes.batch * sizes.heads;
  plan.forward_grain = grain(steps_per_head, sizes.length <= geometry.recurrent_up_to ? kGrainRecurrentSteps : kGrainSteps);
  plan.backward_blocks = sizes.batch * geometry.blocks_per_row;
  plan.backward_grain = grain(3 * steps_per_head * geometry.heads_per_block);
  plan.backward_reduce_blocks = sizes.heads + geometry.reduce_row_blocks;
  plan.backward_reduce_grain = grain(8 * geometry.reduce_rows * sizes.states * geometry.blocks_per_group);
  plan.backward_workspace_elements = geometry.workspace_elements;
  return plan;
}

}  // namespace

StateSpaceDualGeometry state_space_dual_geometry(const StateSpaceDualSizes& sizes) {
  StateSpaceDualGeometry g;
  g.forward_chunk = chunk(sizes, kMostChosenForward);
  g.backward_chunk = chunk(sizes, kMostChosenBackward);
  g.recurrent_up_to = sizes.chunk == 1 ? sizes.length : sizes.chunk == 0 ? kRecurrentUpTo : 0;
  g.heads_per_group = sizes.heads / sizes.groups;
  const int64_t chunk_states = ceil_div(sizes.length, g.backward_chunk) * sizes.head_size * sizes.states;
  const int64_t together = std::clamp<int64_t>(kMostChunkStates / std::max<int64_t>(1, chunk_states), 1, kMostHeadsTogether);
  const int64_t heads = std::min(together, std::clamp(sizes.batch * sizes.heads / kWantedBlocks, kFewestHeads, kMostHeads));
  g.blocks_per_group = ceil_div(g.heads_per_group, heads);
  g.heads_per_block = g.blocks_per_group == 0 ? 1 : ceil_div(g.heads_per_group, g.blocks_per_group);
  g.blocks_per_row = g.blocks_per_group * sizes.groups;
  g.blocks_together = std::max<int64_t>(1, std::min(together / g.heads_per_block, g.blocks_per_group));

  const int64_t rows = sizes.batch * g.blocks_per_row * sizes.length * sizes.states;
  const int64_t heads_of_rows = sizes.batch * sizes.heads;
  g.d_b_offset = 0;
  g.d_c_offset = g.d_b_offset + rows;
  g.d_skip_offset = g.d_c_offset + rows;
  g.d_a_offset = g.d_skip_offset + heads_of_rows * sizes.head_size;
  g.d_delta_bias_offset = g.d_a_offset + heads_of_rows;
  g.workspace_elements = g.d_delta_bias_offset + heads_of_rows;
  g.reduce_rows = kReduceRows;
  g.reduce_row_blocks = sizes.batch * ceil_div(sizes.length, g.reduce_rows);
  return g;
}

template <typename T, typename X>
const StateSpaceDualKernels<T, X>& state_space_dual_kernels() {
  static const StateSpaceDualKernels<T, X> kernels = {plan, DJLMAMBA_DISPATCH(state_space_dual_forward<T, X>),
                                                      DJLMAMBA_DISPATCH(state_space_dual_backward<T, X>),
                                                      DJLMAMBA_DISPATCH(state_space_dual_backward_reduce<T, X>)};
  return kernels;
}

template const StateSpaceDualKernels<float, float>& state_space_dual_kernels<float, float>();
template const StateSpaceDualKernels<double, double>& state_space_dual_kernels<double, double>();
template const StateSpaceDualKernels<float, BFloat16>& state_space_dual_kernels<float, BFloat16>();

}  // namespace djlmamba::cpu
