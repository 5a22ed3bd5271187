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
#include "selective_scan_runner.h"

namespace djlmamba::test {
namespace {

enum Option { kSkip = 1, kGate = 2, kBias = 4, kSoftplus = 8, kInitial = 16, kFinal = 32 };
constexpr int kAllOptions = 63;

/** sequences = 0 packs nothing. */
NaiveScan make_scan(cpu::SelectiveScanSizes sizes, int options, Random& random, int64_t sequences = 0) {
  NaiveScan s;
  s.sizes = sizes;
  if (sequences > 0) {
    s.sequences = sequences;
    s.offsets = random_offsets(sizes.batch, sequences, sizes.length, random);
  }
  const int64_t sequence = sizes.batch * sizes.length * sizes.channels;
  const int64_t grouped = sizes.batch * sizes.length * sizes.groups * sizes.states;
  s.u = random.array(sequence, -1, 1);
  s.softplus = options & kSoftplus;
  s.delta = s.softplus ? random.array(sequence, -4, 2) : random.array(sequence, 0.01, 0.5);
  s.a = random.array(sizes.channels * sizes.states, -4, -0.1);
  s.b = random.array(grouped, -1, 1);
  s.c = random.array(grouped, -1, 1);
  if (options & kSkip) s.skip = random.array(sizes.channels, -1, 1);
  if (options & kGate) s.z = random.array(sequence, -3, 3);
  if (options & kBias) s.delta_bias = random.array(sizes.channels, 0, 0.2);
  if (options & kInitial) s.initial_state = random.array(sizes.batch * s.sequences * sizes.channels * sizes.states, -1, 1);
  return s;
}

std::string describe(const cpu::SelectiveScanSizes& s, int options, const char* type) {
  return std::string(type) + " B" + std::to_string(s.batch) + " L" + std::to_string(s.length) + " D" + std::to_string(s.channels) + " N" +
         std::to_string(s.states) + " G" + std::to_string(s.groups) + " options " + std::to_string(options);
}

template <typename T>
constexpr double kTolerance = std::is_same_v<T, float> ? 1e-5 : 1e-12;

template <typename T, typename X = T>
void check_numbers(NaiveScan s, int options, const Layout& layout, Random& random, int threads = 1) {
  for (Array* stored : {&s.u, &s.delta, &s.b, &s.c, &s.z}) round_to<X>(*stored);
  const cpu::SelectiveScanSizes& sizes = s.sizes;
  const std::string what =
      describe(sizes, options, !std::is_same_v<T, X> ? "bfloat16" : std::is_same_v<T, float> ? "float" : "double") + " sequences " +
      std::to_string(s.offsets.empty() ? 0 : s.sequences);
  const double tolerance = kTolerance<T>;
  /* Half a unit in the last place of what is stored. */
  const double stored_tolerance = std::is_same_v<T, X> ? tolerance : 0x1p-8;
  ScanRunner<T, X> run(s, layout, threads);
  run.forward(options & kFinal);
  const NaiveScanOutputs expected = naive_scan(s);
  check_close(run.out.get(), expected.out, stored_tolerance, what + " out");
  check(run.out.gaps_untouched(), what + " out written outside");
  if (options & kFinal) {
    check_close(run.final_state.get(), expected.final_state, tolerance, what + " final_state");
    check(run.final_state.gaps_untouched(), what + " final_state written outside");
  }

  Array d_out = random.array(static_cast<int64_t>(s.u.size()), -1, 1);
  round_to<X>(d_out);
  const Array d_final = options & kFinal ? random.array(static_cast<int64_t>(expected.final_state.size()), -1, 1) : Array();
  run.backward(d_out, d_final);
  const NaiveScanGradients g = naive_scan_backward(s, d_out, d_final);
  /* Sums over time, batch and channels gather more rounding than single entries do. */
  const double sum_tolerance = 2 * tolerance;
  check_close(run.d_u.get(), g.u, stored_tolerance, what + " d_u");
  check_close(run.d_delta.get(), g.delta, stored_tolerance, what + " d_delta");
  check_close(run.d_a.get(), g.a, sum_tolerance, what + " d_a");
  check_close(run.d_b.get(), g.b, 2 * stored_tolerance, what + " d_b");
  check_close(run.d_c.get(), g.c, 2 * stored_tolerance, what + " d_c");
  check_close(run.d_initial_state.get(), g.initial_state, tolerance, what + " d_initial_state");
  if (options & kSkip) check_close(run.d_skip.get(), g.skip, sum_tolerance, what + " d_skip");
  if (options & kGate) check_close(run.d_z.get(), g.z, stored_tolerance, what + " d_z");
  if (options & kBias) check_close(run.d_delta_bias.get(), g.delta_bias, sum_tolerance, what + " d_delta_bias");
  for (Strided<X>* array : {&run.d_u, &run.d_delta, &run.d_b, &run.d_c, &run.d_z}) {
    check(array->gaps_untouched(), what + " gradient written outside");
  }
  for (Strided<T>* array : {&run.d_a, &run.d_initial_state, &run.d_skip, &run.d_delta_bias}) {
    check(array->gaps_untouched(), what + " gradient written outside");
  }
}

template <typename T, typename X = T>
void check_scan(const cpu::SelectiveScanSizes& sizes, int options, const Layout& layout, Random& random, int threads = 1, int64_t sequences = 0) {
  check_numbers<T, X>(make_scan(sizes, options, random, sequences), options, layout, random, threads);
}

/** The naive gradients against central differences of the naive scan. */
void test_naive_gradients() {
  Random random(1);
  NaiveScan s = make_scan({2, 5, 4, 3, 2}, kAllOptions, random);
  const Array d_out = random.array(2 * 5 * 4, -1, 1);
  const Array d_final = random.array(2 * 4 * 3, -1, 1);
  const NaiveScanGradients g = naive_scan_backward(s, d_out, d_final);
  auto loss = [&] {
    const NaiveScanOutputs o = naive_scan(s);
    double sum = 0;
    for (size_t i = 0; i < d_out.size(); ++i) sum += d_out[i] * o.out[i];
    for (size_t i = 0; i < d_final.size(); ++i) sum += d_final[i] * o.final_state[i];
    return sum;
  };
  const auto compare = [&](Array& input, const Array& gradient, const char* name) {
    check_central_differences(input, gradient, name, loss);
  };
  compare(s.u, g.u, "u");
  compare(s.delta, g.delta, "delta");
  compare(s.a, g.a, "a");
  compare(s.b, g.b, "b");
  compare(s.c, g.c, "c");
  compare(s.skip, g.skip, "skip");
  compare(s.z, g.z, "z");
  compare(s.delta_bias, g.delta_bias, "delta_bias");
  compare(s.initial_state, g.initial_state, "initial_state");
}

template <typename T>
void test_sizes() {
  Random random(2);
  const Layout gaps{3, 5};
  for (int64_t length : {0, 1, 2, 7, 8, 64, 65}) {
    for (int64_t channels : {1, 4, 15, 16, 17, 33, 64}) check_scan<T>({2, length, channels, 3, 1}, kAllOptions, gaps, random);
  }
  for (int64_t length : {372, 1134}) check_scan<T>({1, length, 17, 4, 1}, kAllOptions, gaps, random);
  for (int64_t states : {1, 2, 3, 8, 16, 17, 33, 64, 256}) check_scan<T>({2, 37, 20, states, 1}, kAllOptions, gaps, random);
  for (int64_t channels : {4, 16, 34, 64, 128}) {
    for (int64_t groups : {int64_t{1}, int64_t{2}, channels}) check_scan<T>({2, 19, channels, 5, groups}, kAllOptions, gaps, random);
  }
  check_scan<T>({0, 5, 4, 3, 1}, kAllOptions, gaps, random);
  check_scan<T>({3, 5, 0, 3, 1}, kAllOptions, gaps, random);
  /* Several blocks per group, whose partial sums are reduced. */
  check_scan<T>({1, 70, 1100, 2, 1}, kAllOptions, gaps, random);
  check_scan<T>({3, 20, 600, 16, 2}, kAllOptions, {}, random, 3);
  check_scan<T>({40, 9, 48, 16, 1}, kAllOptions, gaps, random, 2);
}

/** Packed sequences: with more sequences than steps, some are empty. */
template <typename T, typename X = T>
void test_packed() {
  Random random(9);
  const Layout gaps{3, 5};
  for (int64_t length : {0, 1, 2, 16, 33, 70}) {
    for (int64_t sequences : {1, 2, 5, 40}) check_scan<T, X>({2, length, 35, 5, 1}, kAllOptions, gaps, random, 1, sequences);
  }
  for (int options = 0; options <= kAllOptions; ++options) check_scan<T, X>({2, 37, 21, 9, 3}, options, {1, 2}, random, 1, 6);
  check_scan<T, X>({1, 1134, 17, 4, 1}, kAllOptions, gaps, random, 2, 300);
  check_scan<T, X>({2, 70, 1100, 16, 2}, kAllOptions, gaps, random, 3, 7);
}

/** BFloat16 sequences beside float parameters and states. */
void test_bfloat16() {
  Random random(10);
  const Layout gaps{3, 5};
  using cpu::BFloat16;
  for (int64_t length : {0, 1, 8, 65}) {
    for (int64_t channels : {1, 16, 33}) check_scan<float, BFloat16>({2, length, channels, 3, 1}, kAllOptions, gaps, random);
  }
  for (int64_t states : {1, 8, 16, 17, 64}) check_scan<float, BFloat16>({2, 37, 20, states, 1}, kAllOptions, gaps, random);
  for (int options = 0; options <= kAllOptions; ++options) check_scan<float, BFloat16>({2, 19, 21, 5, 1}, options, {}, random);
  check_scan<float, BFloat16>({3, 20, 600, 16, 2}, kAllOptions, gaps, random, 3);
  check_scan<float, BFloat16>({1, 70, 1100, 2, 1}, kAllOptions, gaps, random);
  test_packed<float, BFloat16>();
}

/** Exponents of every size and sign, in sequences long enough for every form of the decay. */
template <typename T>
void test_decay_sizes() {
  Random random(8);
  for (double scale : {0.01, 0.07, 0.11, 0.15, 0.17, 0.25, 0.6, 5.0, 12.0}) {
    for (int64_t states : {5, 16, 17}) {
      for (double highest : {-0.1, 0.05}) {
        NaiveScan s = make_scan({2, 53, 35, states, 1}, kAllOptions & ~(kSoftplus | kBias), random);
        s.delta = random.array(s.delta.size(), highest > 0 ? -scale / 10 : 0, scale);
        s.a = random.array(s.a.size(), -10, highest);
        if (scale * highest > 0.01) continue;
        check_numbers<T>(s, kAllOptions & ~(kSoftplus | kBias), {1, 2}, random);
      }
    }
  }
}

/** A single step that is not empty leaves its decay of the initial state 1. Errors are allowed as parts of the largest decay, which is 1. */
template <typename T>
void test_decay_accuracy() {
  constexpr int64_t kChannels = 320, kStates = 16;
  double worst = 0;
  for (int step = 1; step <= 200; ++step) {
    NaiveScan s;
    s.sizes = {1, 64, kChannels, kStates, 1};
    s.u.assign(64 * kChannels, 0);
    s.delta.assign(64 * kChannels, 0);
    for (int64_t d = 0; d < kChannels; ++d) s.delta[5 * kChannels + d] = static_cast<float>(step * 0.01);
    for (int64_t i = 0; i < kChannels * kStates; ++i) s.a.push_back(static_cast<float>(-0.0007 * static_cast<double>(i) / 2));
    s.b.assign(64 * kStates, 1);
    s.c.assign(64 * kStates, 1);
    s.initial_state.assign(kChannels * kStates, 1);
    ScanRunner<T> run(s, {});
    run.forward();
    const std::vector<T> decay = run.final_state.get();
    for (int64_t d = 0; d < kChannels; ++d) {
      for (int64_t n = 0; n < kStates; ++n) {
        const double exact = std::exp(s.delta[5 * kChannels + d] * s.a[d * kStates + n]);
        worst = std::max(worst, std::abs(static_cast<double>(decay[d * kStates + n]) - exact));
      }
    }
  }
  char text[100];
  std::snprintf(text, sizeof text, "decays of a step: error %.3g", worst);
  std::printf("%s\n", text);
  check(worst <= (std::is_same_v<T, float> ? 3e-7 : 1e-15), text);
}

template <typename T>
void test_options() {
  Random random(3);
  for (int options = 0; options <= kAllOptions; ++options) check_scan<T>({2, 19, 21, 5, 1}, options, {1, 2}, random);
}

/** Any set of gradients may be left out, and those that are wanted do not change. */
template <typename T>
void test_wanted_gradients() {
  Random random(4);
  const NaiveScan s = make_scan({2, 35, 300, 5, 2}, kAllOptions, random);
  const Array d_out = random.array(static_cast<int64_t>(s.u.size()), -1, 1);
  ScanRunner<T> all(s, {});
  all.forward();
  all.backward(d_out, {});
  for (int wanted : {0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 24, 511 - 64}) {
    ScanRunner<T> some(s, {});
    some.forward();
    some.backward(d_out, {}, wanted);
    Strided<T>* of_all[] = {&all.d_u, &all.d_delta, &all.d_a, &all.d_b, &all.d_c, &all.d_skip, &all.d_z, &all.d_delta_bias, &all.d_initial_state};
    Strided<T>* of_some[] = {&some.d_u,    &some.d_delta, &some.d_a,          &some.d_b,            &some.d_c,
                             &some.d_skip, &some.d_z,     &some.d_delta_bias, &some.d_initial_state};
    for (int i = 0; i < 9; ++i) {
      const std::vector<T> values = of_some[i]->get();
      const bool right = wanted & (1 << i) ? values == of_all[i]->get()
                                           : std::all_of(values.begin(), values.end(), [](T v) { return std::isnan(v); });
      check(right, "gradient " + std::to_string(i) + " with wanted " + std::to_string(wanted));
    }
  }
}

/** Bitwise the same over runs, threads and whether checkpoints are written. */
template <typename T>
void test_determinism() {
  Random random(5);
  const NaiveScan s = make_scan({3, 70, 400, 16, 2}, kAllOptions, random);
  const Array d_out = random.array(static_cast<int64_t>(s.u.size()), -1, 1);
  ScanRunner<T> first(s, {});
  first.forward();
  first.backward(d_out, {});
  for (int run = 1; run <= 5; ++run) {
    ScanRunner<T> again(s, {}, run);
    again.forward(true, false);
    check(again.out.buffer.size() == first.out.buffer.size() && again.out.get() == first.out.get(), "out repeats without checkpoints");
    again.forward();
    again.backward(d_out, {});
    Strided<T>* a[] = {&first.out,  &first.final_state, &first.d_u, &first.d_delta,      &first.d_a,            &first.d_b,
                       &first.d_c,  &first.d_skip,      &first.d_z, &first.d_delta_bias, &first.d_initial_state};
    Strided<T>* b[] = {&again.out,  &again.final_state, &again.d_u, &again.d_delta,      &again.d_a,            &again.d_b,
                       &again.d_c,  &again.d_skip,      &again.d_z, &again.d_delta_bias, &again.d_initial_state};
    for (int i = 0; i < 11; ++i) check(a[i]->get() == b[i]->get(), "array " + std::to_string(i) + " on " + std::to_string(run) + " threads");
  }
}

/** Inputs whose batch stride is 0. */
template <typename T>
void test_expanded_batch() {
  Random random(6);
  NaiveScan s = make_scan({3, 20, 18, 4, 1}, kAllOptions, random);
  for (Array* array : {&s.u, &s.b}) {
    const size_t one = array->size() / 3;
    for (size_t i = one; i < array->size(); ++i) (*array)[i] = (*array)[i - one];
  }
  ScanRunner<T> run(s, {});
  run.u.batch_stride = 0;
  run.b.batch_stride = 0;
  run.forward();
  check_close(run.out.get(), naive_scan(s).out, kTolerance<T>, "expanded batch");
}

/** Deltas from tiny to huge: decays underflow to 0, growth overflows to infinity, and a NaN stays in its channel. */
template <typename T>
void test_extremes() {
  Random random(7);
  for (bool softplus : {false, true}) {
    NaiveScan s = make_scan({1, 40, 33, 17, 1}, kAllOptions & ~kBias, random);
    s.softplus = softplus;
    for (size_t i = 0; i < s.delta.size(); ++i) {
      const double choices[] = {0, 1e-30, 1e-8, 1, 19.5, 25, 90, 3000, 10000};
      s.delta[i] = static_cast<float>(choices[i * 7 % 9] * (softplus && i % 2 ? -1 : 1));
    }
    const Array d_out = random.array(static_cast<int64_t>(s.u.size()), -1, 1);
    ScanRunner<T> run(s, {});
    run.forward();
    const NaiveScanOutputs o = naive_scan(s);
    check_close(run.out.get(), o.out, kTolerance<T>, "extreme deltas out");
    check_close(run.final_state.get(), o.final_state, kTolerance<T>, "extreme deltas final_state");
    run.backward(d_out, {});
    const NaiveScanGradients g = naive_scan_backward(s, d_out, {});
    check_close(run.d_u.get(), g.u, kTolerance<T>, "extreme deltas d_u");
    check_close(run.d_delta.get(), g.delta, kTolerance<T>, "extreme deltas d_delta");
    check_close(run.d_a.get(), g.a, 2 * kTolerance<T>, "extreme deltas d_a");
  }
  NaiveScan s = make_scan({1, 20, 5, 2, 1}, kInitial, random);
  s.delta[3 * 5 + 1] = std::numeric_limits<double>::quiet_NaN();
  s.delta[4 * 5 + 2] = std::numeric_limits<double>::infinity();
  s.a[3 * 2] = 1;
  s.delta[5 * 5 + 3] = 10000;
  ScanRunner<T> run(s, {});
  run.forward();
  const std::vector<T> out = run.out.get();
  for (int64_t t = 0; t < 20; ++t) {
    const T* row = out.data() + t * 5;
    check(std::isfinite(row[0]) && std::isfinite(row[4]), "a channel without extremes stays finite");
    check(std::isnan(row[1]) == (t >= 3), "a NaN starts where it enters");
    check(std::isfinite(row[2]) == (t < 4), "an infinite delta starts where it enters");
    check(std::isfinite(row[3]) == (t < 5), "growth overflows");
  }
}

template <typename T>
void test_all() {
  test_sizes<T>();
  test_decay_sizes<T>();
  test_decay_accuracy<T>();
  test_options<T>();
  test_wanted_gradients<T>();
  test_determinism<T>();
  test_expanded_batch<T>();
  test_extremes<T>();
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
  return djlmamba::test::finish("selective scan", djlmamba::cpu::isa_name());
}
