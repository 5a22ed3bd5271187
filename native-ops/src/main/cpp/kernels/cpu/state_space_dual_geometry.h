/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include "state_space_dual.h"

namespace djlmamba::cpu {

/*
 * How the state space dual is cut up, as a function of the sizes alone. A block of the forward pass is one head of one row; neighbouring ones are
 * worked on together, which does not change their results. A block of the backward pass is some neighbouring heads of one group in one row, which
 * share their partial gradients of B and C. A chunk is a stretch of one sequence.
 *
 * workspace:   d_b, d_c      [row][block][token][state]  partial sums over a block's heads
 *              d_skip        [row][head][channel]        partial sums over a row
 *              d_a           [row][head]
 *              d_delta_bias  [row][head]
 */
struct StateSpaceDualGeometry {
  int64_t heads_per_group;
  int64_t heads_per_block;
  int64_t blocks_per_group;
  int64_t blocks_per_row;
  /** Neighbouring blocks of the backward pass that one thread works on together if it gets them; this does not change their results. */
  int64_t blocks_together;
  /** Tokens of a whole chunk of either pass, multiples of 16. */
  int64_t forward_chunk;
  int64_t backward_chunk;
  /** Sequences up to this long are worked on by the recurrence. */
  int64_t recurrent_up_to;
  int64_t d_b_offset;
  int64_t d_c_offset;
  int64_t d_skip_offset;
  int64_t d_a_offset;
  int64_t d_delta_bias_offset;
  int64_t workspace_elements;
  /** Blocks of the reduction: first one per head, then one per row and stretch of reduce_rows tokens. */
  int64_t reduce_rows;
  int64_t reduce_row_blocks;
};

StateSpaceDualGeometry state_space_dual_geometry(const StateSpaceDualSizes& sizes);

}  // namespace djlmamba::cpu
