/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include "gated_product.h"

namespace djlmamba::cpu {

/** How the product is cut up, as a function of the sizes alone: a block is a chunk of channels of a stretch of rows, numbered [stretch][chunk]. */
struct GatedProductGeometry {
  int64_t rows;
  int64_t rows_per_block;
  int64_t channels_per_block;
  int64_t channel_blocks;
  int64_t blocks;
};

GatedProductGeometry gated_product_geometry(const GatedProductSizes& sizes);

}  // namespace djlmamba::cpu
