/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/library.h>

#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

/*
 * The ops, differentiable where an input asks for it. Each checks its arguments again, whatever the caller has checked: a wrong one raises
 * c10::ValueError and reaches no kernel. Each is thread safe. Shapes and formulas are those of the Java class of the same name.
 */
namespace djlmamba {

using OptionalTensor = std::optional<at::Tensor>;

/**
 * x (..., I), weight (O, I), bias (O) -> (..., O). In a stretch of BFloat16 (enter_precision) x is float or BFloat16, weight and bias are float, and
 * the result is BFloat16; sums and the gradients of weight and bias are float.
 */
at::Tensor linear(const at::Tensor& input, const at::Tensor& weight, const OptionalTensor& bias);

/**
 * How linear computes its output, the gradient of its input and that of its weight: "aten" or "onednn" each, with slashes between; then, after a comma,
 * whether the first two convert to "float32" where BFloat16 is asked for or multiply in "bfloat16". DJLMAMBA_LINEAR forces it by the same text or a
 * part of it.
 */
std::string linear_choice();

/** Takes over an earlier choice, as far as it is known, can be had here and is not forced otherwise; returns whether all of it holds now. */
bool repeat_linear_choice(const std::string& choice);

/** a (M, K) times the transpose of b (N, K) by one of those two; undefined where this libtorch lacks it. Not differentiable. */
at::Tensor linear_product(const std::string& implementation, const at::Tensor& a, const at::Tensor& b);

/*
 * Sequences may be of BFloat16; parameters and states are float then. With offsets (B, S + 1) of sequences that lie side by side in each row, each one
 * starts from a state of its own and leaves one: states are (B, S, ...).
 */

/** u, delta, gate (B, L, D); a (D, N); b, c (B, L, [G,] N); skip, delta_bias (D); states (B, D, N) -> output, final state. */
std::tuple<at::Tensor, at::Tensor> selective_scan(
    const at::Tensor& u, const at::Tensor& delta, const at::Tensor& a, const at::Tensor& b, const at::Tensor& c, const OptionalTensor& skip,
    const OptionalTensor& gate, const OptionalTensor& delta_bias, const OptionalTensor& initial_state, bool delta_softplus,
    const OptionalTensor& sequence_offsets);

/** x (B, L, D); weight (D, W); bias (D); states (B, W - 1, D) -> output, final state. */
std::tuple<at::Tensor, at::Tensor> causal_conv1d(
    const at::Tensor& x, const at::Tensor& weight, const OptionalTensor& bias, const OptionalTensor& initial_state, bool silu,
    const OptionalTensor& sequence_offsets);

/**
 * Begins a stretch of the calling thread in which products run in BFloat16 and leave it, or do not; returns what leave_precision() needs to go
 * back. Stretches may be nested and end in the reverse order.
 */
int64_t enter_precision(bool bfloat16);
void leave_precision(int64_t before);

/** Whether the calling thread is in a stretch of BFloat16. */
bool in_bfloat16();

/** The floating tensor in BFloat16 or float: itself if it is, else a copy. Differentiable. */
at::Tensor cast(const at::Tensor& tensor, bool bfloat16);

/** What each token of a state space dual has, and what all share. Limits that are left out do not bound. */
struct StateSpaceDualArguments {
  at::Tensor x;               // (B, L, H, P)
  at::Tensor delta;           // (B, L, H)
  at::Tensor a;               // (H)
  at::Tensor b;               // (B, L, [G,] N)
  at::Tensor c;               // as b
  OptionalTensor skip;        // (H) or (H, P)
  OptionalTensor gate;        // (B, L, H, P)
  OptionalTensor delta_bias;  // (H)
  bool delta_softplus = false;
  std::optional<double> delta_min = std::nullopt;
  std::optional<double> delta_max = std::nullopt;
};

/**
 * States (B, [S,] H, P, N), offsets of packed sequences (B, S + 1), chunk_size 0 to choose it, 1 for token by token, or 16 to 256 -> output, final
 * state.
 */
std::tuple<at::Tensor, at::Tensor> state_space_dual(
    const StateSpaceDualArguments& arguments, const OptionalTensor& initial_state, const OptionalTensor& sequence_offsets,
    int64_t chunk_size);

/**
 * One token of each of B rows, whose arguments lack the axis L, in place on the state (slots, H, P, N) -> output (B, H, P). Slots (B) name the state of
 * each row; -1 is padding, whose output is zero. Records no gradient.
 */
at::Tensor state_space_dual_step(const StateSpaceDualArguments& arguments, const at::Tensor& state, const OptionalTensor& slots);
struct RmsNormOptions {
  int64_t groups = 1;
  /** Whether a gate comes before the norm. */
  bool gate_first = false;
  double epsilon = 1e-5;
  /** Whether the output of float arguments is BFloat16, as that of BFloat16 ones is anyway. */
  bool bfloat16_output = false;
};

/** x, residual, gate (..., M); weight (M) -> output, and residual + x where there is a residual. */
std::tuple<at::Tensor, OptionalTensor> rms_norm(
    const at::Tensor& x, const OptionalTensor& residual, const OptionalTensor& gate, const OptionalTensor& weight,
    const RmsNormOptions& options);

/** What a residual layer adds around its mixer: x + multiplier mixer(norm(x)). Without a weight there is neither norm nor sum. */
struct ResidualNorm {
  OptionalTensor weight;          // (M)
  double epsilon = 1e-5;
  double multiplier = 1;
};

/** The tensors of a whole Mamba block, which predicts in one call: that of a token takes less time than one call for each op. */
struct FusedMamba {
  at::Tensor x;                   // (B, L, M)
  at::Tensor in_weight;           // (2 D, M), to [u; z]
  OptionalTensor in_bias;
  at::Tensor convolution_weight;  // (D, W)
  OptionalTensor convolution_bias;
  at::Tensor scan_weight;         // (R + 2 N, D), to [r; B; C]
  at::Tensor delta_weight;        // (D, R)
  at::Tensor delta_bias;          // (D)
  at::Tensor state_log;           // (D, N)
  at::Tensor skip;                // (D)
  at::Tensor out_weight;          // (M, D)
  OptionalTensor out_bias;
  OptionalTensor convolution_state;
  OptionalTensor scan_state;
  ResidualNorm around;
};

/** -> output, the convolution's state, the scan's. Not differentiable: an input that wants a gradient is refused. */
std::vector<at::Tensor> fused_mamba(const FusedMamba& in);

/** The same for Mamba-2. */
struct FusedMamba2 {
  at::Tensor x;                   // (B, L, M)
  at::Tensor in_weight;           // (2 D + 2 G N + H, M), to [z; x; B; C; dt]
  OptionalTensor in_bias;
  at::Tensor convolution_weight;  // (D + 2 G N, W)
  OptionalTensor convolution_bias;
  at::Tensor delta_bias;          // (H)
  at::Tensor state_log;           // (H)
  at::Tensor skip;                // (H) or (H, P)
  OptionalTensor norm_weight;     // (D); without it the gate is the dual's
  at::Tensor out_weight;          // (M, D)
  OptionalTensor out_bias;
  OptionalTensor convolution_state;
  OptionalTensor dual_state;
  int64_t heads = 1;
  int64_t groups = 1;
  RmsNormOptions norm;
  double delta_min = -std::numeric_limits<double>::infinity();
  double delta_max = std::numeric_limits<double>::infinity();
  ResidualNorm around;
};

/** -> output, the convolution's state, the dual's. Not differentiable. */
std::vector<at::Tensor> fused_mamba2(const FusedMamba2& in);

/** queries (B, L, H, P), the last L of T tokens; keys, values (B, T, K, P) -> (B, L, H, P). A window of 0 is none. */
at::Tensor causal_attention(
    const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values, double scale, int64_t window);

struct RotaryOptions {
  int64_t rotated = 0;
  int64_t position = 0;
  double base = 10000;
  bool interleaved = false;
};

/** x (B, L, H, P) -> the same shape. */
at::Tensor rotary_embedding(const at::Tensor& x, const RotaryOptions& options);

/** past (B, T, ...), more (B, L, ...) -> (B, T + L, ...), perhaps in the memory behind past. */
at::Tensor sequence_append(const at::Tensor& past, const at::Tensor& more);

/** gate, x (..., M) -> silu(gate) x. */
at::Tensor gated_product(const at::Tensor& gate, const at::Tensor& x);

/**
 * One step of the selective scan, in place on the state (slots, D, N): u, delta, gate (B, D); b, c (B, [G,] N); slots (B), -1 for padding, or row r in slot
 * r -> output. Not differentiable.
 */
at::Tensor selective_scan_step(
    const at::Tensor& state, const at::Tensor& u, const at::Tensor& delta, const at::Tensor& a, const at::Tensor& b, const at::Tensor& c,
    const OptionalTensor& skip, const OptionalTensor& gate, const OptionalTensor& delta_bias, const OptionalTensor& slots, bool delta_softplus);

/** One step of the causal convolution, in place on the state (slots, W - 1, D), which moves on by one input: x (B, D) -> output. Not differentiable. */
at::Tensor causal_conv1d_step(
    const at::Tensor& state, const at::Tensor& x, const at::Tensor& weight, const OptionalTensor& bias, const OptionalTensor& slots, bool silu);

struct AdamOptions {
  int64_t step = 1;
  double learning_rate = 0;
  double beta1 = 0;
  double beta2 = 0;
  double epsilon = 0;
  double weight_decay = 0;
  bool decoupled = true;
  double max_gradient_norm = 0;
  double gradient_scale = 1;
};

/** Updates the parameters by their .grad in place and zeroes the gradients. Returns the global norm before clipping. */
double adam_step(
    at::TensorList parameters, at::TensorList first_moments, at::TensorList second_moments, const std::vector<bool>& decay,
    const AdamOptions& options);

/** Adds the schema and the function of an op to the dispatcher. */
void define_linear(torch::Library& library);
void define_selective_scan(torch::Library& library);
void define_selective_scan_step(torch::Library& library);
void define_causal_conv1d(torch::Library& library);
void define_causal_conv1d_step(torch::Library& library);
void define_state_space_dual(torch::Library& library);
void define_state_space_dual_step(torch::Library& library);
void define_rms_norm(torch::Library& library);
void define_causal_attention(torch::Library& library);
void define_fused_mamba(torch::Library& library);
void define_fused_mamba2(torch::Library& library);
void define_rotary_embedding(torch::Library& library);
void define_sequence_append(torch::Library& library);
void define_gated_product(torch::Library& library);
void define_adam_step(torch::Library& library);

/** The version of libtorch that the library was built for and, if it can be told, of the one that runs; empty if not. */
std::string built_libtorch_version();
std::string running_libtorch_version();

/** The instruction set of the kernels in use. */
std::string instruction_set();

}  // namespace djlmamba
