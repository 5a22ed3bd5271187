/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "state_space_dual_recurrence.h"
#include "state_space_dual_step.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

namespace {

/** Of one thread. */
template <typename T>
struct StepScratch {
  T* b;      // [state]
  T* c;
  T* x;      // [channel]
  T* input;
  T* y;
  T* skip;

  void take(Arena& arena, const HeadExtent& extent) {
    b = arena.take<T>(extent.padded_states);
    c = arena.take<T>(extent.padded_states);
    T** const channels[] = {&x, &input, &y, &skip};
    for (T** array : channels) *array = arena.take<T>(extent.padded_channels);
  }
};

template <typename X>
X* element(const BatchedMatrixView<X>& view, int64_t row, int64_t head) {
  return view.data + row * view.batch_stride + head * view.row_stride;
}

template <typename T, typename X>
void step_head(const StateSpaceDualStep<T, X>& f, const HeadExtent& extent, int64_t row, int64_t slot, int64_t head, const StepScratch<T>& scratch) {
  alignas(DJLMAMBA_VECTOR_BYTES) T delta[Simd<T>::kLanes], decay[Simd<T>::kLanes];
  const int64_t lanes = Simd<T>::kLanes;
  read_deltas<T, false>(f.delta.data + row * f.delta.row_stride + head, 0, delta_transform(f, head), lanes, lanes, delta, static_cast<T*>(nullptr));
  store<T>(decay, exp2(f.a[head] * T(kLog2E) * load(delta)));
  pack_row<T>(element(f.x, row, head), extent.channels, scratch.x, extent.padded_channels);
  scale_rows(delta, 1, extent.padded_channels, scratch.x, scratch.input);
  pack_skip(f.skip, f.skip_by_channel, head, extent, scratch.skip);
  T* const state = f.state.data + slot * f.state.batch_stride + head * f.state.head_stride;
  recur(decay[0], scratch.input, scratch.b, scratch.c, extent.channels, extent.states, static_cast<const T*>(state), f.state.row_stride, state,
        f.state.row_stride, scratch.y);
  write_output<T>(scratch.y, scratch.x, f.skip.data == nullptr ? nullptr : scratch.skip, f.z.data == nullptr ? nullptr : element(f.z, row, head),
                  extent.channels, element(f.out, row, head));
}

}  // namespace

template <typename T, typename X>
void state_space_dual_step(const StateSpaceDualStep<T, X>& f, int64_t block_begin, int64_t block_end) {
  const HeadExtent extent = HeadExtent::of<T>(f.sizes.head_size, f.sizes.states);
  StepScratch<T> scratch;
  Arena arena = {nullptr, 0};
  scratch.take(arena, extent);
  arena = {static_cast<char*>(thread_scratch(arena.bytes)), 0};
  scratch.take(arena, extent);
  const int64_t heads_per_group = f.sizes.heads / f.sizes.groups;
  int64_t packed_row = -1, packed_group = -1;
  for (int64_t block = block_begin; block < block_end; ++block) {
    const int64_t row = block / f.sizes.heads, head = block % f.sizes.heads, group = head / heads_per_group;
    const int64_t slot = f.slots == nullptr ? row : f.slots[row];
    if (slot < 0) {
      memset(static_cast<void*>(element(f.out, row, head)), 0, static_cast<size_t>(extent.channels) * sizeof(X));
      continue;
    }
    if (row != packed_row || group != packed_group) {
      pack_row<T>(element(f.b, row, group), extent.states, scratch.b, extent.padded_states);
      pack_row<T>(element(f.c, row, group), extent.states, scratch.c, extent.padded_states);
      packed_row = row;
      packed_group = group;
    }
    step_head(f, extent, row, slot, head, scratch);
  }
}

template void state_space_dual_step<float, float>(const StateSpaceDualStep<float, float>&, int64_t, int64_t);
template void state_space_dual_step<double, double>(const StateSpaceDualStep<double, double>&, int64_t, int64_t);
template void state_space_dual_step<float, BFloat16>(const StateSpaceDualStep<float, BFloat16>&, int64_t, int64_t);

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
