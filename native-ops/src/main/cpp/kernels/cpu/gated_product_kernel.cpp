/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "gated_product_geometry.h"
#include "simd_math.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

namespace {

/** Calls rows(row, first channel, channels) for each row of some blocks. */
template <typename Rows>
DJLMAMBA_INLINE void for_each_row(const GatedProductSizes& sizes, int64_t block_begin, int64_t block_end, const Rows& rows) {
  const GatedProductGeometry geometry = gated_product_geometry(sizes);
  for (int64_t block = block_begin; block < block_end; ++block) {
    const int64_t first = block % geometry.channel_blocks * geometry.channels_per_block;
    const int64_t left = sizes.channels - first;
    const int64_t count = left < geometry.channels_per_block ? left : geometry.channels_per_block;
    const int64_t begin = block / geometry.channel_blocks * geometry.rows_per_block;
    int64_t end = begin + geometry.rows_per_block;
    end = end < geometry.rows ? end : geometry.rows;
    for (int64_t row = begin; row < end; ++row) rows(row, first, count);
  }
}

template <typename E>
DJLMAMBA_INLINE E* at(const SequenceView<E>& view, const GatedProductSizes& sizes, int64_t row, int64_t first) {
  if (view.data == nullptr) return nullptr;
  return view.data + row / sizes.length * view.batch_stride + row % sizes.length * view.length_stride + first;
}

template <typename T, typename X>
DJLMAMBA_INLINE void forward_vector(const X* gate, const X* x, X* out, int count) {
  const Vec<T> z = load_first(gate, count);
  store_first<X>(out, z * sigmoid<T>(z) * load_first(x, count), count);
}

template <typename T, typename X>
DJLMAMBA_INLINE void backward_vector(const X* gate, const X* x, const X* d_out, X* d_gate, X* d_x, int64_t d, int count) {
  const Vec<T> z = load_first(gate + d, count);
  const Vec<T> g = load_first(d_out + d, count);
  const Vec<T> s = sigmoid<T>(z);
  if (d_x != nullptr) store_first<X>(d_x + d, g * (z * s), count);
  if (d_gate != nullptr) store_first<X>(d_gate + d, g * load_first(x + d, count) * (s * fmadd(z, T(1) - s, set1(T(1)))), count);
}

}  // namespace

template <typename T, typename X>
void gated_product_forward(const GatedProductForward<X>& f, int64_t block_begin, int64_t block_end) {
  constexpr int kLanes = Simd<T>::kLanes;
  const GatedProductSizes& sizes = f.in.sizes;
  for_each_row(sizes, block_begin, block_end, [&](int64_t row, int64_t first, int64_t count) {
    const X* gate = at(f.in.gate, sizes, row, first);
    const X* x = at(f.in.x, sizes, row, first);
    X* out = at(f.out, sizes, row, first);
    int64_t d = 0;
    for (; d + kLanes <= count; d += kLanes) forward_vector<T, X>(gate + d, x + d, out + d, kLanes);
    if (d < count) forward_vector<T, X>(gate + d, x + d, out + d, static_cast<int>(count - d));
  });
}

template <typename T, typename X>
void gated_product_backward(const GatedProductBackward<X>& f, int64_t block_begin, int64_t block_end) {
  constexpr int kLanes = Simd<T>::kLanes;
  const GatedProductSizes& sizes = f.in.sizes;
  for_each_row(sizes, block_begin, block_end, [&](int64_t row, int64_t first, int64_t count) {
    const X* gate = at(f.in.gate, sizes, row, first);
    const X* x = at(f.in.x, sizes, row, first);
    const X* d_out = at(f.d_out, sizes, row, first);
    X* d_gate = at(f.d_gate, sizes, row, first);
    X* d_x = at(f.d_x, sizes, row, first);
    int64_t d = 0;
    for (; d + kLanes <= count; d += kLanes) backward_vector<T, X>(gate, x, d_out, d_gate, d_x, d, kLanes);
    if (d < count) backward_vector<T, X>(gate, x, d_out, d_gate, d_x, d, static_cast<int>(count - d));
  });
}

#define DJLMAMBA_INSTANTIATE(T, X)                                                          \
  template void gated_product_forward<T, X>(const GatedProductForward<X>&, int64_t, int64_t);  \
  template void gated_product_backward<T, X>(const GatedProductBackward<X>&, int64_t, int64_t);
DJLMAMBA_INSTANTIATE(double, double)
DJLMAMBA_INSTANTIATE(float, float)
DJLMAMBA_INSTANTIATE(float, BFloat16)
#undef DJLMAMBA_INSTANTIATE

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
