/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include <type_traits>

#include "causal_conv1d_naive.h"
#include "isa.h"
#include "selective_scan_runner.h"

namespace djlmamba::test {
namespace {

enum Option { kBias = 1, kSilu = 2, kInitial = 4, kFinal = 8 };
constexpr int kAllOptions = 15;

template <typename T, typename X = T>
struct ConvRunner {
  const NaiveConv& numbers;
  Layout layout;
  int threads;
  Strided<X> x, out, d_out, d_x;
  Strided<T> weight, bias, initial_state, final_state, d_final_state, d_weight, d_bias, d_initial_state;

  ConvRunner(const NaiveConv& numbers_, const Layout& layout_, int threads_) : numbers(numbers_), layout(layout_), threads(threads_) {
    const auto& s = numbers.sizes;
    fill(x, numbers.x, s.batch, s.length, s.channels);
    fill(weight, numbers.weight, 1, s.channels, s.width);
    fill(bias, numbers.bias, 1, 1, s.channels);
    fill(initial_state, numbers.initial_state, s.batch * numbers.sequences, s.width - 1, s.channels);
  }

  cpu::CausalConv1dInputs<T, X> inputs() {
    cpu::CausalConv1dInputs<T, X> in;
    in.sizes = numbers.sizes;
    if (!numbers.offsets.empty()) in.packed = {numbers.offsets.data(), numbers.sequences};
    in.x = read(x.sequence());
    in.weight = {weight.data(), weight.row_stride};
    if (!numbers.bias.empty()) in.bias = bias.data();
    in.silu = numbers.silu;
    if (!numbers.initial_state.empty()) in.initial_state = read(initial_state.batched_matrix());
    return in;
  }

  void forward() {
    const auto& kernels = cpu::causal_conv1d_kernels<T, X>();
    const auto& s = numbers.sizes;
    out = Strided<X>(s.batch, s.length, s.channels, layout);
    final_state = Strided<T>(s.batch * numbers.sequences, s.width - 1, s.channels, layout);
    cpu::CausalConv1dForward<T, X> f;
    f.in = inputs();
    f.out = out.sequence();
    f.final_state = final_state.batched_matrix();
    run_blocks(kernels.plan(s).forward_blocks, threads, [&](int64_t begin, int64_t end) { kernels.forward(f, begin, end); });
  }

  /** `wanted` has one bit per gradient, in the order x, weight, bias, initial_state. */
  void backward(const Array& d_out_values, const Array& d_final_values, int wanted = 15) {
    const auto& kernels = cpu::causal_conv1d_kernels<T, X>();
    const auto& s = numbers.sizes;
    const auto plan = kernels.plan(s);
    fill(d_out, d_out_values, s.batch, s.length, s.channels);
    fill(d_final_state, d_final_values, s.batch * numbers.sequences, s.width - 1, s.channels);
    d_x = Strided<X>(s.batch, s.length, s.channels, layout);
    d_weight = Strided<T>(1, s.channels, s.width, layout);
    d_bias = Strided<T>(1, 1, s.channels, layout);
    d_initial_state = Strided<T>(s.batch * numbers.sequences, s.width - 1, s.channels, layout);
    std::vector<T> workspace = nan_filled<T>(plan.backward_workspace_elements);
    cpu::CausalConv1dBackward<T, X> f;
    f.in = inputs();
    f.d_out = read(d_out.sequence());
    if (!d_final_values.empty()) f.d_final_state = read(d_final_state.batched_matrix());
    f.workspace = workspace.data();
    if (wanted & 1) f.d_x = d_x.sequence();
    if (wanted & 2) f.d_weight = d_weight.matrix();
    if ((wanted & 4) && f.in.bias) f.d_bias = d_bias.data();
    if (wanted & 8) f.d_initial_state = d_initial_state.batched_matrix();
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

NaiveConv make_conv(const cpu::CausalConv1dSizes& sizes, int options, Random& random, int64_t sequences = 0) {
  NaiveConv c;
  c.sizes = sizes;
  if (sequences > 0) {
    c.sequences = sequences;
    c.offsets = random_offsets(sizes.batch, sequences, sizes.length, random);
  }
  c.x = random.array(sizes.batch * sizes.length * sizes.channels, -2, 2);
  c.weight = random.array(sizes.channels * sizes.width, -1, 1);
  if (options & kBias) c.bias = random.array(sizes.channels, -1, 1);
  c.silu = options & kSilu;
  if (options & kInitial) c.initial_state = random.array(sizes.batch * c.sequences * (sizes.width - 1) * sizes.channels, -2, 2);
  return c;
}

/** sequences = 0 packs nothing. */
template <typename T, typename X = T>
void check_conv(const cpu::CausalConv1dSizes& sizes, int options, const Layout& layout, Random& random, int threads = 1, int64_t sequences = 0) {
  NaiveConv c = make_conv(sizes, options, random, sequences);
  round_to<X>(c.x);
  const double tolerance = std::is_same_v<T, float> ? 2e-6 : 1e-14;
  /* Half a unit in the last place of what is stored. */
  const double stored_tolerance = std::is_same_v<X, T> ? tolerance : 0x1p-8;
  /* Sums over time and batch, which may cancel, gather more rounding than single entries do. */
  const double sum_tolerance = 5 * tolerance;
  const std::string what = "B" + std::to_string(sizes.batch) + " L" + std::to_string(sizes.length) + " D" + std::to_string(sizes.channels) + " W" +
                           std::to_string(sizes.width) + " options " + std::to_string(options) + " sequences " + std::to_string(sequences);
  ConvRunner<T, X> run(c, layout, threads);
  run.forward();
  ConvResults expected = naive_forward(c);
  check_close(run.out.get(), expected.out, stored_tolerance, what + " out");
  check_close(run.final_state.get(), expected.final_state, 0, what + " final_state");
  check(run.out.gaps_untouched() && run.final_state.gaps_untouched(), what + " written outside");
  Array d_out = random.array(static_cast<int64_t>(c.x.size()), -1, 1);
  round_to<X>(d_out);
  const Array d_final = options & kFinal ? random.array(static_cast<int64_t>(expected.final_state.size()), -1, 1) : Array();
  naive_backward(c, d_out, d_final, expected);
  run.backward(d_out, d_final);
  check_close(run.d_x.get(), expected.d_x, stored_tolerance, what + " d_x");
  check_close(run.d_weight.get(), expected.d_weight, sum_tolerance, what + " d_weight");
  if (options & kBias) check_close(run.d_bias.get(), expected.d_bias, sum_tolerance, what + " d_bias");
  check_close(run.d_initial_state.get(), expected.d_initial_state, tolerance, what + " d_initial_state");
  check(run.d_x.gaps_untouched() && run.d_weight.gaps_untouched() && run.d_bias.gaps_untouched() && run.d_initial_state.gaps_untouched(),
        what + " gradient written outside");
}

/** Packed sequences: with more sequences than steps, some are empty. */
template <typename T, typename X = T>
void test_packed() {
  Random random(13);
  const Layout gaps{3, 5};
  for (int64_t length : {0, 1, 2, 7, 31, 32, 70, 200}) {
    for (int64_t width : {1, 2, 4, 6}) {
      for (int64_t sequences : {1, 2, 5, 40}) check_conv<T, X>({2, length, 19, width}, kAllOptions, gaps, random, 1, sequences);
    }
  }
  for (int options = 0; options <= kAllOptions; ++options) {
    for (int64_t width : {3, 4, 6}) check_conv<T, X>({2, 70, 33, width}, options, {}, random, 2, 9);
  }
  check_conv<T, X>({1, 1134, 17, 4}, kAllOptions, gaps, random, 3, 300);
  check_conv<T, X>({2, 130, 2100, 4}, kAllOptions, gaps, random, 3, 7);
}

/** BFloat16 sequences beside float parameters and states. */
void test_bfloat16() {
  Random random(14);
  const Layout gaps{3, 5};
  for (int64_t length : {0, 1, 3, 8, 65, 200}) {
    for (int64_t width : {1, 2, 3, 4, 5}) {
      for (int64_t channels : {1, 16, 33}) check_conv<float, cpu::BFloat16>({2, length, channels, width}, kAllOptions, gaps, random);
    }
  }
  for (int options = 0; options <= kAllOptions; ++options) check_conv<float, cpu::BFloat16>({2, 70, 21, 4}, options, {}, random);
  test_packed<float, cpu::BFloat16>();
}

/** The naive gradients against central differences of the naive convolution. */
void test_naive_gradients() {
  Random random(11);
  NaiveConv c = make_conv({2, 5, 3, 4}, kAllOptions, random);
  const Array d_out = random.array(2 * 5 * 3, -1, 1);
  const Array d_final = random.array(2 * 3 * 3, -1, 1);
  ConvResults r;
  naive_backward(c, d_out, d_final, r);
  auto loss = [&] {
    const ConvResults o = naive_forward(c);
    double sum = 0;
    for (size_t i = 0; i < d_out.size(); ++i) sum += d_out[i] * o.out[i];
    for (size_t i = 0; i < d_final.size(); ++i) sum += d_final[i] * o.final_state[i];
    return sum;
  };
  const std::pair<Array*, const Array*> pairs[] = {
      {&c.x, &r.d_x}, {&c.weight, &r.d_weight}, {&c.bias, &r.d_bias}, {&c.initial_state, &r.d_initial_state}};
  for (const auto& [input, gradient] : pairs) {
    Array numeric(input->size());
    for (size_t i = 0; i < input->size(); ++i) {
      const double x = (*input)[i], h = 1e-5;
      (*input)[i] = x + h;
      const double up = loss();
      (*input)[i] = x - h;
      numeric[i] = (up - loss()) / (2 * h);
      (*input)[i] = x;
    }
    check_close(numeric, *gradient, 1e-8, "central differences of the convolution");
  }
}

template <typename T>
void test_all() {
  Random random(12);
  const Layout gaps{3, 5};
  for (int64_t length : {0, 1, 2, 3, 7, 8, 64, 65, 200}) {
    for (int64_t width : {1, 2, 3, 4, 5, 9}) {
      for (int64_t channels : {1, 15, 16, 17, 33}) check_conv<T>({2, length, channels, width}, kAllOptions, gaps, random);
    }
  }
  for (int options = 0; options <= kAllOptions; ++options) {
    for (int64_t width : {1, 3, 4, 6}) check_conv<T>({2, 70, 21, width}, options, {}, random);
  }
  check_conv<T>({0, 5, 4, 4}, kAllOptions, gaps, random);
  check_conv<T>({2, 5, 0, 4}, kAllOptions, gaps, random);
  check_conv<T>({1, 372, 33, 4}, kAllOptions, gaps, random, 2);
  check_conv<T>({2, 130, 2100, 4}, kAllOptions, gaps, random, 3);
  check_conv<T>({1, 1134, 17, 3}, kAllOptions, gaps, random);

  /* Bitwise the same on any number of threads; gradients that are not wanted stay untouched and change nothing. */
  const NaiveConv c = make_conv({3, 200, 1500, 4}, kAllOptions, random);
  const Array d_out = random.array(static_cast<int64_t>(c.x.size()), -1, 1);
  ConvRunner<T> first(c, {}, 1);
  first.forward();
  first.backward(d_out, {});
  for (int run = 0; run < 5; ++run) {
    ConvRunner<T> again(c, {}, run + 1);
    again.forward();
    const int wanted = run < 4 ? 1 << run : 15;
    again.backward(d_out, {}, wanted);
    Strided<T>* of_first[] = {&first.d_x, &first.d_weight, &first.d_bias, &first.d_initial_state};
    Strided<T>* of_again[] = {&again.d_x, &again.d_weight, &again.d_bias, &again.d_initial_state};
    check(again.out.get() == first.out.get() && again.final_state.get() == first.final_state.get(), "the convolution repeats");
    for (int i = 0; i < 4; ++i) {
      const std::vector<T> values = of_again[i]->get();
      check(wanted & (1 << i) ? values == of_first[i]->get() : std::all_of(values.begin(), values.end(), [](T v) { return std::isnan(v); }),
            "gradient " + std::to_string(i) + " of run " + std::to_string(run));
    }
  }
}

}  // namespace
}  // namespace djlmamba::test

int main() {
  djlmamba::test::test_naive_gradients();
  djlmamba::test::test_all<double>();
  djlmamba::test::test_all<float>();
  djlmamba::test::test_packed<double>();
  djlmamba::test::test_packed<float>();
  djlmamba::test::test_bfloat16();
  return djlmamba::test::finish("causal conv1d", djlmamba::cpu::isa_name());
}
