/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "selective_scan_packs.h"

/* Sums the partial gradients in the workspace, which the blocks of the backward pass left there. */
namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

namespace {

/** Sums `count` vectors that are `stride` elements apart, in order; of each the first `lanes` elements. */
template <typename T>
DJLMAMBA_INLINE Vec<T> sum_strided(const T* from, int64_t stride, int64_t count, int lanes = Simd<T>::kLanes) {
  Vec<T> sum = {};
  for (int64_t i = 0; i < count; ++i) sum = sum + load_first(from + i * stride, lanes);
  return sum;
}

/** Sums the gradients of A, skip and delta_bias of one pack over the batches. */
template <typename T, typename X>
void reduce_pack(const SelectiveScanBackward<T, X>& f, const SelectiveScanGeometry& geometry, int64_t pack, T* scratch) {
  constexpr int kLanes = Simd<T>::kLanes;
  const int64_t states = f.in.sizes.states;
  const int64_t batches = f.in.sizes.batch;
  const PackChannels channels = pack_channels(geometry, pack, kLanes);
  const int64_t lanes_stride = geometry.packs_per_batch * kLanes;
  if (f.d_a.data != nullptr) {
    const T* from = f.workspace + geometry.d_a_offset + pack * states * kLanes;
    for (int64_t n = 0; n < states; ++n) store<T>(scratch + n * kLanes, sum_strided(from + n * kLanes, lanes_stride * states, batches));
    unpack_columns(scratch, f.d_a.row_stride, channels.count, states, f.d_a.data + channels.first * f.d_a.row_stride);
  }
  if (f.d_skip != nullptr) {
    const Vec<T> sum = sum_strided(f.workspace + geometry.d_skip_offset + pack * kLanes, lanes_stride, batches);
    store_first<T>(f.d_skip + channels.first, sum, channels.count);
  }
  if (f.d_delta_bias != nullptr) {
    const Vec<T> sum = sum_strided(f.workspace + geometry.d_delta_bias_offset + pack * kLanes, lanes_stride, batches);
    store_first<T>(f.d_delta_bias + channels.first, sum, channels.count);
  }
}

/** Sums the rows [begin, end) of the gradient of B or C over the blocks of each group. */
template <typename T, typename X>
void reduce_rows(const SelectiveScanBackward<T, X>& f, const SelectiveScanGeometry& geometry, int64_t batch, int64_t begin, int64_t end,
                 int64_t workspace_offset, const GroupedSequenceView<X>& gradient) {
  if (gradient.data == nullptr) return;
  constexpr int kLanes = Simd<T>::kLanes;
  const int64_t states = f.in.sizes.states;
  const int64_t block_stride = f.in.sizes.length * states;
  for (int64_t group = 0; group < f.in.sizes.groups; ++group) {
    const int64_t first_block = batch * geometry.blocks_per_batch + group * geometry.blocks_per_group;
    for (int64_t t = begin; t < end; ++t) {
      const T* from = f.workspace + workspace_offset + first_block * block_stride + t * states;
      X* to = gradient.data + batch * gradient.batch_stride + t * gradient.length_stride + group * gradient.group_stride;
      for (int64_t n = 0; n < states; n += kLanes) {
        const int lanes = states - n < kLanes ? static_cast<int>(states - n) : kLanes;
        store_first<X>(to + n, sum_strided(from + n, block_stride, geometry.blocks_per_group, lanes), lanes);
      }
    }
  }
}

}  // namespace

template <typename T, typename X>
void selective_scan_backward_reduce(const SelectiveScanBackward<T, X>& f, int64_t block_begin, int64_t block_end) {
  constexpr int kLanes = Simd<T>::kLanes;
  const SelectiveScanSizes& sizes = f.in.sizes;
  const SelectiveScanGeometry geometry = selective_scan_geometry(sizes, kLanes);
  T* scratch = static_cast<T*>(thread_scratch(static_cast<size_t>(sizes.states * kLanes) * sizeof(T)));
  const int64_t row_blocks_per_batch = (sizes.length + geometry.reduce_rows - 1) / geometry.reduce_rows;
  for (int64_t block = block_begin; block < block_end; ++block) {
    if (block < geometry.packs_per_batch) {
      reduce_pack(f, geometry, block, scratch);
      continue;
    }
    const int64_t batch = (block - geometry.packs_per_batch) / row_blocks_per_batch;
    const int64_t begin = (block - geometry.packs_per_batch - batch * row_blocks_per_batch) * geometry.reduce_rows;
    const int64_t end = begin + geometry.reduce_rows < sizes.length ? begin + geometry.reduce_rows : sizes.length;
    reduce_rows(f, geometry, batch, begin, end, geometry.d_b_offset, f.d_b);
    reduce_rows(f, geometry, batch, begin, end, geometry.d_c_offset, f.d_c);
  }
}

template void selective_scan_backward_reduce<float, float>(const SelectiveScanBackward<float, float>&, int64_t, int64_t);
template void selective_scan_backward_reduce<double, double>(const SelectiveScanBackward<double, double>&, int64_t, int64_t);
template void selective_scan_backward_reduce<float, BFloat16>(const SelectiveScanBackward<float, BFloat16>&, int64_t, int64_t);

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
