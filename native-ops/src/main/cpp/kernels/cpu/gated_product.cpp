/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "gated_product.h"

#include <algorithm>

#include "dispatch.h"
#include "gated_product_geometry.h"

namespace djlmamba::cpu {

#define DJLMAMBA_DECLARE(isa_namespace)                                             \
  namespace isa_namespace {                                                         \
  template <typename T, typename X>                                                 \
  void gated_product_forward(const GatedProductForward<X>&, int64_t, int64_t);      \
  template <typename T, typename X>                                                 \
  void gated_product_backward(const GatedProductBackward<X>&, int64_t, int64_t);    \
  }
DJLMAMBA_FOR_EACH_ISA(DJLMAMBA_DECLARE)
#undef DJLMAMBA_DECLARE

namespace {

/* Elements that are worth a block, and handing to another thread. A whole number of vectors of every instruction set. */
constexpr int64_t kElementsPerBlock = 1 << 14;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

GatedProductPlan plan(const GatedProductSizes& sizes) { return {gated_product_geometry(sizes).blocks, 1}; }

}  // namespace

GatedProductGeometry gated_product_geometry(const GatedProductSizes& sizes) {
  GatedProductGeometry g;
  g.rows = sizes.batch * sizes.length;
  g.channels_per_block = kElementsPerBlock;
  g.channel_blocks = ceil_div(sizes.channels, g.channels_per_block);
  g.rows_per_block = g.channel_blocks == 1 ? std::max<int64_t>(1, kElementsPerBlock / sizes.channels) : 1;
  g.blocks = g.channel_blocks * ceil_div(g.rows, g.rows_per_block);
  return g;
}

template <typename T, typename X>
const GatedProductKernels<T, X>& gated_product_kernels() {
  static const GatedProductKernels<T, X> kernels = {plan, DJLMAMBA_DISPATCH(gated_product_forward<T, X>),
                                                    DJLMAMBA_DISPATCH(gated_product_backward<T, X>)};
  return kernels;
}

template const GatedProductKernels<double, double>& gated_product_kernels<double, double>();
template const GatedProductKernels<float, float>& gated_product_kernels<float, float>();
template const GatedProductKernels<float, BFloat16>& gated_product_kernels<float, BFloat16>();

}  // namespace djlmamba::cpu
