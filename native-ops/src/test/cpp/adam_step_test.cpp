/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include <ATen/Parallel.h>

#include <cmath>
#include <limits>

#include "ops_testing.h"

/* The Adam step beyond what the contract of the Java op covers: errors before changes, version counters, threads. */
namespace djlmamba::test {
namespace {

struct Model {
  std::vector<Tensor> parameters;
  std::vector<Tensor> first;
  std::vector<Tensor> second;

  void add(Tensor parameter) {
    parameters.push_back(parameter);
    first.push_back(at::zeros_like(parameter.detach()));
    second.push_back(at::zeros_like(parameter.detach()));
  }

  double step(int64_t number, double max_norm) {
    using Signature = double(
        at::TensorList, at::TensorList, at::TensorList, const c10::List<bool>&, int64_t, double, double, double, double, double, bool, double,
        double);
    c10::List<bool> decay;
    for (size_t i = 0; i < parameters.size(); i++) {
      decay.push_back(i % 2 == 0);
    }
    return op<Signature>("djlmamba::adam_step")
        .call(parameters, first, second, decay, number, 0.01, 0.9, 0.999, 1e-8, 0.1, true, max_norm, 1.0);
  }
};

Tensor parameter(at::IntArrayRef shape, at::ScalarType type) {
  return at::randn(shape, at::TensorOptions().dtype(type)).requires_grad_(true);
}

void set_gradient(const Tensor& parameter, const Tensor& gradient) {
  parameter.mutable_grad() = gradient;
}

void test_against_formula() {
  at::manual_seed(3);
  Model model;
  model.add(parameter({20011}, at::kDouble));
  model.add(parameter({3, 5}, at::kDouble));
  model.add(parameter({4}, at::kDouble));  // without a gradient
  const double rate = 0.01;
  std::vector<Tensor> p, m, v;
  for (const Tensor& tensor : model.parameters) {
    p.push_back(tensor.detach().clone());
    m.push_back(at::zeros_like(p.back()));
    v.push_back(at::zeros_like(p.back()));
  }
  for (int step = 1; step <= 3; step++) {
    std::vector<Tensor> g;
    double sum = 0;
    for (size_t i = 0; i < p.size(); i++) {
      g.push_back(i == 2 ? at::zeros_like(p[i]) : at::randn_like(p[i]));
      sum += g[i].pow(2).sum().item<double>();
      if (i != 2) {
        set_gradient(model.parameters[i], g[i].clone());
      }
    }
    const double norm = std::sqrt(sum);
    const double clip = std::min(1.0, 1.5 / (norm + 1e-6));
    for (size_t i = 0; i < p.size(); i++) {
      const Tensor clipped = g[i] * clip;
      p[i] = i % 2 == 0 ? p[i] * (1 - rate * 0.1) : p[i];
      m[i] = 0.9 * m[i] + 0.1 * clipped;
      v[i] = 0.999 * v[i] + 0.001 * clipped * clipped;
      p[i] = p[i] - rate / (1 - std::pow(0.9, step)) * m[i] / ((v[i] / (1 - std::pow(0.999, step))).sqrt() + 1e-8);
    }
    const double actual = model.step(step, 1.5);
    check(std::abs(actual - norm) < 1e-9 * norm, c10::str("norm ", actual, "; expected ", norm));
    for (size_t i = 0; i < p.size(); i++) {
      check_close(model.parameters[i], p[i], 1e-12, c10::str("parameter ", i, " after step ", step));
      check_close(model.first[i], m[i], 1e-12, c10::str("first moment ", i));
      check_close(model.second[i], v[i], 1e-12, c10::str("second moment ", i));
    }
    check(model.parameters[0].grad().abs().max().item<double>() == 0, "gradients are zero afterwards");
    check(!model.parameters[2].grad().defined(), "a gradient that is not there stays so");
  }
}

void test_errors_come_first() {
  const auto unchanged = [](Model& model, const std::string& what) {
    set_gradient(model.parameters[0], at::ones_like(model.parameters[0].detach()));
    const Tensor before = model.parameters[0].detach().clone();
    check_throws([&] { model.step(1, 1); }, what);
    check(at::equal(before, model.parameters[0].detach()), what + ": a parameter has changed");
    check(model.parameters[0].grad().min().item<double>() == 1, what + ": a gradient has changed");
    check(model.first[0].abs().max().item<double>() == 0, what + ": a moment has changed");
  };
  Model mixed;
  mixed.add(parameter({8}, at::kFloat));
  mixed.add(parameter({8}, at::kDouble));
  unchanged(mixed, "mixed types");
  Model twice;
  twice.add(parameter({8}, at::kFloat));
  twice.add(twice.parameters[0]);
  unchanged(twice, "the same parameter twice");
  Model shapes;
  shapes.add(parameter({8}, at::kFloat));
  shapes.add(parameter({8}, at::kFloat));
  shapes.second[1] = at::zeros({7});
  unchanged(shapes, "a moment of a wrong shape");
  Model results;
  results.add(parameter({8}, at::kFloat));
  results.add(parameter({8}, at::kFloat) * 2);
  unchanged(results, "a parameter that is no leaf");
  Model lists;
  lists.add(parameter({8}, at::kFloat));
  lists.first.push_back(at::zeros({8}));
  unchanged(lists, "lists of different lengths");
  Model early;
  early.add(parameter({8}, at::kFloat));
  check_throws([&] { early.step(0, 1); }, "step 0");
}

void test_backward_after_a_step() {
  Model model;
  model.add(parameter({8}, at::kFloat));
  const Tensor square = model.parameters[0].pow(2).sum();
  set_gradient(model.parameters[0], at::ones({8}));
  model.step(1, 1);
  check_throws([&] { square.backward(); }, "a backward pass over a parameter that a step has changed");
}

void test_threads() {
  const auto run = [](int threads) {
    at::set_num_threads(threads);
    at::manual_seed(9);
    Model model;
    for (int i = 0; i < 6; i++) {
      model.add(parameter({10007 * (i + 1)}, at::kFloat));
      set_gradient(model.parameters[i], at::randn_like(model.parameters[i].detach()));
    }
    const double norm = model.step(1, 0.5);
    model.parameters.push_back(at::full({1}, norm, at::kDouble));
    return model.parameters;
  };
  const auto one = run(1);
  const auto two = run(2);
  for (size_t i = 0; i < one.size(); i++) {
    check(at::equal(one[i], two[i]), c10::str("one and two threads agree to the bit, parameter ", i));
  }
}

void test_sparse_gradient() {
  Model model;
  model.add(parameter({6, 3}, at::kFloat));
  Model dense;
  dense.add(model.parameters[0].detach().clone().requires_grad_(true));
  Tensor gradient = at::zeros({6, 3});
  gradient[2][1] = 4;
  set_gradient(model.parameters[0], gradient.to_sparse());
  set_gradient(dense.parameters[0], gradient);
  check(model.step(1, 0) == dense.step(1, 0), "norm of a sparse gradient");
  check(at::equal(model.parameters[0].detach(), dense.parameters[0].detach()), "step by a sparse gradient");
}

}  // namespace
}  // namespace djlmamba::test

int main(int count, char** arguments) {
  using namespace djlmamba::test;
  if (count != 2) {
    std::fprintf(stderr, "usage: %s LIBRARY\n", arguments[0]);
    return 2;
  }
  load(arguments[1]);
  test_against_formula();
  test_errors_come_first();
  test_backward_after_a_step();
  test_threads();
  test_sparse_gradient();
  return finish();
}
