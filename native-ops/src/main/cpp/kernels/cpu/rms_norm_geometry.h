/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include "rms_norm.h"

namespace djlmamba::cpu {

/*
 * How the norm is cut up, as a function of the sizes alone: a block is a stretch of rows, where a row is one token of one batch. Workspace:
 * [backward block][channels], partial sums of d_weight.
 */
struct RmsNormGeometry {
  int64_t rows;
  int64_t forward_rows_per_block;
  int64_t backward_rows_per_block;
  int64_t backward_blocks;
  int64_t channels_per_reduce_block;
};

RmsNormGeometry rms_norm_geometry(const RmsNormSizes& sizes);

}  // namespace djlmamba::cpu
