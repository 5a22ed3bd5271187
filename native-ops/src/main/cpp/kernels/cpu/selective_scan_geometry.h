/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include "selective_scan.h"

namespace djlmamba::cpu {

/*
 * How the selective scan is cut up, as a function of the sizes alone. A pack is one vector of neighbouring channels of one group (the last pack
 * of a group may be partly empty); a block is some neighbouring packs of one group in one batch; a tile is a stretch of time.
 *
 * checkpoints: the states before each tile, [batch][tile][pack][state][lane].
 * workspace:   d_a          [batch][pack][state][lane]   partial sums over time
 *              d_skip       [batch][pack][lane]
 *              d_delta_bias [batch][pack][lane]
 *              d_b, d_c     [batch][block][time][state]  partial sums over a block's channels, unless a group is one block
 */
struct SelectiveScanGeometry {
  int64_t channels_per_group;
  int64_t packs_per_group;
  int64_t packs_per_batch;
  int64_t packs_per_block;
  int64_t blocks_per_group;
  int64_t blocks_per_batch;
  int64_t tile;
  int64_t tiles;
  int64_t checkpoint_elements;
  int64_t d_a_offset;
  int64_t d_skip_offset;
  int64_t d_delta_bias_offset;
  int64_t d_b_offset;
  int64_t d_c_offset;
  int64_t workspace_elements;
  /** Blocks of the reduction: first one per pack, then one per batch and stretch of reduce_rows of the rows of d_b and d_c. */
  int64_t reduce_rows;
  int64_t reduce_row_blocks;
};

SelectiveScanGeometry selective_scan_geometry(const SelectiveScanSizes& sizes, int lanes);

}  // namespace djlmamba::cpu
