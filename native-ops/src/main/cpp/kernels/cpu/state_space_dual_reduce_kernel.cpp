/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "state_space_dual_geometry.h"
#include "simd.h"

/* Sums the partial gradients in the workspace, which the blocks of the backward pass left there. */
namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

namespace {

/** Sums the gradients of the parameters of one head over the rows of the batch. */
template <typename T, typename X>
void reduce_head(const StateSpaceDualBackward<T, X>& f, const StateSpaceDualGeometry& geometry, int64_t head) {
  const StateSpaceDualSizes& sizes = f.in.sizes;
  const auto sum = [&](int64_t offset, int64_t width, int64_t at) {
    T total = 0;
    for (int64_t b = 0; b < sizes.batch; ++b) total += f.workspace[offset + (b * sizes.heads + head) * width + at];
    return total;
  };
  if (f.d_a != nullptr) f.d_a[head] = sum(geometry.d_a_offset, 1, 0);
  if (f.d_delta_bias != nullptr) f.d_delta_bias[head] = sum(geometry.d_delta_bias_offset, 1, 0);
  if (f.d_skip.data == nullptr) return;
  T* const d_skip = f.d_skip.data + head * f.d_skip.row_stride;
  T all = 0;
  for (int64_t p = 0; p < sizes.head_size; ++p) {
    const T of_channel = sum(geometry.d_skip_offset, sizes.head_size, p);
    if (f.in.skip_by_channel) d_skip[p] = of_channel;
    all += of_channel;
  }
  if (!f.in.skip_by_channel) *d_skip = all;
}

/** Sums the rows [begin, end) of the gradient of B or C over the blocks of each group. */
template <typename T, typename X>
void reduce_rows(const StateSpaceDualBackward<T, X>& f, const StateSpaceDualGeometry& geometry, int64_t batch, int64_t begin, int64_t end,
                 int64_t offset, const GroupedSequenceView<X>& gradient) {
  if (gradient.data == nullptr) return;
  constexpr int kLanes = Simd<T>::kLanes;
  const int64_t states = f.in.sizes.states, block_stride = f.in.sizes.length * states;
  for (int64_t group = 0; group < f.in.sizes.groups; ++group) {
    const T* first = f.workspace + offset + (batch * geometry.blocks_per_row + group * geometry.blocks_per_group) * block_stride;
    for (int64_t t = begin; t < end; ++t) {
      X* to = gradient.data + batch * gradient.batch_stride + t * gradient.length_stride + group * gradient.group_stride;
      for (int64_t n = 0; n < states; n += kLanes) {
        const int count = states - n < kLanes ? static_cast<int>(states - n) : kLanes;
        Vec<T> sum = {};
        for (int64_t block = 0; block < geometry.blocks_per_group; ++block) sum = sum + load_first(first + block * block_stride + t * states + n, count);
        store_first<X>(to + n, sum, count);
      }
    }
  }
}

}  // namespace

template <typename T, typename X>
void state_space_dual_backward_reduce(const StateSpaceDualBackward<T, X>& f, int64_t block_begin, int64_t block_end) {
  const StateSpaceDualSizes& sizes = f.in.sizes;
  const StateSpaceDualGeometry geometry = state_space_dual_geometry(sizes);
  const int64_t stretches = (sizes.length + geometry.reduce_rows - 1) / geometry.reduce_rows;
  for (int64_t block = block_begin; block < block_end; ++block) {
    if (block < sizes.heads) {
      reduce_head(f, geometry, block);
      continue;
    }
    const int64_t batch = (block - sizes.heads) / stretches;
    const int64_t begin = (block - sizes.heads - batch * stretches) * geometry.reduce_rows;
    const int64_t end = begin + geometry.reduce_rows < sizes.length ? begin + geometry.reduce_rows : sizes.length;
    reduce_rows(f, geometry, batch, begin, end, geometry.d_b_offset, f.d_b);
    reduce_rows(f, geometry, batch, begin, end, geometry.d_c_offset, f.d_c);
  }
}

template void state_space_dual_backward_reduce<float, float>(const StateSpaceDualBackward<float, float>&, int64_t, int64_t);
template void state_space_dual_backward_reduce<double, double>(const StateSpaceDualBackward<double, double>&, int64_t, int64_t);
template void state_space_dual_backward_reduce<float, BFloat16>(const StateSpaceDualBackward<float, BFloat16>&, int64_t, int64_t);

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
