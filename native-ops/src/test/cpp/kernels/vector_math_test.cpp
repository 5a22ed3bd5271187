/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include <type_traits>

#include "check.h"
#include "isa.h"
#include "vector_math.h"

namespace djlmamba::test {
namespace {

template <typename T>
using VectorFunction = void (*)(const T*, T*, int64_t);

/** The largest relative error against the same function in long double; results close to or below the smallest normal number may be flushed to 0. */
template <typename T>
void check_function(VectorFunction<T> function, const std::function<long double(long double)>& exact, double low, double high, double tolerance,
                    const char* name) {
  constexpr int64_t kCount = 200003;
  std::vector<T> in(kCount), out(kCount, std::numeric_limits<T>::quiet_NaN());
  for (int64_t i = 0; i < kCount; ++i) in[i] = static_cast<T>(low + (high - low) * static_cast<double>(i) / (kCount - 1));
  function(in.data(), out.data(), kCount);
  double worst = 0, at = 0;
  for (int64_t i = 0; i < kCount; ++i) {
    const long double e = exact(in[i]);
    if (std::abs(e) < 4 * std::numeric_limits<T>::min()) {
      check(std::abs(out[i]) <= 4 * std::numeric_limits<T>::min(), std::string(name) + " of a result near or below the smallest normal number");
      continue;
    }
    const double error = static_cast<double>(std::abs((out[i] - e) / e));
    if (!(error <= worst)) {
      worst = error;
      at = in[i];
    }
  }
  char text[200];
  std::snprintf(text, sizeof text, "%s: relative error %.3g at %.9g, allowed %.3g", name, worst, at, tolerance);
  std::printf("%s\n", text);
  check(worst <= tolerance, text);
}

long double sigmoid(long double x) { return 1 / (1 + std::exp(-x)); }
long double softplus(long double x) { return x > 20 ? x : std::log1p(std::exp(x)); }

template <typename T>
void test_accuracy() {
  const bool single = std::is_same_v<T, float>;
  const auto& f = cpu::vector_math_kernels<T>();
  const auto exp2 = [](long double x) { return std::exp2(x); };
  const double in_range = single ? 120 : 1000;
  check_function<T>(f.exp2, exp2, single ? -140 : -1060, single ? 127.9 : 1023.9, single ? 2.5e-7 : 1e-15, "exp2");
  check_function<T>(f.exp2, exp2, -2, 2, single ? 2.5e-7 : 1e-15, "exp2");
  check_function<T>(f.exp2_in_range, exp2, -in_range, in_range, single ? 2.5e-7 : 1e-15, "exp2_in_range");
  check_function<T>(f.exp2_in_range, exp2, -2, 2, single ? 2.5e-7 : 1e-15, "exp2_in_range");
  check_function<T>(f.softplus, softplus, single ? -80 : -600, 50, single ? 1e-6 * 4 : 1e-13, "softplus");
  check_function<T>(f.softplus, softplus, -5, 5, single ? 5e-7 : 2e-15, "softplus");
  check_function<T>(f.sigmoid, sigmoid, -5, 50, single ? 5e-7 : 2e-15, "sigmoid");
  check_function<T>(f.softplus_derivative, [](long double x) { return x > 20 ? 1 : sigmoid(x); }, -5, 50, single ? 5e-7 : 2e-15,
                    "softplus_derivative");
}

template <typename T>
void test_special_values() {
  const auto& f = cpu::vector_math_kernels<T>();
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  const std::vector<T> in = {-inf, -100000, -T(1.5e4), 0, T(1e5), inf, nan, -T(0)};
  std::vector<T> out(in.size());
  f.exp2(in.data(), out.data(), static_cast<int64_t>(in.size()));
  check(out[0] == 0 && out[1] == 0 && out[2] == 0, "exp2 underflows to 0");
  check(out[3] > T(0.9999998) && out[3] < T(1.0000002) && out[3] == out[7], "exp2 of 0");
  check(out[4] == inf && out[5] == inf, "exp2 overflows to infinity");
  check(std::isnan(out[6]), "exp2 of NaN");
  f.exp2_in_range(in.data() + 3, out.data(), 1);
  check(out[0] == 1, "exp2_in_range of 0 is 1");
  f.softplus(in.data(), out.data(), static_cast<int64_t>(in.size()));
  check(out[0] >= 0 && out[0] < T(1e-30) && out[1] >= 0 && out[1] < T(1e-30), "softplus of very negative numbers");
  check(out[4] == T(1e5) && out[5] == inf && std::isnan(out[6]), "softplus of large numbers, infinity and NaN");
  f.sigmoid(in.data(), out.data(), static_cast<int64_t>(in.size()));
  check(out[0] >= 0 && out[0] < T(1e-30) && out[5] == 1 && out[3] == T(0.5) && std::isnan(out[6]), "sigmoid of special values");
}

}  // namespace
}  // namespace djlmamba::test

int main() {
  using namespace djlmamba::test;
  test_accuracy<float>();
  test_accuracy<double>();
  test_special_values<float>();
  test_special_values<double>();
  return finish("vector functions", djlmamba::cpu::isa_name());
}
