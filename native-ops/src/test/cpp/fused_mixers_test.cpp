/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include <vector>

#include "ops_testing.h"

/* The calls for whole blocks and layers: a token that goes through the kernels in one piece against the ops one after the other, in a sequence of two. */
namespace djlmamba::test {
namespace {

using Results = std::tuple<Tensor, Tensor, Tensor>;

constexpr int64_t kSize = 24;
constexpr int64_t kHeads = 4;
constexpr int64_t kGroups = 2;

struct Mamba {
  Tensor in_weight, convolution_weight, scan_weight, delta_weight, delta_bias, state_log, skip, out_weight;
  Optional in_bias, convolution_bias, out_bias, residual_norm;

  Results operator()(const Tensor& x, const Optional& convolution_state, const Optional& scan_state) const {
    using Signature = Results(
        const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
        const Optional&, const Optional&, const Optional&, const Optional&, const Optional&, const Optional&, double, double);
    return op<Signature>("djlmamba::fused_mamba")
        .call(
            x, in_weight, convolution_weight, scan_weight, delta_weight, delta_bias, state_log, skip, out_weight, in_bias, convolution_bias, out_bias,
            convolution_state, scan_state, residual_norm, 1e-3, 0.5);
  }
};

struct Mamba2 {
  Tensor in_weight, convolution_weight, delta_bias, state_log, skip, out_weight;
  Optional in_bias, convolution_bias, norm_weight, out_bias, residual_norm;
  bool gate_first = true;

  Results operator()(const Tensor& x, const Optional& convolution_state, const Optional& dual_state) const {
    using Signature = Results(
        const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, int64_t, int64_t, const Optional&,
        const Optional&, const Optional&, const Optional&, const Optional&, const Optional&, bool, int64_t, double, std::optional<double>,
        std::optional<double>, const Optional&, double, double);
    return op<Signature>("djlmamba::fused_mamba2")
        .call(
            x, in_weight, convolution_weight, delta_bias, state_log, skip, out_weight, kHeads, kGroups, in_bias, convolution_bias, norm_weight, out_bias,
            convolution_state, dual_state, gate_first, kGroups, 1e-5, 0.01, 1.5, residual_norm, 1e-3, 0.5);
  }
};

Mamba mamba(at::TensorOptions type, bool options, int64_t width, int64_t states) {
  const int64_t channels = 2 * kSize, rank = 3;
  Mamba block;
  block.in_weight = at::randn({2 * channels, kSize}, type) * 0.3;
  block.convolution_weight = at::randn({channels, width}, type);
  block.scan_weight = at::randn({rank + 2 * states, channels}, type) * 0.2;
  block.delta_weight = at::randn({channels, rank}, type);
  block.delta_bias = at::randn({channels}, type);
  block.state_log = at::rand({channels, states}, type);
  block.skip = at::randn({channels}, type);
  block.out_weight = at::randn({kSize, channels}, type) * 0.2;
  if (options) {
    block.in_bias = at::randn({2 * channels}, type);
    block.convolution_bias = at::randn({channels}, type);
    block.out_bias = at::randn({kSize}, type);
    block.residual_norm = at::randn({kSize}, type);
  }
  return block;
}

Mamba2 mamba2(at::TensorOptions type, bool options, int64_t width, int64_t states) {
  const int64_t channels = 2 * kSize, convolved = channels + 2 * kGroups * states;
  Mamba2 block;
  block.in_weight = at::randn({channels + convolved + kHeads, kSize}, type) * 0.3;
  block.convolution_weight = at::randn({convolved, width}, type);
  block.delta_bias = at::randn({kHeads}, type);
  block.state_log = at::rand({kHeads}, type);
  block.skip = options ? at::randn({kHeads, channels / kHeads}, type) : at::randn({kHeads}, type);
  block.out_weight = at::randn({kSize, channels}, type) * 0.2;
  block.gate_first = width % 2 == 0;
  if (options) {
    block.in_bias = at::randn({channels + convolved + kHeads}, type);
    block.convolution_bias = at::randn({convolved}, type);
    block.norm_weight = at::randn({channels}, type);
    block.out_bias = at::randn({kSize}, type);
    block.residual_norm = at::randn({kSize}, type);
  }
  return block;
}

/** Two more tokens of each row after a prefix, one call for both, which goes op by op, against one call for each. */
template <typename Block>
void check_tokens(const Block& block, at::TensorOptions type, int64_t rows, const std::string& what) {
  const double tolerance = type.dtype() == at::kDouble ? 1e-12 : 1e-5;
  const Tensor x = at::randn({rows, 7, kSize}, type);
  const auto [prefix, convolution_state, state] = block(x.narrow(1, 0, 5), std::nullopt, std::nullopt);
  const Tensor convolution_before = convolution_state.clone();
  const Tensor state_before = state.clone();
  const auto [both, last_convolution_state, last_state] = block(x.narrow(1, 5, 2), convolution_state, state);
  const auto [first, first_convolution_state, first_state] = block(x.narrow(1, 5, 1).contiguous(), convolution_state, state);
  const auto [second, second_convolution_state, second_state] = block(x.narrow(1, 6, 1).contiguous(), first_convolution_state, first_state);
  check_close(at::cat({first, second}, 1), both, tolerance, what + " output");
  check_close(second_convolution_state, last_convolution_state, tolerance, what + " convolution state");
  check_close(second_state, last_state, tolerance, what + " state");
  check(at::equal(convolution_state, convolution_before) && at::equal(state, state_before), what + " changed the state that it continues");
  // Arguments that the kernels do not read as they are: the ops take them.
  const auto [strided, strided_convolution_state, strided_state] = block(x.narrow(1, 5, 1), convolution_state.transpose(1, 2).contiguous().transpose(1, 2), state);
  check_close(strided, first, tolerance, what + " strided output");
  check_close(strided_state, first_state, tolerance, what + " strided state");
}

void test_tokens() {
  for (const auto type : {at::kFloat, at::kDouble}) {
    for (bool options : {false, true}) {
      for (int64_t width : {1, 2, 4}) {
        for (int64_t states : {3, 16, 32}) {
          for (int64_t rows : {1, 3, 8, 9}) {
            const std::string what = c10::str(" ", type, options ? " options" : "", " W", width, " N", states, " B", rows);
            check_tokens(mamba(type, options, width, states), type, rows, "mamba" + what);
            check_tokens(mamba2(type, options, width, states), type, rows, "mamba2" + what);
          }
        }
      }
    }
  }
}

/** Weights that are stored in BFloat16. */
void test_bfloat16_weights() {
  for (int64_t rows : {1, 4}) {
    Mamba first = mamba(at::kFloat, true, 4, 16);
    for (Tensor* weight : {&first.in_weight, &first.scan_weight, &first.delta_weight, &first.out_weight}) *weight = weight->to(at::kBFloat16);
    check_tokens(first, at::kFloat, rows, "mamba with BFloat16 weights");
    Mamba2 second = mamba2(at::kFloat, true, 4, 16);
    for (Tensor* weight : {&second.in_weight, &second.out_weight}) *weight = weight->to(at::kBFloat16);
    check_tokens(second, at::kFloat, rows, "mamba2 with BFloat16 weights");
  }
}

/** What does not fit a token is refused as it is for a sequence. */
void test_refusals() {
  const Tensor x = at::randn({2, 1, kSize});
  const auto refused = [&](const auto& block, const Tensor& convolution_state, const Tensor& state, const std::string& what) {
    check_throws([&] { block(x, convolution_state, state); }, what);
  };
  const Mamba good = mamba(at::kFloat, true, 4, 16);
  const auto [output, convolution_state, state] = good(x, std::nullopt, std::nullopt);
  refused(good, convolution_state.narrow(0, 0, 1), state, "convolution state of another batch");
  refused(good, convolution_state, state.narrow(2, 0, 15).contiguous(), "state of another size");
  refused(good, convolution_state.to(at::kDouble), state, "convolution state of another type");
  Mamba bad = good;
  bad.out_weight = bad.out_weight.narrow(1, 0, 5).contiguous();
  refused(bad, convolution_state, state, "output weight of another size");
  bad = good;
  bad.state_log = at::randn({0, 16});
  refused(bad, convolution_state, state, "no channels");
  const Mamba2 good2 = mamba2(at::kFloat, true, 4, 16);
  const auto [output2, convolution_state2, state2] = good2(x, std::nullopt, std::nullopt);
  Mamba2 bad2 = good2;
  bad2.skip = at::randn({kHeads + 1});
  refused(bad2, convolution_state2, state2, "skip of other heads");
  bad2 = good2;
  bad2.convolution_weight = bad2.convolution_weight.narrow(0, 0, 3).contiguous();
  refused(bad2, convolution_state2, state2, "convolution of fewer channels than the output");
  refused(good2, convolution_state2, state2.narrow(1, 0, 2).contiguous(), "state of fewer heads");
}

}  // namespace
}  // namespace djlmamba::test

int main(int count, char** arguments) {
  using namespace djlmamba::test;
  return run_tests(count, arguments, {test_tokens, test_bfloat16_weights, test_refusals});
}
