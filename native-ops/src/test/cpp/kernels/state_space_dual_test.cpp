/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "isa.h"
#include "state_space_dual_runner.h"

namespace djlmamba::test {
namespace {

enum Option { kSkip = 1, kGate = 2, kBias = 4, kSoftplus = 8, kInitial = 16, kFinal = 32, kLimits = 64, kSkipByChannel = 128 };
constexpr int kAllOptions = 255;

using Sizes = cpu::StateSpaceDualSizes;

/** Sizes without packed sequences. */
Sizes sizes_of(int64_t batch, int64_t length, int64_t heads, int64_t head_size, int64_t states, int64_t groups = 1, int64_t chunk = 0) {
  return {batch, length, heads, head_size, states, groups, 1, chunk};
}

NaiveDual make_dual(const Sizes& sizes, int options, Random& random) {
  NaiveDual s;
  s.sizes = sizes;
  const int64_t tokens = sizes.batch * sizes.length, state = sizes.head_size * sizes.states;
  s.x = random.array(tokens * sizes.heads * sizes.head_size, -1, 1);
  s.softplus = options & kSoftplus;
  s.delta = s.softplus ? random.array(tokens * sizes.heads, -4, 2) : random.array(tokens * sizes.heads, 0.01, 0.5);
  s.a = random.array(sizes.heads, -4, -0.05);
  s.b = random.array(tokens * sizes.groups * sizes.states, -1, 1);
  s.c = random.array(tokens * sizes.groups * sizes.states, -1, 1);
  if (options & kSkip) s.skip = random.array(options & kSkipByChannel ? sizes.heads * sizes.head_size : sizes.heads, -1, 1);
  if (options & kGate) s.z = random.array(tokens * sizes.heads * sizes.head_size, -3, 3);
  if (options & kBias) s.delta_bias = random.array(sizes.heads, 0, 0.2);
  if (options & kInitial) s.initial_state = random.array(sizes.batch * sizes.sequences * sizes.heads * state, -1, 1);
  if (options & kLimits) {
    s.delta_min = 0.0625;
    s.delta_max = 0.4375;
  }
  return s;
}

/** Activations that BFloat16 holds exactly. */
void round_activations(NaiveDual& s) {
  for (Array* array : {&s.x, &s.delta, &s.b, &s.c, &s.z}) {
    for (double& v : *array) v = to_float(to_bfloat16(static_cast<float>(v)));
  }
}

/** The same number of sequences in each row, some empty, of lengths that differ. */
void pack(NaiveDual& s, Random& random, bool first_empty) {
  for (int64_t batch = 0; batch < s.sizes.batch; ++batch) {
    std::vector<int64_t> cuts;
    for (int64_t i = 1; i < s.sizes.sequences; ++i) cuts.push_back(static_cast<int64_t>(random.uniform(0, static_cast<double>(s.sizes.length) + 0.99)));
    if (first_empty && !cuts.empty()) cuts[0] = 0;
    std::sort(cuts.begin(), cuts.end());
    if (cuts.size() > 3) cuts[2] = cuts[1];
    s.offsets.push_back(0);
    s.offsets.insert(s.offsets.end(), cuts.begin(), cuts.end());
    s.offsets.push_back(s.sizes.length);
  }
}

std::string describe(const Sizes& s, int options, const char* type) {
  const auto text = [](const char* name, int64_t value) { return name + std::to_string(value); };
  return type + text(" B", s.batch) + text(" L", s.length) + text(" H", s.heads) + text(" P", s.head_size) + text(" N", s.states) + text(" G", s.groups) +
         text(" S", s.sequences) + text(" chunk ", s.chunk) + text(" options ", options);
}

template <typename T, typename X>
constexpr const char* kTypeName = std::is_same_v<T, double> ? "double" : std::is_same_v<X, float> ? "float" : "bfloat16";

template <typename T>
constexpr double kTolerance = std::is_same_v<T, float> ? 1e-5 : 1e-12;

/** Of what is written in X. */
template <typename T, typename X>
constexpr double kWrittenTolerance = std::is_same_v<T, X> ? kTolerance<T> : 4e-3;

template <typename T, typename X>
void check_numbers(const NaiveDual& s, int options, const Layout& layout, Random& random, int threads = 1) {
  const std::string what = describe(s.sizes, options, kTypeName<T, X>);
  const double tolerance = kTolerance<T>, written = kWrittenTolerance<T, X>;
  DualRunner<T, X> run(s, layout, threads);
  run.forward();
  const NaiveDualOutputs expected = naive_dual(s);
  check_close(run.out.values.get(), expected.out, written, what + " out");
  check_close(run.final_state.get(), expected.final_state, tolerance, what + " final_state");
  check(run.out.values.gaps_untouched() && run.final_state.gaps_untouched(), what + " written outside");
  Array d_out = random.array(static_cast<int64_t>(s.x.size()), -1, 1);
  for (double& v : d_out) v = to_float(to_bfloat16(static_cast<float>(v)));
  const Array d_final = options & kFinal ? random.array(static_cast<int64_t>(expected.final_state.size()), -1, 1) : Array();
  run.backward(d_out, d_final);
  const NaiveDualGradients g = naive_dual_backward(s, d_out, d_final);
  /* Sums over time, batch, heads and channels gather more rounding than single entries do. */
  const double sums = 3 * tolerance, written_sums = std::max(written, sums);
  check_close(run.d_x.values.get(), g.x, written, what + " d_x");
  check_close(run.d_delta.values.get(), g.delta, written_sums, what + " d_delta");
  check_close(run.d_a, g.a, sums, what + " d_a");
  check_close(run.d_b.values.get(), g.b, written_sums, what + " d_b");
  check_close(run.d_c.values.get(), g.c, written_sums, what + " d_c");
  check_close(run.d_initial_state.get(), g.initial_state, tolerance, what + " d_initial_state");
  if (options & kSkip) check_close(run.d_skip.get(), g.skip, sums, what + " d_skip");
  if (options & kGate) check_close(run.d_z.values.get(), g.z, written, what + " d_z");
  if (options & kBias) check_close(run.d_delta_bias, g.delta_bias, sums, what + " d_delta_bias");
  for (Activations<T, X>* array : {&run.d_x, &run.d_delta, &run.d_b, &run.d_c, &run.d_z}) {
    check(array->values.gaps_untouched(), what + " gradient written outside");
  }
  for (Strided<T>* array : {&run.d_skip, &run.d_initial_state}) check(array->gaps_untouched(), what + " gradient written outside");
}

template <typename T, typename X>
void check_dual(const Sizes& sizes, int options, const Layout& layout, Random& random, int threads = 1) {
  NaiveDual s = make_dual(sizes, options, random);
  if (!std::is_same_v<T, X>) round_activations(s);
  check_numbers<T, X>(s, options, layout, random, threads);
}

/** The naive gradients against central differences of the naive form. */
void test_naive_gradients() {
  Random random(1);
  NaiveDual s = make_dual({2, 6, 4, 3, 2, 2, 3, 0}, kAllOptions, random);
  pack(s, random, true);
  const Array d_out = random.array(static_cast<int64_t>(s.x.size()), -1, 1);
  const Array d_final = random.array(static_cast<int64_t>(s.initial_state.size()), -1, 1);
  const NaiveDualGradients g = naive_dual_backward(s, d_out, d_final);
  const auto loss = [&] {
    const NaiveDualOutputs o = naive_dual(s);
    double sum = 0;
    for (size_t i = 0; i < d_out.size(); ++i) sum += d_out[i] * o.out[i];
    for (size_t i = 0; i < d_final.size(); ++i) sum += d_final[i] * o.final_state[i];
    return sum;
  };
  const auto compare = [&](Array& input, const Array& gradient, const char* name) {
    check_central_differences(input, gradient, name, loss);
  };
  compare(s.x, g.x, "x");
  compare(s.delta, g.delta, "delta");
  compare(s.a, g.a, "a");
  compare(s.b, g.b, "b");
  compare(s.c, g.c, "c");
  compare(s.skip, g.skip, "skip");
  compare(s.z, g.z, "z");
  compare(s.delta_bias, g.delta_bias, "delta_bias");
  compare(s.initial_state, g.initial_state, "initial_state");
}

template <typename T, typename X>
void test_sizes() {
  Random random(2);
  const Layout gaps{3, 5};
  for (int64_t length : {0, 1, 2, 4, 5, 15, 16, 17, 63, 64, 65, 129, 300}) {
    check_dual<T, X>(sizes_of(2, length, 3, 9, 7), kAllOptions, gaps, random);
    check_dual<T, X>(sizes_of(1, length, 2, 64, 64), kAllOptions & ~kInitial, {}, random);
  }
  // A state that is written past the caches, and one whose rows cannot be.
  for (const Layout& layout : {Layout{}, gaps}) {
    for (int64_t length : {1, 3}) check_dual<T, X>(sizes_of(1, length, 17, 64, 128), kAllOptions, layout, random, 2);
  }
  for (int64_t head_size : {1, 3, 16, 33, 64, 80, 128}) {
    for (int64_t states : {1, 3, 16, 33, 64, 80, 128}) check_dual<T, X>(sizes_of(1, 70, 2, head_size, states), kAllOptions, gaps, random);
  }
  for (int64_t groups : {1, 2, 6}) {
    check_dual<T, X>(sizes_of(2, 83, 6, 5, 17, groups), kAllOptions, gaps, random);
    check_dual<T, X>(sizes_of(1, 3, 6, 5, 17, groups), kAllOptions, gaps, random);
  }
  check_dual<T, X>(sizes_of(0, 5, 4, 3, 2), kAllOptions, gaps, random);
  check_dual<T, X>(sizes_of(3, 5, 0, 3, 2), kAllOptions, gaps, random);
  /* Several blocks per group, whose partial sums are reduced. */
  check_dual<T, X>(sizes_of(1, 70, 26, 4, 16, 2), kAllOptions, gaps, random, 3);
  check_dual<T, X>(sizes_of(3, 20, 14, 16, 16), kAllOptions, {}, random, 2);
  check_dual<T, X>(sizes_of(1, 3, 14, 16, 16), kAllOptions, {}, random, 2);
}

template <typename T, typename X>
void test_chunks() {
  Random random(3);
  for (int64_t chunk : {0, 1, 2, 16, 17, 32, 64, 100, 128, 256, 1000}) {
    for (int64_t length : {1, 3, 16, 40, 257, 530}) check_dual<T, X>(sizes_of(1, length, 2, 12, 20, 1, chunk), kAllOptions, {1, 2}, random);
  }
}

template <typename T, typename X>
void test_options() {
  Random random(4);
  for (int options = 0; options <= kAllOptions; ++options) {
    for (int64_t chunk : {1, 16}) check_dual<T, X>(sizes_of(2, 19, 3, 5, 6, 1, chunk), options, {1, 2}, random);
  }
}

/** Packed sequences against the naive form, and bit by bit against the same sequences one by one. */
template <typename T, typename X>
void test_packed() {
  Random random(5);
  for (int64_t chunk : {0, 1, 16, 64}) {
    for (int64_t sequences : {1, 2, 5, 12}) {
      for (int options : {kAllOptions, kAllOptions & ~(kInitial | kFinal)}) {
        for (int64_t length : {0, 9, 150}) {
          NaiveDual s = make_dual({2, length, 4, 6, 10, 2, sequences, chunk}, options, random);
          if (!std::is_same_v<T, X>) round_activations(s);
          pack(s, random, chunk == 0);
          check_numbers<T, X>(s, options, {1, 2}, random);
        }
      }
    }
  }
  NaiveDual s = make_dual({1, 120, 3, 6, 10, 1, 4, 0}, kInitial | kSkip, random);
  if (!std::is_same_v<T, X>) round_activations(s);
  s.offsets = {0, 3, 3, 85, 120};
  DualRunner<T, X> packed(s, {});
  packed.forward();
  const int64_t row = 3 * 6, state = 3 * 6 * 10;
  for (int64_t i = 0; i < 4; ++i) {
    const int64_t begin = s.offsets[i], end = s.offsets[i + 1];
    NaiveDual one = s;
    one.offsets.clear();
    one.sizes.sequences = 1;
    one.sizes.length = end - begin;
    const auto cut = [&](Array& array, int64_t from, int64_t to) { array = Array(array.begin() + from, array.begin() + to); };
    cut(one.x, begin * row, end * row);
    cut(one.delta, begin * 3, end * 3);
    cut(one.b, begin * 10, end * 10);
    cut(one.c, begin * 10, end * 10);
    cut(one.initial_state, i * state, (i + 1) * state);
    DualRunner<T, X> run(one, {});
    run.forward();
    const std::vector<T> out = packed.out.values.get(), final_state = packed.final_state.get();
    check(run.out.values.get() == std::vector<T>(out.begin() + begin * row, out.begin() + end * row), "a packed sequence's output is its own");
    check(run.final_state.get() == std::vector<T>(final_state.begin() + i * state, final_state.begin() + (i + 1) * state),
          "a packed sequence's final state is its own");
  }
}

/** Any set of gradients may be left out, and those that are wanted do not change. */
template <typename T, typename X>
void test_wanted_gradients() {
  Random random(6);
  for (int64_t chunk : {1, 16}) {
    const NaiveDual s = make_dual(sizes_of(2, 35, 14, 5, 6, 2, chunk), kAllOptions, random);
    const Array d_out = random.array(static_cast<int64_t>(s.x.size()), -1, 1);
    DualRunner<T, X> all(s, {});
    all.forward();
    all.backward(d_out, {});
    const auto of_all = all.results();
    for (int wanted : {0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 24, 511 - 64}) {
      DualRunner<T, X> some(s, {});
      some.forward(false);
      const std::vector<T> final_state = some.final_state.get();
      check(std::all_of(final_state.begin(), final_state.end(), [](T v) { return std::isnan(v); }), "a final state that is not wanted");
      some.backward(d_out, {}, wanted);
      const auto of_some = some.results();
      check(of_some[0] == of_all[0], "the output without a final state");
      for (int i = 0; i < 9; ++i) {
        const std::vector<T>& values = of_some[i + 2];
        const bool right =
            wanted & (1 << i) ? values == of_all[i + 2] : std::all_of(values.begin(), values.end(), [](T v) { return std::isnan(v); });
        check(right, "gradient " + std::to_string(i) + " with wanted " + std::to_string(wanted));
      }
    }
  }
}

/** Bitwise the same over runs and threads. */
template <typename T, typename X>
void test_determinism() {
  Random random(7);
  for (int64_t length : {3, 70}) {
    const NaiveDual s = make_dual(sizes_of(2, length, 22, 16, 16, 2), kAllOptions, random);
    const Array d_out = random.array(static_cast<int64_t>(s.x.size()), -1, 1);
    DualRunner<T, X> first(s, {});
    first.forward();
    first.backward(d_out, {});
    for (int run = 1; run <= 7; ++run) {
      DualRunner<T, X> again(s, {}, run);
      again.forward();
      again.backward(d_out, {});
      check(again.results() == first.results(), "repeats on " + std::to_string(run) + " threads");
    }
  }
}

/** A later input does not change one bit of an earlier output, be it ordinary, enormous or not a number. */
template <typename T, typename X>
void test_causality() {
  Random random(8);
  for (int64_t chunk : {0, 1, 32, 64}) {
    for (int64_t head_size : {5, 64}) {
      const NaiveDual s = make_dual(sizes_of(1, 100, 2, head_size, 33, 1, chunk), kAllOptions & ~kLimits, random);
      DualRunner<T, X> run(s, {});
      run.forward();
      const std::vector<T> before = run.out.values.get();
      for (int64_t t : {0, 1, 3, 15, 16, 18, 63, 64, 66, 99}) {
        for (double value : {1.0, 1e30, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
          for (int which = 0; which < 5; ++which) {
            NaiveDual other = s;
            Array* const arrays[] = {&other.x, &other.delta, &other.b, &other.c, &other.z};
            const int64_t width = static_cast<int64_t>(arrays[which]->size()) / 100;
            for (int64_t i = t * width; i < (t + 1) * width; ++i) (*arrays[which])[i] = value;
            DualRunner<T, X> changed(other, {});
            changed.forward();
            const std::vector<T> after = changed.out.values.get();
            const int64_t same = t * 2 * head_size;
            check(std::equal(after.begin(), after.begin() + same, before.begin()),
                  "input " + std::to_string(which) + " of token " + std::to_string(t) + " reaches back, chunk " + std::to_string(chunk));
            check(after != before, "an input has an effect");
          }
        }
      }
    }
  }
}

/** Deltas from tiny to huge: decays underflow to 0; and growth, for which A is positive. */
template <typename T, typename X>
void test_extremes() {
  Random random(9);
  for (int64_t chunk : {0, 1, 64}) {
    for (bool softplus : {false, true}) {
      NaiveDual s = make_dual(sizes_of(1, 150, 7, 9, 50, 1, chunk), kAllOptions & ~(kBias | kLimits), random);
      s.softplus = softplus;
      for (size_t i = 0; i < s.delta.size(); ++i) {
        const double choices[] = {0, 1e-30, 1e-8, 1, 19.5, 25, 90, 3000, 10000};
        s.delta[i] = choices[i * 7 % 9] * (softplus && i % 2 ? -1 : 1);
      }
      round_activations(s);
      check_numbers<T, X>(s, kAllOptions & ~(kBias | kLimits), {}, random);
    }
    NaiveDual s = make_dual(sizes_of(1, 150, 3, 9, 50, 1, chunk), kAllOptions & ~kLimits, random);
    s.softplus = true;
    s.a = {0.1, 0.3, 0};
    if (!std::is_same_v<T, X>) round_activations(s);
    check_numbers<T, X>(s, kAllOptions & ~kLimits, {}, random);
    /* A large step among small ones must not blur the decays after it. */
    s = make_dual(sizes_of(1, 64, 1, 4, 50, 1, chunk), kInitial, random);
    s.a = {-1};
    for (size_t i = 0; i < s.delta.size(); ++i) s.delta[i] = i % 16 == 3 ? 8192 : 0.03125;
    if (!std::is_same_v<T, X>) round_activations(s);
    check_numbers<T, X>(s, kInitial, {}, random);
  }
}

/** What decays below the normal numbers becomes zero, which keeps later steps fast; the caller's own arithmetic is left as it was. */
template <typename T, typename X>
void test_denormals() {
  Random random(11);
  const T smallest = std::numeric_limits<T>::min();
  for (int64_t chunk : {0, 1, 64}) {
    NaiveDual s = make_dual(sizes_of(1, 130, 2, 16, 48, 1, chunk), kInitial, random);
    s.a = {std::is_same_v<T, float> ? -1.5 : -11.5, -0.5};
    s.delta.assign(s.delta.size(), 0.5);
    std::fill(s.x.begin() + 1, s.x.end(), 0);
    DualRunner<T, X> run(s, {});
    run.forward();
    run.backward(s.x, {});
    bool normal = true;
    for (const std::vector<T>& array : {run.out.values.get(), run.final_state.get(), run.d_x.values.get(), run.d_initial_state.get()}) {
      for (T v : array) normal = normal && (v == 0 || !(std::abs(v) < smallest));
    }
    check(normal, "numbers below the normal ones, chunk " + std::to_string(chunk));
  }
  volatile T tiny = smallest;
  tiny = tiny / 4;
  check(tiny > 0, "the caller's own numbers below the normal ones");
}

/** Inputs whose batch stride is 0. */
template <typename T, typename X>
void test_expanded_batch() {
  Random random(10);
  NaiveDual s = make_dual(sizes_of(3, 20, 4, 5, 6), kAllOptions, random);
  for (Array* array : {&s.x, &s.b}) {
    const size_t one = array->size() / 3;
    for (size_t i = one; i < array->size(); ++i) (*array)[i] = (*array)[i - one];
  }
  if (!std::is_same_v<T, X>) round_activations(s);
  DualRunner<T, X> run(s, {});
  run.x.values.batch_stride = 0;
  run.b.values.batch_stride = 0;
  run.forward();
  check_close(run.out.values.get(), naive_dual(s).out, kWrittenTolerance<T, X>, "expanded batch");
}

template <typename T, typename X>
void test_all() {
  test_sizes<T, X>();
  test_chunks<T, X>();
  test_options<T, X>();
  test_packed<T, X>();
  test_wanted_gradients<T, X>();
  test_determinism<T, X>();
  test_causality<T, X>();
  test_extremes<T, X>();
  test_denormals<T, X>();
  test_expanded_batch<T, X>();
}

}  // namespace
}  // namespace djlmamba::test

int main() {
  djlmamba::test::test_naive_gradients();
  djlmamba::test::test_all<double, double>();
  djlmamba::test::test_all<float, float>();
  djlmamba::test::test_all<float, djlmamba::cpu::BFloat16>();
  return djlmamba::test::finish("state space dual", djlmamba::cpu::isa_name());
}
