/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include <type_traits>

#include "gated_product.h"
#include "isa.h"
#include "rows.h"

namespace djlmamba::test {
namespace {

template <typename T, typename X>
struct ProductRunner {
  cpu::GatedProductSizes sizes;
  Layout layout;
  int threads;
  Rows<X> gate, x, d_out, out, d_gate, d_x;

  ProductRunner(const cpu::GatedProductSizes& sizes_, const Array& gate_values, const Array& x_values, const Array& d_out_values, const Layout& layout_,
                int threads_)
      : sizes(sizes_), layout(layout_), threads(threads_) {
    const auto rows = [&](const Array& values) { return Rows<X>(values, sizes.batch, sizes.length, sizes.channels, layout); };
    gate = rows(gate_values);
    x = rows(x_values);
    d_out = rows(d_out_values);
  }

  /** `wanted` has one bit per gradient, in the order gate, x. */
  void run(int wanted = 3) {
    const auto& kernels = cpu::gated_product_kernels<T, X>();
    const int64_t blocks = kernels.plan(sizes).blocks;
    out = d_gate = d_x = Rows<X>(sizes.batch, sizes.length, sizes.channels, layout);
    cpu::GatedProductInputs<X> in{sizes, gate.read(), x.read()};
    const cpu::GatedProductForward<X> f{in, out.view()};
    cpu::GatedProductBackward<X> b{in, d_out.read(), {}, {}};
    if (wanted & 1) b.d_gate = d_gate.view();
    if (wanted & 2) b.d_x = d_x.view();
    run_blocks(blocks, threads, [&](int64_t begin, int64_t end) { kernels.forward(f, begin, end); });
    run_blocks(blocks, threads, [&](int64_t begin, int64_t end) { kernels.backward(b, begin, end); });
  }
};

template <typename T, typename X>
void check_product(const cpu::GatedProductSizes& sizes, const Layout& layout, Random& random, int threads = 1) {
  const double tolerance = std::is_same_v<X, double> ? 1e-14 : std::is_same_v<X, float> ? 1e-6 : 0x1p-8;
  const int64_t count = sizes.batch * sizes.length * sizes.channels;
  Array gate = coarse(random, count, -4, 4);
  const Array x = coarse(random, count, -2, 2), d_out = coarse(random, count, -1, 1);
  const double extremes[] = {0, -20, 100, -100, 1e5, -1e5};
  for (int64_t i = 0; i < count && count > 100; i += 17) gate[i] = widened(stored(extremes[i / 17 % 6], cpu::BFloat16()));
  Array out(gate), d_gate(gate), d_x(gate);
  for (int64_t i = 0; i < count; ++i) {
    const double s = naive_sigmoid(gate[i]);
    out[i] = gate[i] * s * x[i];
    d_x[i] = d_out[i] * gate[i] * s;
    d_gate[i] = d_out[i] * x[i] * s * (1 + gate[i] * (1 - s));
  }
  ProductRunner<T, X> run(sizes, gate, x, d_out, layout, threads);
  run.run();
  const std::string what = "B" + std::to_string(sizes.batch) + " L" + std::to_string(sizes.length) + " D" + std::to_string(sizes.channels) + " bytes " +
                           std::to_string(sizeof(X));
  check_close(run.out.get(), out, tolerance, what + " out");
  check_close(run.d_gate.get(), d_gate, tolerance, what + " d_gate");
  check_close(run.d_x.get(), d_x, tolerance, what + " d_x");
  check(run.out.gaps_untouched() && run.d_gate.gaps_untouched() && run.d_x.gaps_untouched(), what + " written outside");
  for (int wanted : {0, 1, 2}) {
    ProductRunner<T, X> part(sizes, gate, x, d_out, layout, threads + 1);
    part.run(wanted);
    check(part.out.get() == run.out.get(), what + " repeats");
    check(count == 0 || (wanted & 1 ? part.d_gate.get() == run.d_gate.get() : std::isnan(part.d_gate.get()[0])), what + " d_gate alone");
    check(count == 0 || (wanted & 2 ? part.d_x.get() == run.d_x.get() : std::isnan(part.d_x.get()[0])), what + " d_x alone");
  }
}

template <typename T, typename X>
void test_all() {
  Random random(41);
  for (const int64_t channels : {1, 3, 15, 16, 17, 64, 100, 1000, 16384, 16385, 40000}) {
    check_product<T, X>({2, 3, channels}, {3, 5}, random);
    check_product<T, X>({1, 50, channels}, {}, random, 2);
  }
  check_product<T, X>({0, 4, 8}, {}, random);
  check_product<T, X>({2, 0, 8}, {}, random);
  check_product<T, X>({2, 3, 0}, {}, random);
}

}  // namespace
}  // namespace djlmamba::test

int main() {
  using namespace djlmamba;
  test::test_all<double, double>();
  test::test_all<float, float>();
  test::test_all<float, cpu::BFloat16>();
  return test::finish("gated product", cpu::isa_name());
}
