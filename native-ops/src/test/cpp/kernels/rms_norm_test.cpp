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
#include "rms_norm.h"
#include "rows.h"

namespace djlmamba::test {
namespace {

using cpu::RmsNormGate;

/** The norm as its formula reads, in double, over contiguous arrays; empty arrays are options that are off. */
struct NaiveNorm {
  cpu::RmsNormSizes sizes;
  RmsNormGate order = RmsNormGate::kNone;
  Array x, residual, gate, weight;
  double epsilon = 1e-5;
};

struct NormResults {
  Array out, sum;
};

struct NormGradients {
  Array x, residual, gate, weight;
};

double silu(double z) { return z * naive_sigmoid(z); }

NormResults naive_forward(const NaiveNorm& n) {
  const auto& s = n.sizes;
  const int64_t size = s.channels / s.groups;
  NormResults r;
  r.out.resize(n.x.size());
  r.sum = n.x;
  for (size_t i = 0; i < n.residual.size(); ++i) r.sum[i] += n.residual[i];
  for (int64_t first = 0; first < static_cast<int64_t>(n.x.size()); first += size) {
    double squares = 0;
    const auto u = [&](int64_t i) { return r.sum[i] * (n.order == RmsNormGate::kFirst ? silu(n.gate[i]) : 1); };
    for (int64_t i = first; i < first + size; ++i) squares += u(i) * u(i);
    for (int64_t i = first; i < first + size; ++i) {
      r.out[i] = u(i) / std::sqrt(squares / size + n.epsilon) * (n.weight.empty() ? 1 : n.weight[i % s.channels]) *
                 (n.order == RmsNormGate::kLast ? silu(n.gate[i]) : 1);
    }
  }
  return r;
}

double loss(const NaiveNorm& n, const Array& d_out, const Array& d_sum) {
  const NormResults r = naive_forward(n);
  double total = 0;
  for (size_t i = 0; i < r.out.size(); ++i) total += r.out[i] * d_out[i] + (d_sum.empty() ? 0 : r.sum[i] * d_sum[i]);
  return total;
}

/** From the quotient rule. */
NormGradients naive_backward(const NaiveNorm& n, const Array& d_out, const Array& d_sum) {
  const auto& s = n.sizes;
  const int64_t size = s.channels / s.groups;
  const NormResults r = naive_forward(n);
  NormGradients g;
  g.x.assign(n.x.size(), 0);
  g.gate.assign(n.gate.size(), 0);
  g.weight.assign(n.weight.size(), 0);
  for (int64_t first = 0; first < static_cast<int64_t>(n.x.size()); first += size) {
    double squares = n.epsilon * size;
    Array u(size);
    for (int64_t i = 0; i < size; ++i) {
      u[i] = r.sum[first + i] * (n.order == RmsNormGate::kFirst ? silu(n.gate[first + i]) : 1);
      squares += u[i] * u[i];
    }
    const double root = std::sqrt(squares / size);
    const auto d_norm = [&](int64_t i) {
      return d_out[i] * (n.weight.empty() ? 1 : n.weight[i % s.channels]) * (n.order == RmsNormGate::kLast ? silu(n.gate[i]) : 1);
    };
    double dot = 0;
    for (int64_t i = 0; i < size; ++i) dot += d_norm(first + i) * u[i];
    for (int64_t j = 0; j < size; ++j) {
      const double d_u = d_norm(first + j) / root - u[j] * dot / (size * root * root * root);
      const int64_t at = first + j;
      g.x[at] = d_u * (n.order == RmsNormGate::kFirst ? silu(n.gate[at]) : 1) + (d_sum.empty() ? 0 : d_sum[at]);
      const double weight = n.weight.empty() ? 1 : n.weight[at % s.channels];
      const double last = n.order == RmsNormGate::kLast ? silu(n.gate[at]) : 1;
      if (!n.weight.empty()) g.weight[at % s.channels] += d_out[at] * u[j] / root * last;
      if (n.order != RmsNormGate::kNone) {
        const double sig = naive_sigmoid(n.gate[at]), slope = sig * (1 + n.gate[at] * (1 - sig));
        g.gate[at] = slope * (n.order == RmsNormGate::kFirst ? d_u * r.sum[at] : d_out[at] * weight * u[j] / root);
      }
    }
  }
  g.residual = g.x;
  return g;
}

template <typename T, typename X, typename O>
struct NormRunner {
  const NaiveNorm& numbers;
  Layout layout;
  int threads;
  Rows<X> x, gate, d_x, d_gate;
  Rows<T> residual, sum, d_sum, d_residual;
  Rows<O> out, d_out;
  std::vector<T> weight, d_weight;

  NormRunner(const NaiveNorm& n, const Layout& layout_, int threads_) : numbers(n), layout(layout_), threads(threads_) {
    x = rows<X>(n.x);
    gate = rows<X>(n.gate);
    residual = rows<T>(n.residual);
    weight.assign(n.weight.begin(), n.weight.end());
  }

  template <typename E>
  Rows<E> rows(const Array& values = {}) {
    const auto& s = numbers.sizes;
    return values.empty() ? Rows<E>(s.batch, s.length, s.channels, layout) : Rows<E>(values, s.batch, s.length, s.channels, layout);
  }

  cpu::RmsNormInputs<T, X> inputs() {
    cpu::RmsNormInputs<T, X> in;
    in.sizes = numbers.sizes;
    in.x = x.read();
    if (!numbers.residual.empty()) in.residual = residual.read();
    in.order = numbers.order;
    if (in.order != RmsNormGate::kNone) in.gate = gate.read();
    if (!numbers.weight.empty()) in.weight = weight.data();
    in.epsilon = static_cast<T>(numbers.epsilon);
    return in;
  }

  void forward() {
    const auto& kernels = cpu::rms_norm_kernels<T, X, O>();
    out = rows<O>();
    sum = rows<T>();
    cpu::RmsNormForward<T, X, O> f;
    f.in = inputs();
    f.out = out.view();
    if (f.in.residual.data != nullptr) f.sum = sum.view();
    run_blocks(kernels.plan(numbers.sizes).forward_blocks, threads, [&](int64_t begin, int64_t end) { kernels.forward(f, begin, end); });
  }

  /** `wanted` has one bit per gradient, in the order x, residual, gate, weight. `from_sum` gives the sum of forward() for x and the residual. */
  void backward(const Array& d_out_values, const Array& d_sum_values, int wanted = 15, bool from_sum = false) {
    const auto& kernels = cpu::rms_norm_kernels<T, X, O>();
    const auto plan = kernels.plan(numbers.sizes);
    d_out = rows<O>(d_out_values);
    d_sum = rows<T>(d_sum_values);
    d_x = rows<X>();
    d_gate = rows<X>();
    d_residual = rows<T>();
    d_weight = nan_filled<T>(numbers.sizes.channels);
    std::vector<T> workspace = nan_filled<T>(plan.backward_workspace_elements);
    cpu::RmsNormBackward<T, X, O> f;
    f.in = inputs();
    if (from_sum) {
      f.in.x = {};
      f.in.residual = sum.read();
    }
    if (!d_out_values.empty()) f.d_out = d_out.read();
    if (!d_sum_values.empty()) f.d_sum = d_sum.read();
    f.workspace = workspace.data();
    if (wanted & 1) f.d_x = d_x.view();
    if (wanted & 2) f.d_residual = d_residual.view();
    if ((wanted & 4) && f.in.order != RmsNormGate::kNone) f.d_gate = d_gate.view();
    if ((wanted & 8) && f.in.weight != nullptr) f.d_weight = d_weight.data();
    run_blocks(plan.backward_blocks, threads, [&](int64_t begin, int64_t end) { kernels.backward(f, begin, end); });
    run_blocks(plan.backward_reduce_blocks, threads, [&](int64_t begin, int64_t end) { kernels.backward_reduce(f, begin, end); });
  }
};

NaiveNorm make_norm(const cpu::RmsNormSizes& sizes, RmsNormGate order, bool residual, bool weight, Random& random) {
  NaiveNorm n;
  n.sizes = sizes;
  n.order = order;
  const int64_t count = sizes.batch * sizes.length * sizes.channels;
  n.x = coarse(random, count, -2, 2);
  if (residual) n.residual = coarse(random, count, -2, 2);
  if (order != RmsNormGate::kNone) n.gate = coarse(random, count, -3, 3);
  if (weight) n.weight = random.array(sizes.channels, 0.5, 1.5);
  n.epsilon = 1e-2;
  return n;
}

/** How far a value of a type may lie from the exact one, as a part of the largest. */
template <typename E>
double tolerance() {
  return std::is_same_v<E, double> ? 1e-13 : std::is_same_v<E, float> ? 2e-6 : 0x1p-8;
}

template <typename T, typename X, typename O>
void check_norm(const NaiveNorm& n, const Layout& layout, Random& random, int threads = 1) {
  const auto& s = n.sizes;
  const std::string what = "B" + std::to_string(s.batch) + " L" + std::to_string(s.length) + " D" + std::to_string(s.channels) + " G" +
                           std::to_string(s.groups) + " gate " + std::to_string(static_cast<int>(n.order)) + (n.residual.empty() ? "" : " residual") +
                           (n.weight.empty() ? "" : " weight") + " types " + std::to_string(sizeof(T)) + std::to_string(sizeof(X)) +
                           std::to_string(sizeof(O));
  NormRunner<T, X, O> run(n, layout, threads);
  run.forward();
  const NormResults expected = naive_forward(n);
  check_close(run.out.get(), expected.out, tolerance<O>(), what + " out");
  check(run.out.gaps_untouched(), what + " out written outside");
  if (!n.residual.empty()) {
    check_close(run.sum.get(), expected.sum, tolerance<T>(), what + " sum");
    check(run.sum.gaps_untouched(), what + " sum written outside");
  }
  const Array d_out = coarse(random, static_cast<int64_t>(n.x.size()), -1, 1);
  const Array d_sum = n.residual.empty() ? Array() : random.array(static_cast<int64_t>(n.x.size()), -1, 1);
  const NormGradients g = naive_backward(n, d_out, d_sum);
  /* A group of one channel has an output that hardly depends on its input: almost everything cancels. */
  const double part = s.channels == s.groups ? 100 : 4;
  for (const bool from_sum : {false, true}) {
    if (from_sum && n.residual.empty()) continue;
    run.backward(d_out, d_sum, 15, from_sum);
    check_close(run.d_x.get(), g.x, part * tolerance<X>(), what + " d_x");
    check_close(run.d_residual.get(), g.residual, part * tolerance<T>(), what + " d_residual");
    check(run.d_x.gaps_untouched() && run.d_residual.gaps_untouched() && run.d_gate.gaps_untouched(), what + " gradient written outside");
    if (n.order != RmsNormGate::kNone) check_close(run.d_gate.get(), g.gate, part * tolerance<X>(), what + " d_gate");
    /* Sums over rows, which may cancel, gather more rounding than single entries do. */
    if (!n.weight.empty()) check_close(run.d_weight, g.weight, 10 * tolerance<T>(), what + " d_weight");
  }
}

/** The naive gradients against central differences. */
void test_naive_gradients() {
  Random random(31);
  for (const RmsNormGate order : {RmsNormGate::kNone, RmsNormGate::kFirst, RmsNormGate::kLast}) {
    NaiveNorm n = make_norm({2, 3, 6, 2}, order, true, true, random);
    const Array d_out = random.array(36, -1, 1), d_sum = random.array(36, -1, 1);
    const NormGradients g = naive_backward(n, d_out, d_sum);
    const std::pair<Array*, const Array*> pairs[] = {{&n.x, &g.x}, {&n.residual, &g.residual}, {&n.gate, &g.gate}, {&n.weight, &g.weight}};
    for (const auto& [input, gradient] : pairs) {
      Array numeric(input->size());
      for (size_t i = 0; i < input->size(); ++i) {
        const double at = (*input)[i], h = 1e-5;
        (*input)[i] = at + h;
        const double up = loss(n, d_out, d_sum);
        (*input)[i] = at - h;
        numeric[i] = (up - loss(n, d_out, d_sum)) / (2 * h);
        (*input)[i] = at;
      }
      check_close(numeric, *gradient, 1e-8, "central differences of the norm");
    }
  }
}

template <typename T, typename X, typename O>
void test_all() {
  Random random(32);
  const Layout gaps{3, 5};
  for (const RmsNormGate order : {RmsNormGate::kNone, RmsNormGate::kFirst, RmsNormGate::kLast}) {
    for (const bool residual : {false, true}) {
      for (const bool weight : {false, true}) {
        for (const int64_t size : {1, 3, 8, 16, 17, 33, 64, 100}) {
          for (const int64_t groups : {1, 2, 5}) check_norm<T, X, O>(make_norm({2, 3, size * groups, groups}, order, residual, weight, random), gaps, random);
        }
        check_norm<T, X, O>(make_norm({1, 150, 768, 1}, order, residual, weight, random), {}, random, 2);
        check_norm<T, X, O>(make_norm({3, 7, 2048, 8}, order, residual, weight, random), gaps, random, 3);
      }
    }
    check_norm<T, X, O>(make_norm({0, 5, 8, 2}, order, true, true, random), gaps, random);
    check_norm<T, X, O>(make_norm({2, 0, 8, 1}, order, true, true, random), gaps, random);
  }
  check_norm<T, X, O>(make_norm({1, 3, 70001, 1}, RmsNormGate::kFirst, true, true, random), {}, random, 2);

  /* Bitwise the same on any number of threads; gradients that are not wanted stay untouched and change nothing. */
  const NaiveNorm n = make_norm({3, 200, 520, 4}, RmsNormGate::kLast, true, true, random);
  const Array d_out = random.array(static_cast<int64_t>(n.x.size()), -1, 1);
  NormRunner<T, X, O> first(n, {}, 1);
  first.forward();
  first.backward(d_out, {});
  for (int run = 0; run < 5; ++run) {
    NormRunner<T, X, O> again(n, {}, run + 1);
    again.forward();
    const int wanted = run < 4 ? 1 << run : 15;
    again.backward(d_out, {}, wanted);
    check(again.out.get() == first.out.get() && again.sum.get() == first.sum.get(), "the norm repeats");
    const auto weight = [](NormRunner<T, X, O>& r) { return std::vector<double>(r.d_weight.begin(), r.d_weight.end()); };
    const std::vector<double> of_first[] = {first.d_x.get(), first.d_residual.get(), first.d_gate.get(), weight(first)};
    const std::vector<double> of_again[] = {again.d_x.get(), again.d_residual.get(), again.d_gate.get(), weight(again)};
    for (int i = 0; i < 4; ++i) {
      check(wanted & (1 << i) ? of_again[i] == of_first[i] : std::all_of(of_again[i].begin(), of_again[i].end(), [](double v) { return std::isnan(v); }),
            "gradient " + std::to_string(i) + " of run " + std::to_string(run));
    }
  }
}

}  // namespace
}  // namespace djlmamba::test

int main() {
  using namespace djlmamba;
  test::test_naive_gradients();
  test::test_all<double, double, double>();
  test::test_all<float, float, float>();
  test::test_all<float, cpu::BFloat16, cpu::BFloat16>();
  test::test_all<float, float, cpu::BFloat16>();
  return test::finish("RMS norm", cpu::isa_name());
}
