/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include <cstring>
#include <new>
#include <type_traits>

#include "selective_scan_runner.h"
#include "state_space_dual_naive.h"

/** Runs the kernels on the numbers of a NaiveDual, in arrays of any layout and of every type of activations. */
namespace djlmamba::test {

inline cpu::BFloat16 to_bfloat16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if (std::isnan(value)) return {0x7fc0};
  return {static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
}

inline float to_float(cpu::BFloat16 value) {
  const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

/** Memory that starts on a cache line, as that of tensors does. */
template <typename X>
struct CacheLineAllocator {
  using value_type = X;
  CacheLineAllocator() = default;
  template <typename Y>
  CacheLineAllocator(const CacheLineAllocator<Y>&) {}
  X* allocate(size_t count) { return static_cast<X*>(::operator new(count * sizeof(X), std::align_val_t(64))); }
  void deallocate(X* p, size_t) { ::operator delete(p, std::align_val_t(64)); }
  bool operator==(const CacheLineAllocator&) const { return true; }
  bool operator!=(const CacheLineAllocator&) const { return false; }
};

/** A Strided<T> of which the kernels see elements of type X. */
template <typename T, typename X>
struct Activations {
  Strided<T> values;
  std::vector<X, CacheLineAllocator<X>> raw;

  Activations() = default;
  Activations(int64_t batch, int64_t rows, int64_t columns, const Layout& layout) : values(batch, rows, columns, layout) { send(); }

  void set(const Array& from) {
    values.set(from);
    send();
  }

  Strided<T>& received() {
    for (size_t i = 0; i < raw.size(); ++i) {
      if constexpr (std::is_same_v<X, T>) {
        values.buffer[i] = raw[i];
      } else {
        values.buffer[i] = to_float(raw[i]);
      }
    }
    return values;
  }

  cpu::SequenceView<X> sequence() { return {raw.data(), values.batch_stride, values.row_stride}; }
  cpu::GroupedSequenceView<X> grouped(int64_t groups) { return {raw.data(), values.batch_stride, values.row_stride * groups, values.row_stride}; }
  cpu::BatchedMatrixView<X> batched_matrix() { return {raw.data(), values.batch_stride, values.row_stride}; }

 private:
  void send() {
    raw.resize(values.buffer.size());
    for (size_t i = 0; i < raw.size(); ++i) {
      if constexpr (std::is_same_v<X, T>) {
        raw[i] = values.buffer[i];
      } else {
        raw[i] = to_bfloat16(values.buffer[i]);
      }
    }
  }
};

template <typename X>
cpu::GroupedSequenceView<const X> read(cpu::GroupedSequenceView<X> v) {
  return {v.data, v.batch_stride, v.length_stride, v.group_stride};
}

template <typename T>
cpu::HeadStatesView<const T> read(cpu::HeadStatesView<T> v) {
  return {v.data, v.batch_stride, v.sequence_stride, v.head_stride, v.row_stride};
}

template <typename T, typename X = T>
struct DualRunner {
  const NaiveDual& numbers;
  Layout layout;
  int threads = 1;

  Activations<T, X> x, delta, b, c, z, out, d_out, d_x, d_delta, d_b, d_c, d_z;
  Strided<T> skip, initial_state, final_state, d_final_state, d_skip, d_initial_state;
  std::vector<T> a, delta_bias, d_a, d_delta_bias, workspace;

  DualRunner(const NaiveDual& numbers_, const Layout& layout_, int threads_ = 1) : numbers(numbers_), layout(layout_), threads(threads_) {
    const auto& s = numbers.sizes;
    fill(x, numbers.x, s.batch, s.length * s.heads, s.head_size);
    fill(delta, numbers.delta, s.batch, s.length, s.heads);
    fill(b, numbers.b, s.batch, s.length * s.groups, s.states);
    fill(c, numbers.c, s.batch, s.length * s.groups, s.states);
    fill(z, numbers.z, s.batch, s.length * s.heads, s.head_size);
    a.assign(numbers.a.begin(), numbers.a.end());
    delta_bias.assign(numbers.delta_bias.begin(), numbers.delta_bias.end());
    skip = Strided<T>(1, s.heads, numbers.skip_by_channel() ? s.head_size : 1, layout);
    if (!numbers.skip.empty()) skip.set(numbers.skip);
    initial_state = states();
    if (!numbers.initial_state.empty()) initial_state.set(numbers.initial_state);
  }

  Strided<T> states() const {
    const auto& s = numbers.sizes;
    return Strided<T>(s.batch * s.sequences * s.heads, s.head_size, s.states, layout);
  }

  cpu::HeadStatesView<T> view(Strided<T>& v) const {
    const auto& s = numbers.sizes;
    return {v.data(), s.sequences * s.heads * v.batch_stride, s.heads * v.batch_stride, v.batch_stride, v.row_stride};
  }

  cpu::StateSpaceDualInputs<T, X> inputs() {
    const auto& s = numbers.sizes;
    cpu::StateSpaceDualInputs<T, X> in;
    in.sizes = s;
    if (!numbers.offsets.empty()) in.packed = {numbers.offsets.data(), s.sequences};
    in.x = read(x.grouped(s.heads));
    in.delta = read(delta.sequence());
    in.a = a.data();
    in.b = read(b.grouped(s.groups));
    in.c = read(c.grouped(s.groups));
    in.softplus = numbers.softplus;
    in.delta_min = static_cast<T>(numbers.delta_min);
    in.delta_max = static_cast<T>(numbers.delta_max);
    if (!numbers.skip.empty()) in.skip = {skip.data(), skip.row_stride};
    in.skip_by_channel = numbers.skip_by_channel();
    if (!numbers.z.empty()) in.z = read(z.grouped(s.heads));
    if (!numbers.delta_bias.empty()) in.delta_bias = delta_bias.data();
    if (!numbers.initial_state.empty()) in.initial_state = read(view(initial_state));
    return in;
  }

  void forward(bool want_final_state = true) {
    const auto& kernels = cpu::state_space_dual_kernels<T, X>();
    const auto& s = numbers.sizes;
    const auto plan = kernels.plan(s);
    out = Activations<T, X>(s.batch, s.length * s.heads, s.head_size, layout);
    final_state = states();
    cpu::StateSpaceDualForward<T, X> f;
    f.in = inputs();
    f.out = out.grouped(s.heads);
    if (want_final_state) f.final_state = view(final_state);
    run_blocks(plan.forward_blocks, threads, [&](int64_t begin, int64_t end) { kernels.forward(f, begin, end); });
    out.received();
  }

  /** `wanted` has one bit per gradient, in the order x, delta, a, b, c, skip, z, delta_bias, initial_state. */
  void backward(const Array& d_out_values, const Array& d_final_values, int wanted = 511) {
    const auto& kernels = cpu::state_space_dual_kernels<T, X>();
    const auto& s = numbers.sizes;
    const auto plan = kernels.plan(s);
    fill(d_out, d_out_values, s.batch, s.length * s.heads, s.head_size);
    d_final_state = states();
    if (!d_final_values.empty()) d_final_state.set(d_final_values);
    d_x = Activations<T, X>(s.batch, s.length * s.heads, s.head_size, layout);
    d_z = d_x;
    d_delta = Activations<T, X>(s.batch, s.length, s.heads, layout);
    d_b = Activations<T, X>(s.batch, s.length * s.groups, s.states, layout);
    d_c = d_b;
    d_a = nan_filled<T>(s.heads);
    d_delta_bias = d_a;
    d_skip = Strided<T>(1, s.heads, numbers.skip_by_channel() ? s.head_size : 1, layout);
    d_initial_state = states();
    workspace = nan_filled<T>(plan.backward_workspace_elements);
    cpu::StateSpaceDualBackward<T, X> f;
    f.in = inputs();
    f.d_out = read(d_out.grouped(s.heads));
    if (!d_final_values.empty()) f.d_final_state = read(view(d_final_state));
    f.workspace = workspace.data();
    if (wanted & 1) f.d_x = d_x.grouped(s.heads);
    if (wanted & 2) f.d_delta = d_delta.sequence();
    if (wanted & 4) f.d_a = d_a.data();
    if (wanted & 8) f.d_b = d_b.grouped(s.groups);
    if (wanted & 16) f.d_c = d_c.grouped(s.groups);
    if ((wanted & 32) && f.in.skip.data) f.d_skip = {d_skip.data(), d_skip.row_stride};
    if ((wanted & 64) && f.in.z.data) f.d_z = d_z.grouped(s.heads);
    if ((wanted & 128) && f.in.delta_bias) f.d_delta_bias = d_delta_bias.data();
    if (wanted & 256) f.d_initial_state = view(d_initial_state);
    run_blocks(plan.backward_blocks, threads, [&](int64_t begin, int64_t end) { kernels.backward(f, begin, end); });
    run_blocks(plan.backward_reduce_blocks, threads, [&](int64_t begin, int64_t end) { kernels.backward_reduce(f, begin, end); });
    for (Activations<T, X>* gradient : {&d_x, &d_delta, &d_b, &d_c, &d_z}) gradient->received();
  }

  /** Everything that forward() and backward() wrote, for comparisons bit by bit. */
  std::vector<std::vector<T>> results() {
    return {out.values.get(), final_state.get(),  d_x.values.get(), d_delta.values.get(), d_a,           d_b.values.get(),
            d_c.values.get(), d_skip.get(), d_z.values.get(), d_delta_bias,         d_initial_state.get()};
  }

 private:
  void fill(Activations<T, X>& to, const Array& from, int64_t batch, int64_t rows, int64_t columns) {
    to = Activations<T, X>(batch, rows, columns, layout);
    if (!from.empty()) to.set(from);
  }
};

}  // namespace djlmamba::test
