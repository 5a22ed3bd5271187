/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>

#include <thread>

#include "ops_gradients.h"

/* Linear, selective scan and causal convolution against naive forms in torch and against central differences, in double. */
namespace djlmamba::test {
namespace {

Pair naive_scan(const ScanArguments& s) {
  const int64_t channels = s.u.size(2);
  const auto per_channel = [&](const Tensor& m) {
    return m.dim() == 3 ? m.unsqueeze(2).expand({m.size(0), m.size(1), channels, m.size(2)})
                        : m.repeat_interleave(channels / m.size(2), 2);
  };
  Tensor delta = s.delta_bias ? s.delta + *s.delta_bias : s.delta;
  delta = s.softplus ? at::softplus(delta) : delta;
  const Tensor b = per_channel(s.b);
  const Tensor c = per_channel(s.c);
  Tensor h = s.initial_state ? *s.initial_state : at::zeros({s.u.size(0), channels, s.a.size(1)}, s.u.options());
  std::vector<Tensor> outputs;
  for (int64_t t = 0; t < s.u.size(1); t++) {
    const Tensor step = delta.select(1, t).unsqueeze(-1);
    h = at::exp(step * s.a) * h + step * b.select(1, t) * s.u.select(1, t).unsqueeze(-1);
    outputs.push_back((h * c.select(1, t)).sum(-1));
  }
  Tensor y = outputs.empty() ? s.u * 1 : at::stack(outputs, 1);
  y = s.skip && !outputs.empty() ? y + s.u * *s.skip : y;
  y = s.gate ? y * at::silu(*s.gate) : y;
  return {y, h * 1};
}

Pair naive_conv(const ConvArguments& s) {
  const int64_t width = s.weight.size(1);
  const Tensor before = s.initial_state ? *s.initial_state : at::zeros({s.x.size(0), width - 1, s.x.size(2)}, s.x.options());
  const Tensor extended = at::cat({before, s.x}, 1);
  Tensor y = at::zeros_like(s.x);
  for (int64_t k = 0; k < width; k++) {
    y = y + extended.narrow(1, k, s.x.size(1)) * s.weight.select(1, k);
  }
  y = s.bias ? y + *s.bias : y;
  return {s.silu ? at::silu(y) : y, extended.narrow(1, s.x.size(1), width - 1) * 1};
}

ScanArguments scan_of(const std::vector<Tensor>& leaves, int options, Layout layout) {
  size_t next = 0;
  const auto take = [&] { return laid_out(leaves[next++], layout); };
  ScanArguments s;
  s.u = take();
  s.delta = take();
  s.a = take();
  s.b = take();
  s.c = take();
  s.skip = options & 1 ? Optional(take()) : std::nullopt;
  s.gate = options & 2 ? Optional(take()) : std::nullopt;
  s.delta_bias = options & 4 ? Optional(take()) : std::nullopt;
  s.initial_state = options & 8 ? Optional(take()) : std::nullopt;
  s.softplus = options & 16;
  return s;
}

std::vector<Tensor> scan_leaves(int64_t batch, int64_t length, int64_t channels, int64_t states, int64_t groups, int options) {
  const std::vector<int64_t> matrix =
      groups == 0 ? std::vector<int64_t>{batch, length, states} : std::vector<int64_t>{batch, length, groups, states};
  std::vector<Tensor> leaves = {
      leaf(at::randn({batch, length, channels}, kDouble)), leaf(at::rand({batch, length, channels}, kDouble) * 0.5),
      leaf(-at::rand({channels, states}, kDouble)), leaf(at::randn(matrix, kDouble)), leaf(at::randn(matrix, kDouble))};
  if (options & 1) {
    leaves.push_back(leaf(at::randn({channels}, kDouble)));
  }
  if (options & 2) {
    leaves.push_back(leaf(at::randn({batch, length, channels}, kDouble)));
  }
  if (options & 4) {
    leaves.push_back(leaf(at::rand({channels}, kDouble)));
  }
  if (options & 8) {
    leaves.push_back(leaf(at::randn({batch, channels, states}, kDouble)));
  }
  return leaves;
}

/** What automatic casting makes of linear: a BFloat16 result of either type of input, and float gradients of float leaves. */
void test_linear_in_bfloat16() {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{{9}, {1, 9}, {2, 30, 9}, {0, 9}}) {
      const Tensor x = leaf(at::randn(shape).to(at::kBFloat16).to(type));
      const Tensor weight = leaf(at::randn({5, 9}));
      const Tensor bias = leaf(at::randn({5}));
      at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
      at::autocast::set_autocast_enabled(at::kCPU, true);
      const Tensor y = call_linear(x, weight, bias);
      at::autocast::set_autocast_enabled(at::kCPU, false);
      const std::string what = c10::str("linear in bfloat16 of ", type, " ", at::IntArrayRef(shape));
      check(y.scalar_type() == at::kBFloat16, what + ": type of the result");
      const auto exact = [](const Tensor& of) { return of.detach().to(at::kDouble).requires_grad_(true); };
      const std::vector<Tensor> leaves = {exact(x), exact(weight), exact(bias)};
      const Tensor expected = at::linear(leaves[0], leaves[1], leaves[2]);
      check_close(y, expected, 2e-2, what);
      const Tensor gradient = at::randn(y.sizes()).to(at::kBFloat16);
      torch::autograd::backward({y}, {gradient});
      torch::autograd::backward({expected}, {gradient.to(at::kDouble)});
      check_close(x.grad(), leaves[0].grad(), 2e-2, what + ": gradient of the input");
      check(x.grad().scalar_type() == type, what + ": type of the gradient of the input");
      // Sums of products of numbers that are exact in BFloat16.
      check_close(weight.grad(), leaves[1].grad(), 1e-5, what + ": gradient of the weight");
      check_close(bias.grad(), leaves[2].grad(), 1e-5, what + ": gradient of the bias");
    }
  }
}

void test_scan() {
  for (const auto& [batch, length, channels, states, groups] : std::vector<std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t>>{
           {2, 7, 6, 5, 0}, {1, 65, 8, 4, 2}, {2, 3, 1, 1, 1}, {2, 0, 4, 3, 2}, {0, 5, 4, 3, 0}}) {
    for (int options = 0; options < 32; options += (length > 10 ? 31 : 3)) {
      for (const Layout layout : {Layout::kPlain, Layout::kSliced, Layout::kTransposed}) {
        const auto leaves = scan_leaves(batch, length, channels, states, groups, options);
        check_gradients(
            [&](const auto& given) { return selective_scan(scan_of(given, options, layout)); },
            [&](const auto& given) { return naive_scan(scan_of(given, options, Layout::kPlain)); }, leaves,
            c10::str("scan ", batch, "x", length, "x", channels, "x", states, "x", groups, " options ", options));
      }
    }
  }
  const auto leaves = scan_leaves(1, 4, 3, 2, 0, 31);
  check_differences([&](const auto& given) { return selective_scan(scan_of(given, 31, Layout::kPlain)); }, leaves, "scan");
}

ConvArguments conv_of(const std::vector<Tensor>& leaves, int options, Layout layout) {
  size_t next = 0;
  const auto take = [&] { return laid_out(leaves[next++], layout); };
  ConvArguments s;
  s.x = take();
  s.weight = take();
  s.bias = options & 1 ? Optional(take()) : std::nullopt;
  s.initial_state = options & 2 ? Optional(take()) : std::nullopt;
  s.silu = options & 4;
  return s;
}

std::vector<Tensor> conv_leaves(int64_t batch, int64_t length, int64_t channels, int64_t width, int options) {
  std::vector<Tensor> leaves = {leaf(at::randn({batch, length, channels}, kDouble)), leaf(at::randn({channels, width}, kDouble))};
  if (options & 1) {
    leaves.push_back(leaf(at::randn({channels}, kDouble)));
  }
  if (options & 2) {
    leaves.push_back(leaf(at::randn({batch, width - 1, channels}, kDouble)));
  }
  return leaves;
}

void test_conv() {
  for (const auto& [batch, length, channels, width] : std::vector<std::tuple<int64_t, int64_t, int64_t, int64_t>>{
           {2, 9, 5, 4}, {1, 2, 18, 4}, {2, 33, 3, 2}, {1, 5, 4, 1}, {2, 0, 4, 3}, {0, 3, 4, 3}}) {
    for (int options = 0; options < 8; options++) {
      for (const Layout layout : {Layout::kPlain, Layout::kSliced, Layout::kTransposed}) {
        check_gradients(
            [&](const auto& given) { return causal_conv1d(conv_of(given, options, layout)); },
            [&](const auto& given) { return naive_conv(conv_of(given, options, Layout::kPlain)); },
            conv_leaves(batch, length, channels, width, options),
            c10::str("conv ", batch, "x", length, "x", channels, "x", width, " options ", options));
      }
    }
  }
  check_differences(
      [&](const auto& given) { return causal_conv1d(conv_of(given, 7, Layout::kPlain)); }, conv_leaves(2, 4, 3, 3, 7), "conv");
}

void test_linear() {
  for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{{6}, {1, 6}, {7, 6}, {2, 3, 6}, {0, 6}, {2, 0, 6}}) {
    for (const bool with_bias : {false, true}) {
      for (const Layout layout : {Layout::kPlain, Layout::kSliced, Layout::kTransposed}) {
        std::vector<Tensor> leaves = {leaf(at::randn(shape, kDouble)), leaf(at::randn({5, 6}, kDouble))};
        if (with_bias) {
          leaves.push_back(leaf(at::randn({5}, kDouble)));
        }
        const auto bias = [](const std::vector<Tensor>& given) { return given.size() > 2 ? Optional(given[2]) : std::nullopt; };
        const auto ours = [&](const std::vector<Tensor>& given) {
          const Tensor y = call_linear(laid_out(given[0], layout), laid_out(given[1], layout), bias(given));
          return Pair(y, y);
        };
        const auto torchs = [&](const std::vector<Tensor>& given) {
          const Tensor y = at::linear(given[0], given[1], bias(given));
          return Pair(y, y);
        };
        check_gradients(ours, torchs, leaves, c10::str("linear ", at::IntArrayRef(shape)));
      }
    }
  }
  // Either way of computing floats.
  const Tensor x = at::randn({64, 96});
  const Tensor weight = at::randn({40, 96});
  const Tensor bias = at::randn({40});
  const Tensor expected = at::linear(x.to(at::kDouble), weight.to(at::kDouble), bias.to(at::kDouble));
  check_close(call_linear(x, weight, bias), expected, 1e-5, "linear in float");
  // A graph of the backward pass.
  const Tensor p = leaf(at::randn({3, 4}, kDouble));
  const Tensor w = leaf(at::randn({2, 4}, kDouble));
  const auto second = [&](const Tensor& y) {
    const auto first = torch::autograd::grad({y.pow(3).sum()}, {p}, {}, std::nullopt, true);
    return torch::autograd::grad({first[0].pow(2).sum()}, {w})[0];
  };
  check_close(second(call_linear(p, w, std::nullopt)), second(at::linear(p, w)), 1e-11, "second derivative of linear");
}

void test_modes() {
  const auto leaves = scan_leaves(1, 5, 4, 3, 0, 31);
  const auto [output, state] = selective_scan(scan_of(leaves, 31, Layout::kPlain));
  check(output.requires_grad() && state.requires_grad(), "both results of a scan are differentiable");
  check_throws([&] { torch::autograd::grad({output.sum()}, {leaves[0]}, {}, true, true); }, "second derivative of a scan");
  {
    at::NoGradGuard no_grad;
    const auto [plain, plain_state] = selective_scan(scan_of(leaves, 31, Layout::kPlain));
    check(!plain.requires_grad() && !plain_state.requires_grad(), "nothing is recorded without gradients");
    check(at::equal(plain, output) && at::equal(plain_state, state), "the results do not depend on recording");
  }
  {
    c10::InferenceMode inference;
    const auto [plain, plain_state] = selective_scan(scan_of(leaves, 31, Layout::kPlain));
    check(at::equal(plain, output.detach()), "inference mode");
  }
  // An input that changed after the forward pass is met by an error, not by a wrong gradient.
  const auto changed = scan_leaves(1, 5, 4, 3, 0, 0);
  const auto [later, unused] = selective_scan(scan_of(changed, 0, Layout::kPlain));
  {
    at::NoGradGuard no_grad;
    changed[0].add_(1);
  }
  check_throws([&, sum = later.sum()] { torch::autograd::grad({sum}, {changed[1]}); }, "a changed input");
}

void test_threads() {
  const auto run = [] {
    at::manual_seed(5);
    std::vector<Tensor> results;
    ScanArguments s;
    const auto floats = at::TensorOptions().dtype(at::kFloat);
    std::vector<Tensor> leaves;
    for (const Tensor& tensor : scan_leaves(2, 300, 70, 16, 2, 31)) {
      leaves.push_back(leaf(tensor.to(floats)));
    }
    const auto [output, state] = selective_scan(scan_of(leaves, 31, Layout::kPlain));
    results = torch::autograd::grad({output.pow(2).sum() + state.sum()}, leaves);
    results.push_back(output.detach());
    results.push_back(state.detach());
    return results;
  };
  at::set_num_threads(1);
  const auto one = run();
  at::set_num_threads(2);
  const auto two = run();
  for (size_t i = 0; i < one.size(); i++) {
    check(at::equal(one[i], two[i]), c10::str("one and two threads agree to the bit, result ", i));
  }
  std::vector<std::thread> callers;
  const Tensor x = at::ones({32, 16});
  const Tensor w = at::ones({8, 16});
  for (int i = 0; i < 4; i++) {
    callers.emplace_back([&] { check_close(call_linear(x, w, std::nullopt), at::full({32, 8}, 16.0), 0, "linear from several threads"); });
  }
  for (auto& caller : callers) {
    caller.join();
  }
}

void test_hostile() {
  const auto good = scan_leaves(2, 5, 6, 3, 2, 31);
  const auto with = [&](size_t i, const Tensor& tensor) {
    auto leaves = good;
    leaves[i] = tensor;
    return [leaves] { selective_scan(scan_of(leaves, 31, Layout::kPlain)); };
  };
  for (size_t i = 0; i < good.size(); i++) {
    const auto sizes = good[i].sizes().vec();
    auto larger = sizes;
    larger.back()++;
    check_throws(with(i, at::zeros(larger, kDouble)), c10::str("scan: input ", i, " of a wrong shape"));
    check_throws(with(i, at::zeros({}, kDouble)), c10::str("scan: input ", i, " without axes"));
    check_throws(with(i, at::zeros(sizes)), c10::str("scan: input ", i, " of another type"));
    check_throws(with(i, at::zeros(sizes, at::kLong)), c10::str("scan: input ", i, " of integers"));
    check_throws(with(i, at::empty(sizes, kDouble.device(at::kMeta))), c10::str("scan: input ", i, " on another device"));
    check_throws(with(i, at::zeros(sizes, kDouble).to_sparse()), c10::str("scan: input ", i, " is sparse"));
  }
  check_throws(with(3, at::zeros({2, 5, 4, 3}, kDouble)), "scan: groups that do not divide the channels");
  check_throws(with(3, at::zeros({2, 5, 0, 3}, kDouble)), "scan: no groups");
  ScanArguments huge;
  const int64_t big = int64_t{1} << 30;  // its square is the most that a tensor can have
  huge.u = at::zeros({1}).expand({big, big, 1});
  huge.delta = huge.u;
  huge.a = at::zeros({1}).expand({1, 4});
  huge.b = at::zeros({1}).expand({big, big, 4});
  huge.c = huge.b;
  check_throws([&] { selective_scan(huge); }, "scan: more elements than can be addressed");
  huge.u = at::zeros({1}).expand({1 << 25, 1 << 25, 1});
  huge.delta = huge.u;
  huge.b = at::zeros({1}).expand({1 << 25, 1 << 25, 4});
  huge.c = huge.b;
  check_throws([&] { selective_scan(huge); }, "scan: more memory than there is");

  const Tensor x = at::zeros({2, 5, 6});
  const Tensor weight = at::zeros({6, 4});
  check_throws([&] { causal_conv1d({x.select(0, 0), weight, {}, {}, true}); }, "conv: x without a batch");
  check_throws([&] { causal_conv1d({x, at::zeros({5, 4}), {}, {}, true}); }, "conv: another number of channels");
  check_throws([&] { causal_conv1d({x, at::zeros({6, 0}), {}, {}, true}); }, "conv: no taps");
  check_throws([&] { causal_conv1d({x, weight, at::zeros({7}), {}, true}); }, "conv: bias of a wrong shape");
  check_throws([&] { causal_conv1d({x, weight, {}, at::zeros({2, 4, 6}), true}); }, "conv: state of a wrong shape");
  check_throws([&] { causal_conv1d({x, weight.to(at::kDouble), {}, {}, true}); }, "conv: mixed types");
  check_throws([&] { call_linear(at::zeros({}), at::zeros({2, 3}), {}); }, "linear: input without axes");
  check_throws([&] { call_linear(at::zeros({2}), at::zeros({2, 3}), {}); }, "linear: another number of inputs");
  check_throws([&] { call_linear(at::zeros({3}), at::zeros({3}), {}); }, "linear: weight of one axis");
  check_throws([&] { call_linear(at::zeros({3}), at::zeros({2, 3}), at::zeros({3})); }, "linear: bias of a wrong shape");
  check_throws([&] { call_linear(at::zeros({3}, at::kInt), at::zeros({2, 3}), {}); }, "linear: integers");
}

}  // namespace
}  // namespace djlmamba::test

int main(int count, char** arguments) {
  using namespace djlmamba::test;
  return run_tests(
      count, arguments, {test_linear, test_linear_in_bfloat16, test_scan, test_conv, test_modes, test_threads, test_hostile});
}
