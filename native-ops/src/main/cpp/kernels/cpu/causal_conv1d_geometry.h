/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include "causal_conv1d.h"

namespace djlmamba::cpu {

/*
 * How a pass is cut up, as a function of the sizes alone: a block is a chunk of channels of a stretch of rows of one batch, numbered
 * [chunk][batch][stretch]. Workspace of the backward pass: [batch][stretch][width + 1][channels], partial sums of d_weight and, last, of d_bias.
 */
struct CausalConv1dGeometry {
  int64_t rows_per_block;
  int64_t row_blocks;
  int64_t channels_per_block;
  int64_t channel_blocks;
  int64_t blocks;
};

CausalConv1dGeometry causal_conv1d_forward_geometry(const CausalConv1dSizes& sizes);
CausalConv1dGeometry causal_conv1d_backward_geometry(const CausalConv1dSizes& sizes);

}  // namespace djlmamba::cpu
