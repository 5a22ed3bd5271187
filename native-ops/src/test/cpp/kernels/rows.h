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

#include "bfloat16.h"
#include "selective_scan_runner.h"

/** Arrays of (batch, length, channels) in any type that kernels store, BFloat16 included, with gaps that hold NaN. */
namespace djlmamba::test {

inline cpu::BFloat16 stored(double value, cpu::BFloat16) {
  const float wide = static_cast<float>(value);
  uint32_t bits;
  std::memcpy(&bits, &wide, sizeof bits);
  if (std::isnan(wide)) return {0x7fc0};
  bits += 0x7fff + ((bits >> 16) & 1);
  return {static_cast<uint16_t>(bits >> 16)};
}

template <typename X>
X stored(double value, X) {
  return static_cast<X>(value);
}

inline double widened(cpu::BFloat16 value) {
  const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
  float wide;
  std::memcpy(&wide, &bits, sizeof wide);
  return wide;
}

template <typename X>
double widened(X value) {
  return value;
}

/** Values that every type holds exactly. */
inline Array coarse(Random& random, int64_t count, double low, double high) {
  Array values = random.array(count, low, high);
  for (double& v : values) v = widened(stored(v, cpu::BFloat16()));
  return values;
}

template <typename X>
struct Rows {
  int64_t batch = 0, length = 0, channels = 0, row_stride = 0, batch_stride = 0;
  std::vector<X> buffer;

  Rows() = default;
  Rows(int64_t batch_, int64_t length_, int64_t channels_, const Layout& layout)
      : batch(batch_), length(length_), channels(channels_), row_stride(channels_ + layout.row_gap), batch_stride(length_ * row_stride + layout.batch_gap) {
    buffer.assign(static_cast<size_t>(batch * batch_stride + 1), stored(std::nan(""), X()));
  }
  Rows(const Array& values, int64_t batch_, int64_t length_, int64_t channels_, const Layout& layout) : Rows(batch_, length_, channels_, layout) {
    for_each([&](size_t flat, X& to) { to = stored(values[flat], X()); });
  }

  std::vector<double> get() {
    std::vector<double> values(static_cast<size_t>(batch * length * channels));
    for_each([&](size_t flat, X& from) { values[flat] = widened(from); });
    return values;
  }

  /** True if nothing outside the array was written. */
  bool gaps_untouched() {
    Rows copy = *this;
    copy.for_each([&](size_t, X& inside) { inside = stored(std::nan(""), X()); });
    return std::all_of(copy.buffer.begin(), copy.buffer.end(), [](X v) { return std::isnan(widened(v)); });
  }

  cpu::SequenceView<X> view() { return {buffer.data(), batch_stride, row_stride}; }
  cpu::SequenceView<const X> read() const { return {buffer.data(), batch_stride, row_stride}; }

 private:
  template <typename F>
  void for_each(F f) {
    size_t flat = 0;
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t t = 0; t < length; ++t) {
        for (int64_t d = 0; d < channels; ++d) f(flat++, buffer[b * batch_stride + t * row_stride + d]);
      }
    }
  }
};

}  // namespace djlmamba::test
