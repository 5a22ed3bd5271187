/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "ops/one_token.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>

#include <array>
#include <cmath>

#include "kernels/cpu/causal_conv1d_step.h"
#include "kernels/cpu/rms_norm.h"
#include "kernels/cpu/selective_scan_step.h"
#include "kernels/cpu/state_space_dual.h"
#include "ops/checks.h"
#include "ops/linear_products.h"
#include "ops/run_step.h"
#include "ops/state_space_dual.h"

namespace djlmamba {
namespace {

using at::Tensor;

/** Whether kernels can read a tensor of the given sizes as it is. */
bool plain(const Tensor& tensor, at::ScalarType type, at::IntArrayRef sizes) {
  return tensor.defined() && tensor.device().is_cpu() && tensor.layout() == at::kStrided && tensor.scalar_type() == type && tensor.sizes() == sizes &&
         tensor.is_contiguous();
}

bool plain_or_none(const OptionalTensor& tensor, at::ScalarType type, at::IntArrayRef sizes) {
  return !tensor.has_value() || !tensor->defined() || plain(*tensor, type, sizes);
}

bool plain_weight(const Tensor& tensor, at::ScalarType type, at::IntArrayRef sizes) {
  return plain(tensor, type, sizes) || (type == at::kFloat && plain(tensor, at::kBFloat16, sizes));
}

/** Whether the input is one token of few rows, and products are to be of its type. */
bool one_token(const Tensor& x) {
  return x.defined() && x.dim() == 3 && x.size(0) > 0 && x.size(0) <= kFewRows && x.size(1) == 1 && x.size(2) > 0 &&
         (x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble) && !at::autocast::is_autocast_enabled(at::kCPU);
}

bool fit_for_norm(double epsilon) { return epsilon > 0 && std::isfinite(epsilon); }

bool plain_around(const ResidualNorm& around, const Tensor& x) {
  return !around.weight.has_value() || (plain(*around.weight, x.scalar_type(), {x.size(2)}) && fit_for_norm(around.epsilon));
}

/** Arrays of so many rows each, between the stages, in one piece of memory; each row begins a cache line. */
template <typename T, size_t kArrays>
struct Workspace {
  Tensor memory;
  std::array<cpu::MatrixView<T>, kArrays> arrays;

  Workspace(const Tensor& like, int64_t rows, const int64_t (&columns)[kArrays]) {
    constexpr int64_t kLine = 64 / sizeof(T);
    int64_t elements = 0;
    for (size_t i = 0; i < kArrays; i++) {
      arrays[i].row_stride = (columns[i] + kLine - 1) / kLine * kLine;
      elements += rows * arrays[i].row_stride;
    }
    memory = at::empty({elements}, like.options());
    T* next = memory.mutable_data_ptr<T>();
    for (cpu::MatrixView<T>& array : arrays) {
      array.data = next;
      next += rows * array.row_stride;
    }
  }
};

template <typename T>
cpu::MatrixView<const T> read(const cpu::MatrixView<T>& view, int64_t first = 0) {
  return {view.data + first, view.row_stride};
}

template <typename T>
cpu::BatchedMatrixView<const T> groups(const cpu::MatrixView<T>& view, int64_t first, int64_t columns) {
  return {view.data + first, view.row_stride, columns};
}

template <typename T>
cpu::GroupedSequenceView<const T> grouped_token(const cpu::MatrixView<T>& view, int64_t first, int64_t columns) {
  return {view.data + first, view.row_stride, view.row_stride, columns};
}

template <typename T>
cpu::SequenceView<T> token(const cpu::MatrixView<T>& view) {
  return {view.data, view.row_stride, view.row_stride};
}

/** A contiguous (B, 1, M) tensor. */
template <typename T>
cpu::MatrixView<const T> rows_of(const Tensor& x) {
  return {data_or_null<T>(x), x.size(2)};
}

template <typename T>
void normalise(
    int64_t rows, int64_t channels, cpu::MatrixView<const T> x, cpu::MatrixView<const T> gate, const OptionalTensor& weight, const RmsNormOptions& how,
    cpu::MatrixView<T> out) {
  const auto& kernels = cpu::rms_norm_kernels<T, T, T>();
  cpu::RmsNormForward<T, T, T> args;
  args.in.sizes = {rows, 1, channels, how.groups};
  args.in.x = token(x);
  args.in.order = gate.data == nullptr ? cpu::RmsNormGate::kNone : how.gate_first ? cpu::RmsNormGate::kFirst : cpu::RmsNormGate::kLast;
  args.in.gate = token(gate);
  args.in.weight = data_or_null<T>(or_undefined(weight));
  args.in.epsilon = static_cast<T>(how.epsilon);
  args.out = token(out);
  kernels.forward(args, 0, kernels.plan(args.in.sizes).forward_blocks);
}

/** What the mixer reads: x, or its norm where there is a layer around. */
template <typename T>
cpu::MatrixView<const T> mixer_input(const ResidualNorm& around, const Tensor& x, cpu::MatrixView<T> memory) {
  if (!around.weight.has_value()) {
    return rows_of<T>(x);
  }
  normalise<T>(x.size(0), x.size(2), rows_of<T>(x), {}, around.weight, {1, false, around.epsilon, false}, memory);
  return read(memory);
}

/** Adds x to the mixer's output where there is a layer around. */
template <typename T>
void add_residual(const ResidualNorm& around, const Tensor& x, const Tensor& output) {
  if (!around.weight.has_value()) {
    return;
  }
  const T* const from = data_or_null<T>(x);
  T* const to = mutable_data_or_null<T>(output);
  const T multiplier = static_cast<T>(around.multiplier);
  const int64_t elements = x.numel();
  for (int64_t i = 0; i < elements; i++) {
    to[i] = from[i] + multiplier * to[i];
  }
}

/** The convolution with SiLU, from one state to another. */
template <typename T>
void convolve(
    cpu::MatrixView<const T> x, const Tensor& weight, const OptionalTensor& bias, const Tensor& before, const Tensor& after, cpu::MatrixView<T> out) {
  const auto& kernels = cpu::causal_conv1d_step_kernels<T, T>();
  cpu::CausalConv1dStep<T, T> args;
  args.sizes = {before.size(0), weight.size(0), weight.size(1)};
  args.x = x;
  args.weight = {data_or_null<T>(weight), weight.size(1)};
  args.bias = data_or_null<T>(or_undefined(bias));
  args.silu = true;
  args.before = view3<cpu::BatchedMatrixView<const T>>(before, data_or_null<T>(before));
  args.state = view3<cpu::BatchedMatrixView<T>>(after, mutable_data_or_null<T>(after));
  args.out = out;
  run_step(kernels, args);
}

/** Output, convolution's state and scan's or dual's. */
std::vector<Tensor> results_of(const Tensor& x, const Tensor& convolution_state, const Tensor& state) {
  return {at::empty(x.sizes(), x.options()), at::empty(convolution_state.sizes(), x.options()), at::empty(state.sizes(), x.options())};
}

template <typename T>
std::vector<Tensor> mamba_of_token_as(const FusedMamba& in) {
  const int64_t rows = in.x.size(0);
  const int64_t size = in.x.size(2);
  const int64_t channels = in.state_log.size(0);
  const int64_t states = in.state_log.size(1);
  const int64_t rank = in.delta_weight.size(1);
  const Workspace<T, 6> workspace(in.x, rows, {size, 2 * channels, channels, rank + 2 * states, channels, channels});
  const auto& [normed, both, u, selection, delta, y] = workspace.arrays;
  const std::vector<Tensor> results = results_of(in.x, *in.convolution_state, *in.scan_state);

  project_few_rows<T>(rows, mixer_input<T>(in.around, in.x, normed), in.in_weight, or_undefined(in.in_bias), both);
  convolve<T>(read(both), in.convolution_weight, in.convolution_bias, *in.convolution_state, results[1], u);
  project_few_rows<T>(rows, read(u), in.scan_weight, Tensor(), selection);
  project_few_rows<T>(rows, read(selection), in.delta_weight, Tensor(), delta);

  const auto& kernels = cpu::selective_scan_step_kernels<T, T>();
  cpu::SelectiveScanStep<T, T> scan;
  scan.sizes = {rows, channels, states, 1};
  scan.u = read(u);
  scan.delta = read(delta);
  scan.a = {data_or_null<T>(in.state_log), states};
  scan.a_as_log = true;
  scan.b = groups(selection, rank, states);
  scan.c = groups(selection, rank + states, states);
  scan.skip = data_or_null<T>(in.skip);
  scan.z = read(both, channels);
  scan.delta_bias = data_or_null<T>(in.delta_bias);
  scan.softplus = true;
  scan.before = view3<cpu::BatchedMatrixView<const T>>(*in.scan_state, data_or_null<T>(*in.scan_state));
  scan.state = view3<cpu::BatchedMatrixView<T>>(results[2], mutable_data_or_null<T>(results[2]));
  scan.out = y;
  run_step(kernels, scan);

  project_few_rows<T>(rows, read(y), in.out_weight, or_undefined(in.out_bias), {mutable_data_or_null<T>(results[0]), size});
  add_residual<T>(in.around, in.x, results[0]);
  return results;
}

template <typename T>
std::vector<Tensor> mamba2_of_token_as(const FusedMamba2& in) {
  const int64_t rows = in.x.size(0);
  const int64_t size = in.x.size(2);
  const int64_t channels = in.out_weight.size(1);
  const int64_t matrices = (in.convolution_weight.size(0) - channels) / 2;
  const int64_t convolved_channels = channels + 2 * matrices;
  const int64_t head_size = channels / in.heads;
  const int64_t states = matrices / in.groups;
  const bool normed_output = in.norm_weight.has_value();
  const Workspace<T, 6> workspace(
      in.x, rows, {size, channels + convolved_channels + in.heads, convolved_channels, channels, channels, in.heads});
  const auto& [normed, all, convolved, mixed, gated, rates] = workspace.arrays;
  T* const a = rates.data;
  const std::vector<Tensor> results = results_of(in.x, *in.convolution_state, *in.dual_state);

  project_few_rows<T>(rows, mixer_input<T>(in.around, in.x, normed), in.in_weight, or_undefined(in.in_bias), all);
  convolve<T>(read(all, channels), in.convolution_weight, in.convolution_bias, *in.convolution_state, results[1], convolved);

  const T* const state_log = data_or_null<T>(in.state_log);
  for (int64_t head = 0; head < in.heads; head++) {
    a[head] = -std::exp(state_log[head]);
  }
  const auto& kernels = cpu::state_space_dual_kernels<T, T>();
  cpu::StateSpaceDualForward<T, T> dual;
  dual.in.sizes.batch = rows;
  dual.in.sizes.length = 1;
  dual.in.sizes.heads = in.heads;
  dual.in.sizes.head_size = head_size;
  dual.in.sizes.states = states;
  dual.in.sizes.groups = in.groups;
  dual.in.x = grouped_token(convolved, 0, head_size);
  dual.in.delta = token(read(all, channels + convolved_channels));
  dual.in.a = a;
  dual.in.b = grouped_token(convolved, channels, states);
  dual.in.c = grouped_token(convolved, channels + matrices, states);
  dual.in.skip = skip_weights(in.skip, data_or_null<T>(in.skip));
  dual.in.skip_by_channel = in.skip.dim() == 2;
  if (!normed_output) {
    dual.in.z = grouped_token(all, 0, head_size);
  }
  dual.in.delta_bias = data_or_null<T>(in.delta_bias);
  dual.in.softplus = true;
  dual.in.delta_min = static_cast<T>(in.delta_min);
  dual.in.delta_max = static_cast<T>(in.delta_max);
  dual.in.initial_state = head_states(*in.dual_state, data_or_null<T>(*in.dual_state));
  dual.out = {mixed.data, mixed.row_stride, mixed.row_stride, head_size};
  dual.final_state = head_states(results[2], mutable_data_or_null<T>(results[2]));
  const cpu::StateSpaceDualPlan plan = kernels.plan(dual.in.sizes);
  at::parallel_for(0, plan.forward_blocks, plan.forward_grain, [&](int64_t begin, int64_t end) { kernels.forward(dual, begin, end); });

  if (normed_output) {
    normalise<T>(rows, channels, read(mixed), read(all), in.norm_weight, in.norm, gated);
  }
  project_few_rows<T>(rows, read(normed_output ? gated : mixed), in.out_weight, or_undefined(in.out_bias), {mutable_data_or_null<T>(results[0]), size});
  add_residual<T>(in.around, in.x, results[0]);
  return results;
}

bool as_kernels_read(const FusedMamba& in) {
  if (!one_token(in.x) || !in.convolution_state.has_value() || !in.scan_state.has_value() || in.state_log.dim() != 2 ||
      in.convolution_weight.dim() != 2 || in.delta_weight.dim() != 2 || in.state_log.numel() == 0 || in.convolution_weight.numel() == 0) {
    return false;
  }
  const at::ScalarType type = in.x.scalar_type();
  const int64_t rows = in.x.size(0);
  const int64_t size = in.x.size(2);
  const int64_t channels = in.state_log.size(0);
  const int64_t states = in.state_log.size(1);
  const int64_t width = in.convolution_weight.size(1);
  const int64_t rank = in.delta_weight.size(1);
  return plain(in.x, type, {rows, 1, size}) && plain_around(in.around, in.x) && plain_weight(in.in_weight, type, {2 * channels, size}) &&
         plain_or_none(in.in_bias, type, {2 * channels}) && plain(in.convolution_weight, type, {channels, width}) &&
         plain_or_none(in.convolution_bias, type, {channels}) && plain_weight(in.scan_weight, type, {rank + 2 * states, channels}) &&
         plain_weight(in.delta_weight, type, {channels, rank}) && plain(in.delta_bias, type, {channels}) &&
         plain(in.state_log, type, {channels, states}) && plain(in.skip, type, {channels}) && plain_weight(in.out_weight, type, {size, channels}) &&
         plain_or_none(in.out_bias, type, {size}) && plain(*in.convolution_state, type, {rows, width - 1, channels}) &&
         plain(*in.scan_state, type, {rows, channels, states});
}

bool as_kernels_read(const FusedMamba2& in) {
  if (!one_token(in.x) || !in.convolution_state.has_value() || !in.dual_state.has_value() || in.out_weight.dim() != 2 ||
      in.convolution_weight.dim() != 2 || in.convolution_weight.size(1) == 0 || in.heads < 1 || in.groups < 1) {
    return false;
  }
  const at::ScalarType type = in.x.scalar_type();
  const int64_t rows = in.x.size(0);
  const int64_t size = in.x.size(2);
  const int64_t channels = in.out_weight.size(1);
  const int64_t width = in.convolution_weight.size(1);
  const int64_t matrices = (in.convolution_weight.size(0) - channels) / 2;
  const int64_t convolved = channels + 2 * matrices;
  const int64_t projected = channels + convolved + in.heads;
  const bool divides = channels > 0 && matrices > 0 && channels % in.heads == 0 && in.heads % in.groups == 0 && matrices % in.groups == 0 &&
                       in.norm.groups >= 1 && channels % in.norm.groups == 0;
  if (!divides || !(in.delta_min <= in.delta_max) || (in.norm_weight.has_value() && !fit_for_norm(in.norm.epsilon))) {
    return false;
  }
  const int64_t head_size = channels / in.heads;
  return plain(in.x, type, {rows, 1, size}) && plain_around(in.around, in.x) && plain_weight(in.in_weight, type, {projected, size}) &&
         plain_or_none(in.in_bias, type, {projected}) && plain(in.convolution_weight, type, {convolved, width}) &&
         plain_or_none(in.convolution_bias, type, {convolved}) && plain(in.delta_bias, type, {in.heads}) && plain(in.state_log, type, {in.heads}) &&
         (plain(in.skip, type, {in.heads}) || plain(in.skip, type, {in.heads, head_size})) && plain_or_none(in.norm_weight, type, {channels}) &&
         plain_weight(in.out_weight, type, {size, channels}) && plain_or_none(in.out_bias, type, {size}) &&
         plain(*in.convolution_state, type, {rows, width - 1, convolved}) &&
         plain(*in.dual_state, type, {rows, in.heads, head_size, matrices / in.groups});
}

}  // namespace

std::optional<std::vector<Tensor>> mamba_of_token(const FusedMamba& in) {
  if (!as_kernels_read(in)) {
    return std::nullopt;
  }
  return in.x.scalar_type() == at::kDouble ? mamba_of_token_as<double>(in) : mamba_of_token_as<float>(in);
}

std::optional<std::vector<Tensor>> mamba2_of_token(const FusedMamba2& in) {
  if (!as_kernels_read(in)) {
    return std::nullopt;
  }
  return in.x.scalar_type() == at::kDouble ? mamba2_of_token_as<double>(in) : mamba2_of_token_as<float>(in);
}

}  // namespace djlmamba
