/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include <type_traits>

#include "isa.h"
#include "rotary_embedding.h"
#include "rows.h"

namespace djlmamba::test {
namespace {

/** Turns x as the formula reads, in double. */
Array naive_rotary(const cpu::RotaryEmbeddingSizes& s, double base, bool interleaved, double direction, const Array& x) {
  Array out = x;
  const int64_t half = s.rotated / 2;
  for (int64_t head = 0; head < s.batch * s.length * s.heads; ++head) {
    const double position = static_cast<double>(s.position + head / s.heads % s.length);
    for (int64_t i = 0; i < half; ++i) {
      const double w = direction * position * std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(s.rotated));
      const int64_t a = head * s.head_size + (interleaved ? 2 * i : i), b = interleaved ? a + 1 : a + half;
      out[a] = x[a] * std::cos(w) - x[b] * std::sin(w);
      out[b] = x[b] * std::cos(w) + x[a] * std::sin(w);
    }
  }
  return out;
}

template <typename T, typename X>
Rows<X> run(const cpu::RotaryEmbeddingSizes& s, bool interleaved, bool inverse, const Array& x, const Layout& layout, int threads) {
  const auto& kernels = cpu::rotary_embedding_kernels<T, X>();
  /* A row for each head, with a gap after it. */
  const Rows<X> from(x, s.batch, s.length * s.heads, s.head_size, layout);
  Rows<X> to(s.batch, s.length * s.heads, s.head_size, layout);
  cpu::RotaryEmbeddingArguments<X> args;
  args.sizes = s;
  args.base = 1000;
  args.interleaved = interleaved;
  args.inverse = inverse;
  args.x = {from.buffer.data(), from.batch_stride, s.heads * from.row_stride, from.row_stride};
  args.out = {to.buffer.data(), to.batch_stride, s.heads * to.row_stride, to.row_stride};
  run_blocks(kernels.plan(s).blocks, threads, [&](int64_t begin, int64_t end) { kernels.run(args, begin, end); });
  return to;
}

template <typename T, typename X>
void test_all() {
  const double tolerance = std::is_same_v<X, double> ? 1e-13 : std::is_same_v<X, float> ? 1e-6 : 0x1p-8;
  Random random(51);
  const std::pair<int64_t, int64_t> sizes[] = {{2, 2}, {7, 4}, {8, 8}, {33, 20}, {64, 64}, {100, 50}};
  for (const auto& [head_size, rotated] : sizes) {
    for (const int64_t position : {0, 5, 16, 100000}) {
      for (const int64_t length : {1, 11, 40}) {
        for (const bool interleaved : {false, true}) {
          for (const bool inverse : {false, true}) {
            const cpu::RotaryEmbeddingSizes s{2, length, 3, head_size, rotated, position};
            const Array x = coarse(random, 2 * length * 3 * head_size, -1, 1);
            const std::string what = "P" + std::to_string(head_size) + " rotated " + std::to_string(rotated) + " from " + std::to_string(position);
            Rows<X> one = run<T, X>(s, interleaved, inverse, x, {3, 5}, 1);
            /* The rounding of a frequency grows with the position. */
            const double allowed = tolerance + 4e-16 * static_cast<double>(position);
            check_close(one.get(), naive_rotary(s, 1000, interleaved, inverse ? -1 : 1, x), allowed, what);
            check(one.gaps_untouched(), what + " written outside");
            check(run<T, X>(s, interleaved, inverse, x, {}, 3).get() == one.get(), what + " repeats");
          }
        }
      }
    }
  }
  for (const cpu::RotaryEmbeddingSizes& s : {cpu::RotaryEmbeddingSizes{0, 4, 2, 8, 8, 0}, {2, 0, 2, 8, 8, 3}, {2, 4, 0, 8, 8, 3}}) {
    run<T, X>(s, false, false, {}, {}, 2);
  }
}

}  // namespace
}  // namespace djlmamba::test

int main() {
  using namespace djlmamba;
  test::test_all<double, double>();
  test::test_all<float, float>();
  test::test_all<float, cpu::BFloat16>();
  return test::finish("rotary embedding", cpu::isa_name());
}
