/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "causal_conv1d_step.h"

#include "causal_conv1d_taps.h"
#include "simd_math.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

namespace {

/** The memory of one row's state, its oldest input first. */
template <typename T>
struct RowState {
  const T* before;
  int64_t before_stride;
  T* after;
  int64_t after_stride;
};

/** One vector of channels of one row. */
template <typename T, typename X, bool kSilu, bool kWhole>
DJLMAMBA_INLINE void step_vector(const Taps<T>& taps, int64_t width, int64_t d, int count, const X* x_row, const RowState<T>& state, X* out) {
  Vec<T> y = load(taps.bias + d);
  const Vec<T> x = load_lanes<X, kWhole>(x_row + d, count);
  for (int64_t k = 0; k < width - 1; ++k) {
    const Vec<T> earlier = load_lanes<T, kWhole>(state.before + k * state.before_stride + d, count);
    y = fmadd(load(taps.weight + k * taps.row + d), earlier, y);
    if (k > 0) store_lanes<T, kWhole>(state.after + (k - 1) * state.after_stride + d, earlier, count);
  }
  y = fmadd(load(taps.weight + (width - 1) * taps.row + d), x, y);
  if (width > 1) store_lanes<T, kWhole>(state.after + (width - 2) * state.after_stride + d, x, count);
  if constexpr (kSilu) y = y * sigmoid<T>(y);
  store_lanes<X, kWhole>(out + d, y, count);
}

template <typename T, typename X, bool kSilu>
void step_row(const Taps<T>& shared, int64_t width, int64_t channels, const X* x, const RowState<T>& state, X* out) {
  constexpr int kLanes = Simd<T>::kLanes;
  const Taps<T> taps = shared;
  const int64_t whole = channels / kLanes * kLanes;
  for (int64_t d = 0; d < whole; d += kLanes) step_vector<T, X, kSilu, true>(taps, width, d, kLanes, x, state, out);
  if (whole < channels) {
    step_vector<T, X, kSilu, false>(taps, width, whole, static_cast<int>(channels - whole), x, state, out);
  }
}

}  // namespace

template <typename T, typename X>
void causal_conv1d_step(const CausalConv1dStep<T, X>& f, int64_t block_begin, int64_t block_end) {
  const CausalConv1dStepSizes& sizes = f.sizes;
  Taps<T> taps;
  take_scratch([&](Arena& arena) { taps.take(arena, sizes.width, kConvStepChannels); });
  int64_t loaded = -1;
  for (int64_t block = block_begin; block < block_end; ++block) {
    const int64_t row = block % sizes.rows;
    const int64_t first = block / sizes.rows * kConvStepChannels;
    const int64_t count = sizes.channels - first < kConvStepChannels ? sizes.channels - first : kConvStepChannels;
    const int64_t slot = f.slots == nullptr ? row : f.slots[row];
    X* const out = f.out.data + row * f.out.row_stride + first;
    if (slot < 0) {
      memset(static_cast<void*>(out), 0, static_cast<size_t>(count) * sizeof(X));
      continue;
    }
    if (first != loaded) taps.load(f.weight, f.bias, sizes.width, first, count);
    loaded = first;
    RowState<T> state = {};
    if (sizes.width > 1) {
      state = {f.before.data + slot * f.before.batch_stride + first, f.before.row_stride, f.state.data + slot * f.state.batch_stride + first,
               f.state.row_stride};
    }
    (f.silu ? step_row<T, X, true> : step_row<T, X, false>)(taps, sizes.width, count, f.x.data + row * f.x.row_stride + first,
                                                            state, out);
  }
}

template void causal_conv1d_step<float, float>(const CausalConv1dStep<float, float>&, int64_t, int64_t);
template void causal_conv1d_step<double, double>(const CausalConv1dStep<double, double>&, int64_t, int64_t);
template void causal_conv1d_step<float, BFloat16>(const CausalConv1dStep<float, BFloat16>&, int64_t, int64_t);

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
