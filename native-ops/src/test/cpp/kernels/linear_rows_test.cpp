/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "linear_rows.h"

#include <string>
#include <type_traits>

#include "isa.h"
#include "rows.h"

namespace djlmamba::test {
namespace {

template <typename T, typename W>
void check_projection(const cpu::LinearRowsSizes& sizes, bool with_bias, int64_t gap, int threads, Random& random) {
  const double tolerance = std::is_same_v<T, double> ? 1e-13 : 1e-5;
  const Layout layout{gap, 0};
  const Array x_values = coarse(random, sizes.rows * sizes.inputs, -1, 1);
  const Array weights = coarse(random, sizes.outputs * sizes.inputs, -1, 1);
  const Array bias_values = coarse(random, sizes.outputs, -1, 1);
  Array expected(static_cast<size_t>(sizes.rows * sizes.outputs));
  for (int64_t row = 0; row < sizes.rows; ++row) {
    for (int64_t o = 0; o < sizes.outputs; ++o) {
      double sum = with_bias ? bias_values[o] : 0;
      for (int64_t i = 0; i < sizes.inputs; ++i) sum += x_values[row * sizes.inputs + i] * weights[o * sizes.inputs + i];
      expected[row * sizes.outputs + o] = sum;
    }
  }
  const Rows<T> x(x_values, 1, sizes.rows, sizes.inputs, layout);
  const Rows<W> weight(weights, 1, sizes.outputs, sizes.inputs, layout);
  const Rows<T> bias(bias_values, 1, 1, sizes.outputs, {});
  Rows<T> y(1, sizes.rows, sizes.outputs, layout);
  const auto view = y.view();
  const auto& kernels = cpu::linear_rows_kernels<T, W>();
  const cpu::LinearRows<T, W> args{sizes,           x.read().data,
                                   x.row_stride,    weight.read().data,
                                   weight.row_stride, with_bias ? bias.read().data : nullptr,
                                   view.data,       y.row_stride};
  run_blocks(kernels.plan(sizes).blocks, threads, [&](int64_t begin, int64_t end) { kernels.forward(args, begin, end); });
  const std::string what =
      "rows " + std::to_string(sizes.rows) + " inputs " + std::to_string(sizes.inputs) + " outputs " + std::to_string(sizes.outputs);
  check_close(y.get(), expected, tolerance * (1 + static_cast<double>(sizes.inputs) / 64), what);
  check(y.gaps_untouched(), what + " written outside");
  for (int64_t row = 0; row < sizes.rows; ++row) {
    Rows<T> alone(1, 1, sizes.outputs, {});
    cpu::LinearRows<T, W> one = args;
    one.sizes.rows = 1;
    one.x += row * x.row_stride;
    one.y = alone.view().data;
    run_blocks(kernels.plan(one.sizes).blocks, threads + 1, [&](int64_t begin, int64_t end) { kernels.forward(one, begin, end); });
    const Array all = y.get();
    const Array of_row(all.begin() + row * sizes.outputs, all.begin() + (row + 1) * sizes.outputs);
    check(alone.get() == of_row, what + " row " + std::to_string(row) + " depends on those beside it");
  }
}

template <typename T, typename W>
void test_all() {
  Random random(43);
  for (const int64_t rows : {1, 2, 3, 4, 5, 8, 11}) {
    for (const int64_t inputs : {1, 7, 16, 33, 100}) {
      for (const int64_t outputs : {1, 3, 4, 31, 32, 33, 70}) {
        check_projection<T, W>({rows, inputs, outputs}, (rows + outputs) % 2 == 0, inputs % 5, 1 + static_cast<int>(outputs % 3), random);
      }
    }
  }
  check_projection<T, W>({2, 1536, 80}, true, 0, 2, random);
  check_projection<T, W>({0, 8, 8}, true, 0, 1, random);
  check_projection<T, W>({2, 0, 8}, true, 0, 1, random);
  check_projection<T, W>({2, 8, 0}, true, 0, 1, random);
}

}  // namespace
}  // namespace djlmamba::test

int main() {
  using namespace djlmamba;
  test::test_all<double, double>();
  test::test_all<float, float>();
  test::test_all<float, cpu::BFloat16>();
  return test::finish("linear rows", cpu::isa_name());
}
