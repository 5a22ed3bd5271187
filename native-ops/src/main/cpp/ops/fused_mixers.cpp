/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include <ATen/ATen.h>

#include "ops/checks.h"
#include "ops/one_token.h"
#include "ops/ops.h"
#include "ops/state_space_dual.h"

namespace djlmamba {

using at::Tensor;

namespace {

Tensor mixer_input(const ResidualNorm& around, const Tensor& x) {
  return around.weight.has_value() ? std::get<0>(rms_norm(x, std::nullopt, std::nullopt, around.weight, {1, false, around.epsilon, false})) : x;
}

Tensor layer_output(const ResidualNorm& around, const Tensor& x, const Tensor& mixed) {
  return around.weight.has_value() ? at::add(x, mixed, around.multiplier) : mixed;
}

constexpr const char* kRecordsNone = "the call for a whole block records none; call the ops, or turn recording off";

void check_divides(const char* parts, int64_t number, const char* what, int64_t size) {
  TORCH_CHECK_VALUE(
      number >= 1 && size % number == 0, "Mamba-2 block: ", number, " ", parts, " do not divide the ", size, " ", what);
}

}  // namespace

std::vector<Tensor> fused_mamba(const FusedMamba& in) {
  check_not_recorded(
      "Mamba block", kRecordsNone,
      {in.x, in.in_weight, in.in_bias, in.convolution_weight, in.convolution_bias, in.scan_weight, in.delta_weight, in.delta_bias, in.state_log,
       in.skip, in.out_weight, in.out_bias, in.convolution_state, in.scan_state, in.around.weight});
  at::NoGradGuard no_grad;
  if (auto results = mamba_of_token(in)) {
    return *std::move(results);
  }
  const int64_t channels = in.convolution_weight.size(0);
  const int64_t rank = in.delta_weight.size(-1);
  const int64_t states = in.state_log.size(-1);
  const Tensor both = djlmamba::linear(mixer_input(in.around, in.x), in.in_weight, in.in_bias);
  auto [u, convolution_state] =
      causal_conv1d(both.narrow(-1, 0, channels), in.convolution_weight, in.convolution_bias, in.convolution_state, true, std::nullopt);
  const Tensor selection = djlmamba::linear(u, in.scan_weight, std::nullopt);
  const Tensor delta = djlmamba::linear(selection.narrow(-1, 0, rank), in.delta_weight, std::nullopt);
  auto [y, scan_state] = selective_scan(
      u, delta, in.state_log.exp().neg_(), selection.narrow(-1, rank, states), selection.narrow(-1, rank + states, states), in.skip,
      both.narrow(-1, channels, channels), in.delta_bias, in.scan_state, true, std::nullopt);
  return {layer_output(in.around, in.x, djlmamba::linear(y, in.out_weight, in.out_bias)), convolution_state, scan_state};
}

std::vector<Tensor> fused_mamba2(const FusedMamba2& in) {
  check_not_recorded(
      "Mamba-2 block", kRecordsNone,
      {in.x, in.in_weight, in.in_bias, in.convolution_weight, in.convolution_bias, in.delta_bias, in.state_log, in.skip, in.norm_weight,
       in.out_weight, in.out_bias, in.convolution_state, in.dual_state, in.around.weight});
  at::NoGradGuard no_grad;
  if (auto results = mamba2_of_token(in)) {
    return *std::move(results);
  }
  const int64_t batch = in.x.size(0);
  const int64_t length = in.x.size(1);
  const int64_t channels = in.out_weight.size(1);
  const int64_t matrices = (in.convolution_weight.size(0) - channels) / 2;
  check_divides("heads", in.heads, "channels", channels);
  check_divides("groups", in.groups, "channels of B", matrices);
  const std::vector<int64_t> by_head = {batch, length, in.heads, channels / in.heads};
  const std::vector<int64_t> by_group = {batch, length, in.groups, matrices / in.groups};
  const Tensor all = djlmamba::linear(mixer_input(in.around, in.x), in.in_weight, in.in_bias);
  const Tensor gate = all.narrow(-1, 0, channels);
  auto [convolved, convolution_state] = causal_conv1d(
      all.narrow(-1, channels, channels + 2 * matrices), in.convolution_weight, in.convolution_bias, in.convolution_state, true, std::nullopt);
  StateSpaceDualArguments arguments;
  arguments.x = convolved.narrow(-1, 0, channels).view(by_head);
  arguments.delta = all.narrow(-1, 2 * (channels + matrices), in.heads);
  arguments.a = in.state_log.exp().neg_();
  arguments.b = convolved.narrow(-1, channels, matrices).view(by_group);
  arguments.c = convolved.narrow(-1, channels + matrices, matrices).view(by_group);
  arguments.skip = in.skip;
  arguments.gate = in.norm_weight.has_value() ? OptionalTensor() : OptionalTensor(gate.view(by_head));
  arguments.delta_bias = in.delta_bias;
  arguments.delta_softplus = true;
  arguments.delta_min = in.delta_min;
  arguments.delta_max = in.delta_max;
  auto [dual, dual_state] = state_space_dual(arguments, in.dual_state, std::nullopt, 0);
  Tensor y = dual.view({batch, length, channels});
  if (in.norm_weight.has_value()) {
    y = std::get<0>(rms_norm(y, std::nullopt, gate, in.norm_weight, in.norm));
  }
  return {layer_output(in.around, in.x, djlmamba::linear(y, in.out_weight, in.out_bias)), convolution_state, dual_state};
}

namespace {

using Results = std::tuple<Tensor, Tensor, Tensor>;

Results results_of(const std::vector<Tensor>& results) {
  return {results[0], results[1], results[2]};
}

Results dispatched_mamba(
    const Tensor& x, const Tensor& in_weight, const Tensor& convolution_weight, const Tensor& scan_weight, const Tensor& delta_weight,
    const Tensor& delta_bias, const Tensor& state_log, const Tensor& skip, const Tensor& out_weight, const OptionalTensor& in_bias,
    const OptionalTensor& convolution_bias, const OptionalTensor& out_bias, const OptionalTensor& convolution_state,
    const OptionalTensor& scan_state, const OptionalTensor& residual_norm, double residual_epsilon, double residual_multiplier) {
  return results_of(fused_mamba(
      {x, in_weight, in_bias, convolution_weight, convolution_bias, scan_weight, delta_weight, delta_bias, state_log, skip, out_weight, out_bias,
       convolution_state, scan_state, {residual_norm, residual_epsilon, residual_multiplier}}));
}

Results dispatched_mamba2(
    const Tensor& x, const Tensor& in_weight, const Tensor& convolution_weight, const Tensor& delta_bias, const Tensor& state_log, const Tensor& skip,
    const Tensor& out_weight, int64_t heads, int64_t groups, const OptionalTensor& in_bias, const OptionalTensor& convolution_bias,
    const OptionalTensor& norm_weight, const OptionalTensor& out_bias, const OptionalTensor& convolution_state, const OptionalTensor& dual_state,
    bool gate_first, int64_t norm_groups, double norm_epsilon, std::optional<double> delta_min, std::optional<double> delta_max,
    const OptionalTensor& residual_norm, double residual_epsilon, double residual_multiplier) {
  return results_of(fused_mamba2(
      {x, in_weight, in_bias, convolution_weight, convolution_bias, delta_bias, state_log, skip, norm_weight, out_weight, out_bias,
       convolution_state, dual_state, heads, groups, {norm_groups, gate_first, norm_epsilon, false}, lower_limit(delta_min), upper_limit(delta_max),
       {residual_norm, residual_epsilon, residual_multiplier}}));
}

}  // namespace

void define_fused_mamba(torch::Library& library) {
  library.def(
      "fused_mamba(Tensor x, Tensor in_weight, Tensor convolution_weight, Tensor scan_weight, Tensor delta_weight, Tensor delta_bias, "
      "Tensor state_log, Tensor skip, Tensor out_weight, Tensor? in_bias=None, Tensor? convolution_bias=None, Tensor? out_bias=None, "
      "Tensor? convolution_state=None, Tensor? scan_state=None, Tensor? residual_norm=None, float residual_epsilon=1e-05, "
      "float residual_multiplier=1) -> (Tensor, Tensor, Tensor)",
      &dispatched_mamba);
}

void define_fused_mamba2(torch::Library& library) {
  library.def(
      "fused_mamba2(Tensor x, Tensor in_weight, Tensor convolution_weight, Tensor delta_bias, Tensor state_log, Tensor skip, Tensor out_weight, "
      "int heads, int groups=1, Tensor? in_bias=None, Tensor? convolution_bias=None, Tensor? norm_weight=None, Tensor? out_bias=None, "
      "Tensor? convolution_state=None, Tensor? dual_state=None, bool gate_first=True, int norm_groups=1, float norm_epsilon=1e-05, "
      "float? delta_min=None, float? delta_max=None, Tensor? residual_norm=None, float residual_epsilon=1e-05, "
      "float residual_multiplier=1) -> (Tensor, Tensor, Tensor)",
      &dispatched_mamba2);
}

}  // namespace djlmamba
