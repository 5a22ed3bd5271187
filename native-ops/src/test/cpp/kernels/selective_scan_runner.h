/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include "bfloat16.h"
#include "check.h"
#include "selective_scan.h"
#include "selective_scan_naive.h"

/** Runs the kernels on the numbers of a NaiveScan, in arrays of any layout. */
namespace djlmamba::test {

/** How arrays lie in memory: gaps after each row and batch, and whether arrays that do not depend on the batch are expanded (stride 0). */
struct Layout {
  int64_t row_gap = 0;
  int64_t batch_gap = 0;
};

/** What a stored number is read as. */
template <typename T>
struct Stored {
  using Value = T;
  static T of(double x) { return static_cast<T>(x); }
  static T value(T x) { return x; }
};

template <>
struct Stored<cpu::BFloat16> {
  using Value = float;
  static cpu::BFloat16 of(double x) { return {std::isnan(x) ? uint16_t{0x7fc0} : bfloat16_bits(static_cast<float>(x))}; }
  static float value(cpu::BFloat16 x) { return bfloat16_value(x.bits); }
};

/** The numbers that X holds nearest to the given ones, so that a test's naive form starts from the same. */
template <typename X>
void round_to(Array& numbers) {
  for (double& x : numbers) x = static_cast<double>(Stored<X>::value(Stored<X>::of(x)));
}

/** Memory that begins with a cache line, as libtorch's does: kernels may choose by it. */
template <typename T>
struct LineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kLine{64};

  T* allocate(size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), kLine)); }
  void deallocate(T* memory, size_t) { ::operator delete(memory, kLine); }
  bool operator==(const LineAllocator&) const { return true; }
  bool operator!=(const LineAllocator&) const { return false; }
};

/** (batch, rows, columns) in a buffer with gaps, which hold NaN. */
template <typename T>
struct Strided {
  using Value = typename Stored<T>::Value;

  std::vector<T, LineAllocator<T>> buffer;
  int64_t batch = 0, rows = 0, columns = 0, row_stride = 0, batch_stride = 0;

  Strided() = default;
  Strided(int64_t batch_, int64_t rows_, int64_t columns_, const Layout& layout)
      : batch(batch_), rows(rows_), columns(columns_), row_stride(columns_ + layout.row_gap), batch_stride(rows_ * row_stride + layout.batch_gap) {
    buffer.assign(static_cast<size_t>(batch * batch_stride + 1), Stored<T>::of(std::numeric_limits<double>::quiet_NaN()));
  }

  T* data() { return buffer.data(); }

  void set(const Array& values) {
    for_each([&](size_t flat, T& to) { to = Stored<T>::of(values[flat]); });
  }

  std::vector<Value> get() {
    std::vector<Value> values(static_cast<size_t>(batch * rows * columns));
    for_each([&](size_t flat, T& from) { values[flat] = Stored<T>::value(from); });
    return values;
  }

  /** True if nothing outside the array was written. */
  bool gaps_untouched() {
    const auto copy = buffer;
    for_each([&](size_t, T& inside) { inside = Stored<T>::of(std::numeric_limits<double>::quiet_NaN()); });
    bool untouched = true;
    for (T v : buffer) untouched = untouched && std::isnan(Stored<T>::value(v));
    buffer = copy;
    return untouched;
  }

  cpu::SequenceView<T> sequence() { return {data(), batch_stride, row_stride}; }
  cpu::BatchedMatrixView<T> batched_matrix() { return {data(), batch_stride, row_stride}; }
  cpu::MatrixView<T> matrix() { return {data(), row_stride}; }

 private:
  template <typename F>
  void for_each(F f) {
    size_t flat = 0;
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t c = 0; c < columns; ++c) f(flat++, buffer[b * batch_stride + r * row_stride + c]);
      }
    }
  }
};

template <typename T>
cpu::SequenceView<const T> read(cpu::SequenceView<T> v) {
  return {v.data, v.batch_stride, v.length_stride};
}

template <typename T>
cpu::BatchedMatrixView<const T> read(cpu::BatchedMatrixView<T> v) {
  return {v.data, v.batch_stride, v.row_stride};
}

template <typename T, typename X = T>
struct ScanRunner {
  const NaiveScan& numbers;
  Layout layout;
  int threads = 1;

  Strided<X> u, delta, b, c, z, out, d_out, d_u, d_delta, d_b, d_c, d_z;
  Strided<T> a, skip, delta_bias, initial_state, final_state, d_final_state, d_a, d_skip, d_delta_bias, d_initial_state;
  std::vector<T> checkpoints, workspace;

  ScanRunner(const NaiveScan& numbers_, const Layout& layout_, int threads_ = 1) : numbers(numbers_), layout(layout_), threads(threads_) {
    const auto& s = numbers.sizes;
    fill(u, numbers.u, s.batch, s.length, s.channels);
    fill(delta, numbers.delta, s.batch, s.length, s.channels);
    fill(a, numbers.a, 1, s.channels, s.states);
    fill(b, numbers.b, s.batch, s.length * s.groups, s.states);
    fill(c, numbers.c, s.batch, s.length * s.groups, s.states);
    fill(skip, numbers.skip, 1, 1, s.channels);
    fill(z, numbers.z, s.batch, s.length, s.channels);
    fill(delta_bias, numbers.delta_bias, 1, 1, s.channels);
    fill(initial_state, numbers.initial_state, s.batch * numbers.sequences, s.channels, s.states);
  }

  cpu::SelectiveScanInputs<T, X> inputs() {
    cpu::SelectiveScanInputs<T, X> in;
    in.sizes = numbers.sizes;
    if (!numbers.offsets.empty()) in.packed = {numbers.offsets.data(), numbers.sequences};
    in.u = read(u.sequence());
    in.delta = read(delta.sequence());
    in.a = {a.data(), a.row_stride};
    in.b = {b.data(), b.batch_stride, b.row_stride * numbers.sizes.groups, b.row_stride};
    in.c = {c.data(), c.batch_stride, c.row_stride * numbers.sizes.groups, c.row_stride};
    in.softplus = numbers.softplus;
    if (!numbers.skip.empty()) in.skip = skip.data();
    if (!numbers.z.empty()) in.z = read(z.sequence());
    if (!numbers.delta_bias.empty()) in.delta_bias = delta_bias.data();
    if (!numbers.initial_state.empty()) in.initial_state = read(initial_state.batched_matrix());
    return in;
  }

  void forward(bool want_final_state = true, bool want_checkpoints = true) {
    const auto& kernels = cpu::selective_scan_kernels<T, X>();
    const auto& s = numbers.sizes;
    const auto plan = kernels.plan(s);
    out = Strided<X>(s.batch, s.length, s.channels, layout);
    final_state = Strided<T>(s.batch * numbers.sequences, s.channels, s.states, layout);
    checkpoints = nan_filled<T>(plan.checkpoint_elements);
    cpu::SelectiveScanForward<T, X> f;
    f.in = inputs();
    f.out = out.sequence();
    if (want_final_state) f.final_state = final_state.batched_matrix();
    if (want_checkpoints) f.checkpoints = checkpoints.data();
    run_blocks(plan.forward_blocks, threads, [&](int64_t begin, int64_t end) { kernels.forward(f, begin, end); });
  }

  /** After forward(). `wanted` has one bit per gradient, in the order u, delta, a, b, c, skip, z, delta_bias, initial_state. */
  void backward(const Array& d_out_values, const Array& d_final_values, int wanted = 511) {
    const auto& kernels = cpu::selective_scan_kernels<T, X>();
    const auto& s = numbers.sizes;
    const auto plan = kernels.plan(s);
    fill(d_out, d_out_values, s.batch, s.length, s.channels);
    fill(d_final_state, d_final_values, s.batch * numbers.sequences, s.channels, s.states);
    d_u = Strided<X>(s.batch, s.length, s.channels, layout);
    d_delta = d_u;
    d_z = d_u;
    d_a = Strided<T>(1, s.channels, s.states, layout);
    d_b = Strided<X>(s.batch, s.length * s.groups, s.states, layout);
    d_c = d_b;
    d_skip = Strided<T>(1, 1, s.channels, layout);
    d_delta_bias = d_skip;
    d_initial_state = Strided<T>(s.batch * numbers.sequences, s.channels, s.states, layout);
    workspace = nan_filled<T>(plan.backward_workspace_elements);
    cpu::SelectiveScanBackward<T, X> f;
    f.in = inputs();
    f.d_out = read(d_out.sequence());
    if (!d_final_values.empty()) f.d_final_state = read(d_final_state.batched_matrix());
    f.checkpoints = checkpoints.data();
    f.workspace = workspace.data();
    if (wanted & 1) f.d_u = d_u.sequence();
    if (wanted & 2) f.d_delta = d_delta.sequence();
    if (wanted & 4) f.d_a = d_a.matrix();
    if (wanted & 8) f.d_b = {d_b.data(), d_b.batch_stride, d_b.row_stride * s.groups, d_b.row_stride};
    if (wanted & 16) f.d_c = {d_c.data(), d_c.batch_stride, d_c.row_stride * s.groups, d_c.row_stride};
    if ((wanted & 32) && f.in.skip) f.d_skip = d_skip.data();
    if ((wanted & 64) && f.in.z.data) f.d_z = d_z.sequence();
    if ((wanted & 128) && f.in.delta_bias) f.d_delta_bias = d_delta_bias.data();
    if (wanted & 256) f.d_initial_state = d_initial_state.batched_matrix();
    run_blocks(plan.backward_blocks, threads, [&](int64_t begin, int64_t end) { kernels.backward(f, begin, end); });
    run_blocks(plan.backward_reduce_blocks, threads, [&](int64_t begin, int64_t end) { kernels.backward_reduce(f, begin, end); });
  }

 private:
  template <typename U>
  void fill(Strided<U>& to, const Array& from, int64_t batch, int64_t rows, int64_t columns) {
    to = Strided<U>(batch, rows, columns, layout);
    if (!from.empty()) to.set(from);
  }
};

}  // namespace djlmamba::test
