/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include <ATen/Parallel.h>

#include "ops_gradients.h"

/* The RMS norm and the gated product against naive forms in torch and against central differences. */
namespace djlmamba::test {
namespace {

enum Option { kResidual = 1, kGate = 2, kWeight = 4, kGateFirst = 8 };

struct NormArguments {
  Tensor x;
  Optional residual, gate, weight;
  int64_t groups = 1;
  bool gate_first = false;
  double epsilon = 1e-2;
  bool bfloat16_output = false;
};

std::tuple<Tensor, Optional> rms_norm(const NormArguments& s) {
  using Signature = std::tuple<Tensor, Optional>(
      const Tensor&, const Optional&, const Optional&, const Optional&, int64_t, bool, double, bool);
  return op<Signature>("djlmamba::rms_norm").call(s.x, s.residual, s.gate, s.weight, s.groups, s.gate_first, s.epsilon, s.bfloat16_output);
}

Tensor gated_product(const Tensor& gate, const Tensor& x) {
  return op<Tensor(const Tensor&, const Tensor&)>("djlmamba::gated_product").call(gate, x);
}

/** Both results; without a residual, the output twice. */
Pair norm_results(const NormArguments& s) {
  const auto [output, sum] = rms_norm(s);
  check(sum.has_value() == s.residual.has_value(), "a norm returns the sum where there is a residual");
  return {output, sum ? *sum : output};
}

Pair naive_norm(const NormArguments& s) {
  const Tensor sum = s.residual ? *s.residual + s.x : s.x * 1;
  Tensor u = s.gate && s.gate_first ? sum * at::silu(*s.gate) : sum;
  auto grouped = u.sizes().vec();
  grouped.back() /= s.groups;
  grouped.insert(grouped.end() - 1, s.groups);
  u = u.reshape(grouped);
  Tensor y = (u / (u.pow(2).mean(-1, true) + s.epsilon).sqrt()).reshape(s.x.sizes());
  y = s.weight ? y * *s.weight : y;
  y = s.gate && !s.gate_first ? y * at::silu(*s.gate) : y;
  return {y, s.residual ? sum : y};
}

NormArguments norm_of(const std::vector<Tensor>& leaves, int options, int64_t groups, Layout layout) {
  size_t next = 0;
  const auto take = [&] { return laid_out(leaves[next++], layout); };
  NormArguments s;
  s.x = take();
  s.residual = options & kResidual ? Optional(take()) : std::nullopt;
  s.gate = options & kGate ? Optional(take()) : std::nullopt;
  s.weight = options & kWeight ? Optional(take()) : std::nullopt;
  s.groups = groups;
  s.gate_first = options & kGateFirst;
  return s;
}

std::vector<Tensor> norm_leaves(at::IntArrayRef shape, int options) {
  std::vector<Tensor> leaves = {leaf(at::randn(shape, kDouble))};
  for (const int option : {kResidual, kGate}) {
    if (options & option) {
      leaves.push_back(leaf(at::randn(shape, kDouble)));
    }
  }
  if (options & kWeight) {
    leaves.push_back(leaf(at::randn({shape.back()}, kDouble)));
  }
  return leaves;
}

void test_norm() {
  for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{{12}, {5, 12}, {2, 3, 36}, {2, 3, 2, 8}, {0, 3, 4}, {2, 0, 4}}) {
    for (int options = 0; options < 16; options++) {
      for (const int64_t groups : {1, 4}) {
        for (const Layout layout : {Layout::kPlain, Layout::kSliced, Layout::kTransposed}) {
          check_gradients(
              [&](const auto& given) { return norm_results(norm_of(given, options, groups, layout)); },
              [&](const auto& given) { return naive_norm(norm_of(given, options, groups, Layout::kPlain)); }, norm_leaves(shape, options),
              c10::str("norm ", at::IntArrayRef(shape), " options ", options, " groups ", groups));
        }
      }
    }
  }
  for (const int options : {7, 15}) {
    check_differences(
        [&](const auto& given) { return norm_results(norm_of(given, options, 2, Layout::kPlain)); }, norm_leaves({2, 6}, options), "norm");
  }
}

void test_product() {
  for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{{}, {7}, {5, 12}, {2, 3, 33}, {2, 3, 2, 8}, {0, 3}, {2, 0, 4}}) {
    for (const Layout layout : {Layout::kPlain, Layout::kSliced, Layout::kTransposed}) {
      if (shape.empty() && layout == Layout::kSliced) {
        continue;
      }
      const auto pair = [](const Tensor& y) { return Pair(y, y); };
      check_gradients(
          [&](const auto& given) { return pair(gated_product(laid_out(given[0], layout), laid_out(given[1], layout))); },
          [&](const auto& given) { return pair(at::silu(given[0]) * given[1]); },
          {leaf(at::randn(shape, kDouble)), leaf(at::randn(shape, kDouble))}, c10::str("product ", at::IntArrayRef(shape)));
    }
  }
}

void test_types() {
  // A residual stream in float gives a BFloat16 output, and takes BFloat16 in.
  const auto leaves = norm_leaves({3, 70}, kResidual | kWeight);
  const auto results = [&](at::ScalarType x, bool reduced) {
    NormArguments s = norm_of(leaves, kResidual | kWeight, 1, Layout::kPlain);
    s.x = s.x.detach().to(x).requires_grad_();
    s.residual = s.residual->detach().to(at::kFloat).requires_grad_();
    s.weight = s.weight->detach().to(at::kFloat).requires_grad_();
    s.bfloat16_output = reduced;
    const auto [output, sum] = norm_results(s);
    check(sum.scalar_type() == at::kFloat, "the sum with a float residual is float");
    auto gradients = torch::autograd::grad({output.to(at::kFloat).pow(3).sum() + sum.sum()}, {s.x, *s.residual, *s.weight});
    check(gradients[0].scalar_type() == x, "a gradient has the type of what it is the gradient of");
    gradients.push_back(output);
    return gradients;
  };
  const auto wide = results(at::kFloat, false);
  for (const auto& narrow : {results(at::kFloat, true), results(at::kBFloat16, false), results(at::kBFloat16, true)}) {
    check(narrow[3].scalar_type() == at::kBFloat16, "the output is BFloat16");
    for (size_t i = 0; i < wide.size(); i++) {
      check_close(narrow[i], wide[i], 0.03, c10::str("norm in BFloat16, result ", i));
    }
  }
}

void test_threads() {
  const auto run = [] {
    at::manual_seed(5);
    std::vector<Tensor> leaves;
    for (const Tensor& tensor : norm_leaves({2, 300, 96}, 15)) {
      leaves.push_back(leaf(tensor.to(at::kFloat)));
    }
    const auto [output, sum] = norm_results(norm_of(leaves, 15, 4, Layout::kPlain));
    const Tensor product = gated_product(output, sum);
    std::vector<Tensor> results = torch::autograd::grad({product.pow(2).sum()}, leaves);
    results.push_back(product.detach());
    return results;
  };
  at::set_num_threads(1);
  const auto one = run();
  at::set_num_threads(2);
  const auto two = run();
  for (size_t i = 0; i < one.size(); i++) {
    check(at::equal(one[i], two[i]), c10::str("one and two threads agree to the bit, result ", i));
  }
}

void test_hostile() {
  const auto good = norm_leaves({2, 5, 6}, 15);
  for (size_t i = 0; i < good.size(); i++) {
    const auto with = [&](const Tensor& tensor) {
      auto leaves = good;
      leaves[i] = tensor;
      return [leaves] { rms_norm(norm_of(leaves, 15, 2, Layout::kPlain)); };
    };
    auto larger = good[i].sizes().vec();
    larger.back()++;
    check_throws(with(at::zeros(larger, kDouble)), c10::str("norm: input ", i, " of a wrong shape"));
    check_throws(with(at::zeros({}, kDouble)), c10::str("norm: input ", i, " without axes"));
    check_throws(with(at::zeros(good[i].sizes())), c10::str("norm: input ", i, " of another type"));
    check_throws(with(at::zeros(good[i].sizes(), at::kLong)), c10::str("norm: input ", i, " of integers"));
    check_throws(with(at::empty(good[i].sizes(), kDouble.device(at::kMeta))), c10::str("norm: input ", i, " on another device"));
    check_throws(with(at::zeros(good[i].sizes(), kDouble).to_sparse()), c10::str("norm: input ", i, " is sparse"));
  }
  NormArguments s;
  s.x = at::ones({2, 6});
  const auto changed = [&](const auto& change) {
    NormArguments other = s;
    change(other);
    return [other] { rms_norm(other); };
  };
  check_throws(changed([](NormArguments& n) { n.groups = 4; }), "norm: groups that do not divide the channels");
  check_throws(changed([](NormArguments& n) { n.groups = 0; }), "norm: no groups");
  check_throws(changed([](NormArguments& n) { n.epsilon = 0; }), "norm: no epsilon");
  check_throws(changed([](NormArguments& n) { n.epsilon = std::nan(""); }), "norm: epsilon is no number");
  check_throws(changed([](NormArguments& n) { n.x = at::ones({2, 0}); }), "norm: no channels");
  check_throws(changed([](NormArguments& n) { n.x = n.x.to(at::kDouble), n.bfloat16_output = true; }), "norm: BFloat16 of double");
  check_throws([] { gated_product(at::ones({2, 3}), at::ones({2, 4})); }, "product: another shape");
  check_throws([] { gated_product(at::ones({2, 3}), at::ones({2, 3}, kDouble)); }, "product: another type");
  const Tensor huge = at::zeros({1}).expand({int64_t{1} << 30, int64_t{1} << 30});
  check_throws([&] { gated_product(huge, huge); }, "product: more than can be addressed");
  NormArguments large;
  large.x = huge;
  check_throws([&] { rms_norm(large); }, "norm: more than can be addressed");
  const auto leaves = norm_leaves({2, 6}, 0);
  const auto [output, sum] = norm_results(norm_of(leaves, 0, 1, Layout::kPlain));
  check_throws([&, y = output] { torch::autograd::grad({y.sum()}, {leaves[0]}, {}, true, true); }, "second derivative of a norm");
}

}  // namespace
}  // namespace djlmamba::test

int main(int count, char** arguments) {
  using namespace djlmamba::test;
  return run_tests(count, arguments, {test_norm, test_product, test_types, test_threads, test_hostile});
}
