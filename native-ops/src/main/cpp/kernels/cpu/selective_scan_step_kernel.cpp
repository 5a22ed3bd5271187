/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "selective_scan_step.h"

#include "arena.h"
#include "simd_math.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

namespace {

/** Of one thread: B and C of one row and group, zeros beyond the states. */
template <typename T>
struct StepScratch {
  int64_t padded;
  T* b;
  T* c;

  void take(Arena& arena, int64_t states) {
    constexpr int kLanes = Simd<T>::kLanes;
    padded = (states + kLanes - 1) / kLanes * kLanes;
    b = arena.take<T>(padded);
    c = arena.take<T>(padded);
  }

  template <typename X>
  void load(const SelectiveScanStep<T, X>& f, int64_t row, int64_t group) const {
    load_one(f.b, row, group, f.sizes.states, b);
    load_one(f.c, row, group, f.sizes.states, c);
  }

 private:
  template <typename X>
  void load_one(const BatchedMatrixView<const X>& from, int64_t row, int64_t group, int64_t states, T* to) const {
    memset(to, 0, static_cast<size_t>(padded) * sizeof(T));
    convert_row(from.data + row * from.batch_stride + group * from.row_stride, states, to);
  }
};

/** How the states of a channel lie in vectors: one whole vector of them, several, or the last one in part. */
enum class StateVectors { kOne, kWhole, kAny };

/** What the states of one channel add up to in each lane after the step; all pointers are those of the channel. */
template <typename T, StateVectors kStates, bool kLog>
DJLMAMBA_INLINE Vec<T> step_states(const StepScratch<T>& s, int64_t states, T exponent, T input, const T* a, const T* before, T* state) {
  constexpr int kLanes = Simd<T>::kLanes;
  constexpr bool kWhole = kStates != StateVectors::kAny;
  const int64_t end = kStates == StateVectors::kOne ? kLanes : states;
  Vec<T> sum = {};
  for (int64_t n = 0; n < end; n += kLanes) {
    const int lanes = kWhole || states - n >= kLanes ? kLanes : static_cast<int>(states - n);
    Vec<T> rate = load_lanes<T, kWhole>(a + n, lanes);
    if constexpr (kLog) rate = exp2(rate * T(kLog2E));
    const Vec<T> decay = exp2(exponent * rate);
    const Vec<T> h = fmadd(load_lanes<T, kWhole>(before + n, lanes), decay, input * load(s.b + n));
    store_lanes<T, kWhole>(state + n, h, lanes);
    sum = fmadd(h, load(s.c + n), sum);
  }
  return sum;
}

/** Channels [first, first + count) of one row, at most a vector of them: states lie along vectors, and their sums are turned to lie across. */
template <typename T, typename X, StateVectors kStates, bool kLog, bool kWholeChannels>
DJLMAMBA_INLINE void step_channels(const SelectiveScanStep<T, X>& f, const StepScratch<T>& s, int64_t row, const T* before, T* state, int64_t first,
                                   int count) {
  constexpr int kLanes = Simd<T>::kLanes;
  const Vec<T> u = load_lanes<X, kWholeChannels>(f.u.data + row * f.u.row_stride + first, count);
  Vec<T> x = load_lanes<X, kWholeChannels>(f.delta.data + row * f.delta.row_stride + first, count);
  if (f.delta_bias != nullptr) x = x + load_lanes<T, kWholeChannels>(f.delta_bias + first, count);
  if (f.softplus) x = softplus(x);
  alignas(DJLMAMBA_VECTOR_BYTES) T exponent[kLanes], input[kLanes], sums[kLanes * kLanes];
  store<T>(exponent, kLog ? -x * T(kLog2E) : x * T(kLog2E));
  store<T>(input, x * u);
  const int64_t states = f.sizes.states;
  const int64_t before_stride = f.before.row_stride, state_stride = f.state.row_stride, a_stride = f.a.row_stride;
  const T* old_row = before + first * before_stride;
  const T* a_row = f.a.data + first * a_stride;
  T* new_row = state + first * state_stride;
  for (int lane = 0; lane < (kWholeChannels ? kLanes : count); ++lane) {
    store<T>(sums + lane * kLanes, step_states<T, kStates, kLog>(s, states, exponent[lane], input[lane], a_row, old_row, new_row));
    old_row += before_stride;
    a_row += a_stride;
    new_row += state_stride;
  }
  if constexpr (!kWholeChannels) memset(sums + count * kLanes, 0, static_cast<size_t>((kLanes - count) * kLanes) * sizeof(T));
  Vec<T> y = sum_lanes<T>(sums);
  if (f.skip != nullptr) y = fmadd(load_lanes<T, kWholeChannels>(f.skip + first, count), u, y);
  if (f.z.data != nullptr) {
    const Vec<T> z = load_lanes<X, kWholeChannels>(f.z.data + row * f.z.row_stride + first, count);
    y = y * (z * sigmoid<T>(z));
  }
  store_lanes<X, kWholeChannels>(f.out.data + row * f.out.row_stride + first, y, count);
}

template <typename T, typename X, StateVectors kStates, bool kLog>
void step_chunk(const SelectiveScanStep<T, X>& f, const StepScratch<T>& s, int64_t row, const T* before, T* state, int64_t begin, int64_t end) {
  constexpr int kLanes = Simd<T>::kLanes;
  int64_t first = begin;
  for (; first + kLanes <= end; first += kLanes) step_channels<T, X, kStates, kLog, true>(f, s, row, before, state, first, kLanes);
  if (first < end) step_channels<T, X, kStates, kLog, false>(f, s, row, before, state, first, static_cast<int>(end - first));
}

template <typename T, typename X, bool kLog>
auto step_of(int64_t states) {
  constexpr int kLanes = Simd<T>::kLanes;
  return states == kLanes       ? step_chunk<T, X, StateVectors::kOne, kLog>
         : states % kLanes == 0 ? step_chunk<T, X, StateVectors::kWhole, kLog>
                                : step_chunk<T, X, StateVectors::kAny, kLog>;
}

}  // namespace

template <typename T, typename X>
void selective_scan_step(const SelectiveScanStep<T, X>& f, int64_t block_begin, int64_t block_end) {
  const SelectiveScanStepSizes& sizes = f.sizes;
  const SelectiveScanStepGeometry geometry = selective_scan_step_geometry(sizes);
  StepScratch<T> s;
  take_scratch([&](Arena& arena) { s.take(arena, sizes.states); });
  const auto step = f.a_as_log ? step_of<T, X, true>(sizes.states) : step_of<T, X, false>(sizes.states);
  for (int64_t block = block_begin; block < block_end; ++block) {
    const int64_t row = block % sizes.rows;
    const int64_t chunk = block / sizes.rows;
    const int64_t group = chunk / geometry.chunks_per_group;
    const int64_t group_end = (group + 1) * geometry.channels_per_group;
    const int64_t begin = group * geometry.channels_per_group + chunk % geometry.chunks_per_group * geometry.chunk;
    const int64_t end = begin + geometry.chunk < group_end ? begin + geometry.chunk : group_end;
    const int64_t slot = f.slots == nullptr ? row : f.slots[row];
    if (slot < 0) {
      memset(static_cast<void*>(f.out.data + row * f.out.row_stride + begin), 0, static_cast<size_t>(end - begin) * sizeof(X));
      continue;
    }
    s.load(f, row, group);
    step(f, s, row, f.before.data + slot * f.before.batch_stride, f.state.data + slot * f.state.batch_stride, begin, end);
  }
}

template void selective_scan_step<float, float>(const SelectiveScanStep<float, float>&, int64_t, int64_t);
template void selective_scan_step<double, double>(const SelectiveScanStep<double, double>&, int64_t, int64_t);
template void selective_scan_step<float, BFloat16>(const SelectiveScanStep<float, BFloat16>&, int64_t, int64_t);

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
