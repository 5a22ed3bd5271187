/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include <ATen/Parallel.h>
#include <ATen/record_function.h>

#include <limits>
#include <vector>

#include "ops_testing.h"

/*
 * The calls for whole blocks and layers against the ops one after the other: a prefix, and two more tokens, together or each by itself. A token that goes
 * through the kernels in one piece calls no op that multiplies, exponentiates or makes a view.
 */
namespace djlmamba::test {
namespace {

using Results = std::tuple<Tensor, Tensor, Tensor>;

constexpr double kEpsilon = 1e-3;
constexpr double kMultiplier = 0.5;

Tensor normalised(const Tensor& x, const Tensor& weight, double epsilon) {
  return x / at::sqrt(x.square().mean(-1, true) + epsilon) * weight;
}

Tensor layer_input(const Optional& norm, const Tensor& x) {
  return norm ? normalised(x, *norm, kEpsilon) : x;
}

Tensor layer_output(const Optional& norm, const Tensor& x, const Tensor& mixed) {
  return norm ? x + kMultiplier * mixed : mixed;
}

/** What may be left out of either block. */
struct Options {
  bool biases, residual, norm, gate_first, skip_by_channel;
};

constexpr Options kOptions[] = {
    {false, false, false, true, false}, {true, true, true, true, true}, {true, false, true, false, false}, {false, true, false, true, true},
    {false, true, true, false, true}};

struct Mamba {
  Tensor in_weight, convolution_weight, scan_weight, delta_weight, delta_bias, state_log, skip, out_weight;
  Optional in_bias, convolution_bias, out_bias, residual_norm;
  double epsilon = kEpsilon;

  Mamba(at::TensorOptions type, const Options& options, int64_t size, int64_t width, int64_t states) {
    const int64_t channels = 2 * size, rank = 3;
    in_weight = at::randn({2 * channels, size}, type) * 0.3;
    convolution_weight = at::randn({channels, width}, type);
    scan_weight = at::randn({rank + 2 * states, channels}, type) * 0.2;
    delta_weight = at::randn({channels, rank}, type);
    delta_bias = at::randn({channels}, type);
    state_log = at::rand({channels, states}, type);
    skip = at::randn({channels}, type);
    out_weight = at::randn({size, channels}, type) * 0.2;
    if (options.biases) {
      in_bias = at::randn({2 * channels}, type);
      convolution_bias = at::randn({channels}, type);
      out_bias = at::randn({size}, type);
    }
    if (options.residual) {
      residual_norm = at::randn({size}, type);
    }
  }

  Results operator()(const Tensor& x, const Optional& convolution_state, const Optional& scan_state) const {
    using Signature = Results(
        const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
        const Optional&, const Optional&, const Optional&, const Optional&, const Optional&, const Optional&, double, double);
    return op<Signature>("djlmamba::fused_mamba")
        .call(
            x, in_weight, convolution_weight, scan_weight, delta_weight, delta_bias, state_log, skip, out_weight, in_bias, convolution_bias, out_bias,
            convolution_state, scan_state, residual_norm, epsilon, kMultiplier);
  }

  Results by_ops(const Tensor& x, const Optional& convolution_state, const Optional& scan_state) const {
    const int64_t channels = skip.size(0), rank = delta_weight.size(1), states = state_log.size(1);
    const Tensor both = call_linear(layer_input(residual_norm, x), in_weight, in_bias);
    const auto [u, convolved] = causal_conv1d({both.narrow(2, 0, channels), convolution_weight, convolution_bias, convolution_state, true});
    const Tensor selection = call_linear(u, scan_weight, std::nullopt);
    ScanArguments scan;
    scan.u = u;
    scan.delta = call_linear(selection.narrow(2, 0, rank), delta_weight, std::nullopt);
    scan.a = -at::exp(state_log);
    scan.b = selection.narrow(2, rank, states);
    scan.c = selection.narrow(2, rank + states, states);
    scan.skip = skip;
    scan.gate = both.narrow(2, channels, channels);
    scan.delta_bias = delta_bias;
    scan.initial_state = scan_state;
    scan.softplus = true;
    const auto [y, state] = selective_scan(scan);
    return {layer_output(residual_norm, x, call_linear(y, out_weight, out_bias)), convolved, state};
  }

  std::vector<Tensor*> weights() { return {&in_weight, &scan_weight, &delta_weight, &out_weight}; }
};

struct Mamba2 {
  int64_t heads, groups;
  Tensor in_weight, convolution_weight, delta_bias, state_log, skip, out_weight;
  Optional in_bias, convolution_bias, norm_weight, out_bias, residual_norm;
  bool gate_first;
  double norm_epsilon = 1e-2;
  double delta_min = 0.1;
  double delta_max = 1.5;

  Mamba2(at::TensorOptions type, const Options& options, int64_t size, int64_t width, int64_t states) : heads(4), groups(2) {
    const int64_t channels = 2 * size, convolved = channels + 2 * groups * states;
    in_weight = at::randn({channels + convolved + heads, size}, type) * 0.3;
    convolution_weight = at::randn({convolved, width}, type);
    delta_bias = at::randn({heads}, type);
    state_log = at::rand({heads}, type);
    skip = options.skip_by_channel ? at::randn({heads, channels / heads}, type) : at::randn({heads}, type);
    out_weight = at::randn({size, channels}, type) * 0.2;
    gate_first = options.gate_first;
    if (options.biases) {
      in_bias = at::randn({channels + convolved + heads}, type);
      convolution_bias = at::randn({convolved}, type);
      out_bias = at::randn({size}, type);
    }
    if (options.norm) {
      norm_weight = at::randn({channels}, type);
    }
    if (options.residual) {
      residual_norm = at::randn({size}, type);
    }
  }

  Results operator()(const Tensor& x, const Optional& convolution_state, const Optional& dual_state) const {
    using Signature = Results(
        const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, int64_t, int64_t, const Optional&,
        const Optional&, const Optional&, const Optional&, const Optional&, const Optional&, bool, int64_t, double, std::optional<double>,
        std::optional<double>, const Optional&, double, double);
    return op<Signature>("djlmamba::fused_mamba2")
        .call(
            x, in_weight, convolution_weight, delta_bias, state_log, skip, out_weight, heads, groups, in_bias, convolution_bias, norm_weight, out_bias,
            convolution_state, dual_state, gate_first, groups, norm_epsilon, delta_min, delta_max, residual_norm, kEpsilon, kMultiplier);
  }

  Results by_ops(const Tensor& x, const Optional& convolution_state, const Optional& dual_state) const {
    using Signature = Pair(
        const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Optional&, const Optional&, const Optional&, const Optional&,
        const Optional&, bool, std::optional<double>, std::optional<double>, int64_t);
    const int64_t batch = x.size(0), length = x.size(1), channels = out_weight.size(1), matrices = (convolution_weight.size(0) - channels) / 2;
    const std::vector<int64_t> by_head = {batch, length, heads, channels / heads}, by_group = {batch, length, groups, matrices / groups};
    const Tensor all = call_linear(layer_input(residual_norm, x), in_weight, in_bias);
    const Tensor gate = all.narrow(2, 0, channels);
    const auto [convolved, convolution] =
        causal_conv1d({all.narrow(2, channels, channels + 2 * matrices), convolution_weight, convolution_bias, convolution_state, true});
    const auto [dual, state] =
        op<Signature>("djlmamba::state_space_dual")
            .call(
                convolved.narrow(2, 0, channels).view(by_head), all.narrow(2, 2 * (channels + matrices), heads), -at::exp(state_log),
                convolved.narrow(2, channels, matrices).view(by_group), convolved.narrow(2, channels + matrices, matrices).view(by_group), skip,
                norm_weight ? Optional() : Optional(gate.view(by_head)), delta_bias, dual_state, std::nullopt, true, delta_min, delta_max, 0);
    Tensor y = dual.reshape({batch, length, channels});
    if (norm_weight) {
      const Tensor gated = gate_first ? y * at::silu(gate) : y;
      const std::vector<int64_t> parts = {batch, length, groups, channels / groups};
      y = normalised(gated.reshape(parts), norm_weight->view({groups, channels / groups}), norm_epsilon).reshape({batch, length, channels});
      y = gate_first ? y : y * at::silu(gate);
    }
    return {layer_output(residual_norm, x, call_linear(y, out_weight, out_bias)), convolution, state};
  }

  std::vector<Tensor*> weights() { return {&in_weight, &out_weight}; }
};

/** The ops that a call comes to. */
int64_t dispatched(const std::function<void()>& call) {
  static thread_local int64_t count;
  count = 0;
  const auto callback = at::RecordFunctionCallback([](const at::RecordFunction&) -> std::unique_ptr<at::ObserverContext> {
                          count++;
                          return nullptr;
                        }).scopes({at::RecordScope::FUNCTION});
  const at::CallbackHandle handle = at::addThreadLocalCallback(callback);
  call();
  at::removeCallback(handle);
  return count;
}

/* The op itself and the five arrays that a token needs. */
constexpr int64_t kOpsOfToken = 6;

template <typename Block>
void check_tokens(const Block& block, const at::TensorOptions& type, int64_t rows, const std::string& what) {
  const double tolerance = type.dtype() == at::kDouble ? 1e-12 : 2e-5;
  const Tensor x = at::randn({rows, 7, block.out_weight.size(0)}, type);
  const Tensor next = x.narrow(1, 5, 1).contiguous();
  const Tensor last = x.narrow(1, 6, 1).contiguous();
  const auto [prefix, convolution_state, state] = block(x.narrow(1, 0, 5), std::nullopt, std::nullopt);
  const auto [by_ops, convolution_by_ops, state_by_ops] = block.by_ops(x.narrow(1, 0, 5), std::nullopt, std::nullopt);
  check_close(prefix, by_ops, tolerance, what + " prefix");
  check_close(convolution_state, convolution_by_ops, tolerance, what + " prefix convolution state");
  check_close(state, state_by_ops, tolerance, what + " prefix state");
  const Tensor convolution_before = convolution_state.clone();
  const Tensor state_before = state.clone();
  const auto [both, last_convolution_state, last_state] = block.by_ops(x.narrow(1, 5, 2), convolution_state, state);
  const auto [first, first_convolution_state, first_state] = block(next, convolution_state, state);
  const auto [second, second_convolution_state, second_state] = block(last, first_convolution_state, first_state);
  check_close(at::cat({first, second}, 1), both, tolerance, what + " output");
  check_close(second_convolution_state, last_convolution_state, tolerance, what + " convolution state");
  check_close(second_state, last_state, tolerance, what + " state");
  check(at::equal(convolution_state, convolution_before) && at::equal(state, state_before), what + " changed the state that it continues");
  const Tensor& known_convolution_state = convolution_state;
  const Tensor& known_state = state;
  const int64_t ops = dispatched([&] { block(next, known_convolution_state, known_state); });
  check((ops <= kOpsOfToken) == (rows <= 8), what + c10::str(" came to ", ops, " ops"));
  // A state that the kernels do not read as it lies.
  const Tensor wide = at::cat({state, state}, -1);
  const auto [strided, strided_convolution_state, strided_state] = block(next, convolution_state, wide.narrow(-1, 0, state.size(-1)));
  check_close(strided, first, tolerance, what + " strided output");
  check_close(strided_convolution_state, first_convolution_state, tolerance, what + " strided convolution state");
  check_close(strided_state, first_state, tolerance, what + " strided state");
}

void check_blocks(const at::TensorOptions& type, const Options& options, int64_t size, int64_t width, int64_t states, int64_t rows) {
  const std::string what = c10::str(
      " ", type.dtype(), " M", size, " W", width, " N", states, " B", rows, options.biases ? " biases" : "", options.residual ? " residual" : "",
      options.norm ? " norm" : "", options.gate_first ? " gate first" : "");
  check_tokens(Mamba(type, options, size, width, states), type, rows, "mamba" + what);
  check_tokens(Mamba2(type, options, size, width, states), type, rows, "mamba2" + what);
}

void test_tokens() {
  for (const auto type : {at::kFloat, at::kDouble}) {
    for (const Options& options : kOptions) {
      for (int64_t width : {1, 2, 4}) {
        for (int64_t rows : {1, 3, 8, 9}) {
          for (int64_t states : {3, 16, 32}) check_blocks(type, options, 24, width, states, rows);
        }
      }
      // Several blocks and threads of each kernel, and a dual state that goes past the caches.
      check_blocks(type, options, 256, 4, 128, 2);
    }
  }
}

void test_bfloat16_weights() {
  const auto stored = [](auto block, int64_t rows, const char* what) {
    for (Tensor* weight : block.weights()) *weight = weight->to(at::kBFloat16);
    check_tokens(block, at::kFloat, rows, what);
  };
  for (int64_t rows : {1, 4}) {
    stored(Mamba(at::kFloat, kOptions[1], 24, 4, 16), rows, "mamba with BFloat16 weights");
    stored(Mamba2(at::kFloat, kOptions[1], 24, 4, 16), rows, "mamba2 with BFloat16 weights");
  }
}

/** What does not fit is refused for a token as it is for a sequence. */
void test_refusals() {
  constexpr int64_t kSize = 24;
  const Tensor x = at::randn({2, 1, kSize});
  const Mamba mamba(at::kFloat, kOptions[1], kSize, 4, 16);
  const Mamba2 mamba2(at::kFloat, kOptions[1], kSize, 4, 16);
  const auto refused = [&](const auto& good, const auto& change, const std::string& what) {
    const auto [output, convolution_state, state] = good(x, std::nullopt, std::nullopt);
    auto block = good;
    std::vector<Tensor> states = {convolution_state, state};
    change(block, states);
    check_throws([&] { block(x, states[0], states[1]); }, what);
    check_throws([&] { block(at::cat({x, x}, 1), states[0], states[1]); }, what + ", for a sequence");
  };
  using States = std::vector<Tensor>;
  refused(mamba, [](Mamba&, States& s) { s[0] = s[0].narrow(0, 0, 1); }, "convolution state of another batch");
  refused(mamba, [](Mamba&, States& s) { s[1] = s[1].narrow(2, 0, 15).contiguous(); }, "state of another size");
  refused(mamba, [](Mamba&, States& s) { s[0] = s[0].to(at::kDouble); }, "convolution state of another type");
  refused(mamba, [](Mamba& m, States&) { m.out_weight = m.out_weight.narrow(1, 0, 5).contiguous(); }, "output weight of another size");
  refused(mamba, [](Mamba& m, States&) { m.state_log = at::randn({0, 16}); }, "no channels");
  refused(mamba, [](Mamba& m, States&) { m.epsilon = 0; }, "no epsilon");
  refused(mamba, [](Mamba& m, States&) { m.skip = m.skip.clone().requires_grad_(true); }, "a gradient");
  refused(mamba2, [](Mamba2& m, States&) { m.skip = at::randn({5}); }, "skip of other heads");
  refused(
      mamba2, [](Mamba2& m, States&) { m.convolution_weight = m.convolution_weight.narrow(0, 0, 3).contiguous(); },
      "convolution of fewer channels than the output");
  refused(mamba2, [](Mamba2&, States& s) { s[1] = s[1].narrow(1, 0, 2).contiguous(); }, "state of fewer heads");
  refused(mamba2, [](Mamba2& m, States&) { m.heads = 0; }, "no heads");
  refused(mamba2, [](Mamba2& m, States&) { m.heads = 5; }, "heads that do not divide");
  refused(mamba2, [](Mamba2& m, States&) { m.groups = 0; }, "no groups");
  refused(mamba2, [](Mamba2& m, States&) { m.delta_min = 2; }, "limits that cross");
  refused(mamba2, [](Mamba2& m, States&) { m.norm_epsilon = std::numeric_limits<double>::infinity(); }, "an infinite epsilon");
  refused(mamba2, [](Mamba2& m, States&) { m.in_weight = m.in_weight.clone().requires_grad_(true); }, "a gradient of Mamba-2");
}

}  // namespace
}  // namespace djlmamba::test

int main(int count, char** arguments) {
  using namespace djlmamba::test;
  at::set_num_threads(4);
  return run_tests(count, arguments, {test_tokens, test_bfloat16_weights, test_refusals});
}
