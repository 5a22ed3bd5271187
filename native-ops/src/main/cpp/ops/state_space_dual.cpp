/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "ops/state_space_dual.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ops/packed_sequences.h"

namespace djlmamba {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

void check_tokens(ArgumentCheck& check, const StateSpaceDualArguments& in, const std::string& letters, int64_t leading) {
  const auto axes = [&](const char* rest) { return "(" + letters + rest + ")"; };
  check.tensor("x", in.x);
  if (in.x.dim() != leading + 2 || in.x.size(leading) == 0 || in.x.size(leading + 1) == 0) {
    check.fail("x", c10::str("has shape ", in.x.sizes(), "; expected ", axes(", H, P"), " with at least one head and channel"));
  }
  const int64_t heads = in.x.size(leading);
  const int64_t head_size = in.x.size(leading + 1);
  const auto shape = [&](std::initializer_list<int64_t> rest) {
    std::vector<int64_t> sizes(in.x.sizes().begin(), in.x.sizes().begin() + leading);
    sizes.insert(sizes.end(), rest);
    return sizes;
  };
  check.tensor("delta", in.delta, axes(", H").c_str(), shape({heads}));
  check.parameter("a", in.a, "(H)", {heads});
  check.tensor("b", in.b);
  const bool grouped = in.b.dim() == leading + 2;
  if ((!grouped && in.b.dim() != leading + 1) || in.b.size(-1) == 0) {
    check.fail("b", c10::str("has shape ", in.b.sizes(), "; expected ", axes(", N"), " or ", axes(", G, N"), " with at least one state"));
  }
  const int64_t states = in.b.size(-1);
  if (grouped) {
    const int64_t groups = in.b.size(leading);
    if (groups == 0 || heads % groups != 0) {
      check.fail("b", c10::str("has ", groups, " groups, which do not divide ", heads, " heads"));
    }
    check.tensor("b", in.b, axes(", G, N").c_str(), shape({groups, states}));
  } else {
    check.tensor("b", in.b, axes(", N").c_str(), shape({states}));
  }
  check.tensor("c", in.c, "b's", in.b.sizes());
  if (in.skip.has_value() && in.skip->defined() && in.skip->dim() == 2) {
    check.parameter("skip", *in.skip, "(H, P)", {heads, head_size});
  } else {
    check.optional_parameter("skip", in.skip, "(H)", {heads});
  }
  check.optional("gate", in.gate, axes(", H, P").c_str(), in.x.sizes());
  check.optional_parameter("deltaBias", in.delta_bias, "(H)", {heads});
  const double minimum = lower_limit(in.delta_min);
  const double maximum = upper_limit(in.delta_max);
  if (!(minimum <= maximum)) {
    check.fail("deltaLimits", c10::str("are ", minimum, " and ", maximum, "; expected a minimum that is not above the maximum"));
  }
}

StateSpaceDualTensors prepared(const StateSpaceDualArguments& in) {
  return {last_axis_contiguous(in.x),
          last_axis_contiguous(in.delta),
          last_axis_contiguous(in.a),
          last_axis_contiguous(in.b),
          last_axis_contiguous(in.c),
          last_axis_contiguous(or_undefined(in.skip)),
          last_axis_contiguous(or_undefined(in.gate)),
          last_axis_contiguous(or_undefined(in.delta_bias))};
}

namespace {

/** What the passes take: tensors, and how they are to be computed. */
struct Dual {
  StateSpaceDualTensors in;
  Tensor initial_state;
  Tensor sequence_offsets;
  bool delta_softplus = false;
  double delta_min = 0;
  double delta_max = 0;
  int64_t chunk_size = 0;

  int64_t sequences() const { return sequence_offsets.defined() ? sequence_offsets.size(1) - 1 : 1; }
};

constexpr size_t kInputs = 9;

/** The inputs in the order in which they are saved and their gradients returned. */
std::array<Tensor, kInputs> inputs_in_order(const Dual& dual) {
  const auto& in = dual.in;
  return {in.x, in.delta, in.a, in.b, in.c, in.skip, in.gate, in.delta_bias, dual.initial_state};
}

/** The gradients of the inputs, in the same order; undefined where not wanted. */
using DualGradients = std::array<Tensor, kInputs>;

/** B, C: (B, L, N) or (B, L, G, N). Heads: (B, L, H, P). */
template <typename X>
cpu::GroupedSequenceView<X> grouped(const Tensor& tensor, X* data) {
  if (!tensor.defined()) {
    return {};
  }
  return {data, tensor.stride(0), tensor.stride(1), tensor.dim() == 4 ? tensor.stride(2) : 0};
}

template <typename X>
cpu::SequenceView<X> sequence(const Tensor& tensor, X* data) {
  return view3<cpu::SequenceView<X>>(tensor, data);
}

template <typename T, typename X>
cpu::StateSpaceDualInputs<T, X> inputs_of(const Dual& dual) {
  const auto& in = dual.in;
  cpu::StateSpaceDualInputs<T, X> views;
  views.sizes.batch = in.x.size(0);
  views.sizes.length = in.x.size(1);
  views.sizes.heads = in.x.size(2);
  views.sizes.head_size = in.x.size(3);
  views.sizes.states = in.b.size(-1);
  views.sizes.groups = in.b.dim() == 4 ? in.b.size(2) : 1;
  views.sizes.sequences = dual.sequences();
  views.sizes.chunk = dual.chunk_size;
  views.packed = {data_or_null<int64_t>(dual.sequence_offsets), dual.sequences()};
  views.x = grouped(in.x, data_or_null<X>(in.x));
  views.delta = sequence(in.delta, data_or_null<X>(in.delta));
  views.a = data_or_null<T>(in.a);
  views.b = grouped(in.b, data_or_null<X>(in.b));
  views.c = grouped(in.c, data_or_null<X>(in.c));
  views.skip = skip_weights(in.skip, data_or_null<T>(in.skip));
  views.skip_by_channel = in.skip.defined() && in.skip.dim() == 2;
  views.z = grouped(in.gate, data_or_null<X>(in.gate));
  views.delta_bias = data_or_null<T>(in.delta_bias);
  views.softplus = dual.delta_softplus;
  views.delta_min = static_cast<T>(dual.delta_min);
  views.delta_max = static_cast<T>(dual.delta_max);
  views.initial_state = head_states(dual.initial_state, data_or_null<T>(dual.initial_state));
  return views;
}

std::vector<int64_t> state_shape(const Dual& dual) {
  std::vector<int64_t> shape = {dual.in.x.size(0)};
  if (dual.sequence_offsets.defined()) {
    shape.push_back(dual.sequences());
  }
  shape.insert(shape.end(), {dual.in.x.size(2), dual.in.x.size(3), dual.in.b.size(-1)});
  return shape;
}

template <typename T, typename X>
std::tuple<Tensor, Tensor> forward_on_cpu(const Dual& dual) {
  const auto& kernels = cpu::state_space_dual_kernels<T, X>();
  cpu::StateSpaceDualForward<T, X> args;
  args.in = inputs_of<T, X>(dual);
  const cpu::StateSpaceDualPlan plan = kernels.plan(args.in.sizes);
  const Tensor output = at::empty(dual.in.x.sizes(), dual.in.x.options());
  const Tensor final_state = at::empty(state_shape(dual), dual.in.a.options());
  args.out = grouped(output, mutable_data_or_null<X>(output));
  args.final_state = head_states(final_state, mutable_data_or_null<T>(final_state));
  at::parallel_for(0, plan.forward_blocks, plan.forward_grain, [&](int64_t begin, int64_t end) { kernels.forward(args, begin, end); });
  return {output, final_state};
}

template <typename T, typename X>
DualGradients backward_on_cpu(
    const Dual& dual, const Tensor& output_gradient, const Tensor& state_gradient, const std::array<bool, kInputs>& wanted) {
  const auto& kernels = cpu::state_space_dual_kernels<T, X>();
  cpu::StateSpaceDualBackward<T, X> args;
  args.in = inputs_of<T, X>(dual);
  const cpu::StateSpaceDualPlan plan = kernels.plan(args.in.sizes);
  const std::array<Tensor, kInputs> inputs = inputs_in_order(dual);
  DualGradients gradients;
  for (size_t i = 0; i < kInputs; i++) {
    if (wanted[i]) {
      gradients[i] = at::empty(inputs[i].sizes(), inputs[i].options());
    }
  }
  const Tensor workspace = at::empty({plan.backward_workspace_elements}, dual.in.a.options());
  const auto activations = [&](size_t i) { return mutable_data_or_null<X>(gradients[i]); };
  const auto parameters = [&](size_t i) { return mutable_data_or_null<T>(gradients[i]); };
  args.d_out = grouped(output_gradient, data_or_null<X>(output_gradient));
  args.d_final_state = head_states(state_gradient, data_or_null<T>(state_gradient));
  args.workspace = mutable_data_or_null<T>(workspace);
  args.d_x = grouped(gradients[0], activations(0));
  args.d_delta = sequence(gradients[1], activations(1));
  args.d_a = parameters(2);
  args.d_b = grouped(gradients[3], activations(3));
  args.d_c = grouped(gradients[4], activations(4));
  args.d_skip = skip_weights(gradients[5], parameters(5));
  args.d_z = grouped(gradients[6], activations(6));
  args.d_delta_bias = parameters(7);
  args.d_initial_state = head_states(gradients[8], parameters(8));
  at::parallel_for(0, plan.backward_blocks, plan.backward_grain, [&](int64_t begin, int64_t end) { kernels.backward(args, begin, end); });
  at::parallel_for(0, plan.backward_reduce_blocks, plan.backward_reduce_grain, [&](int64_t begin, int64_t end) {
    kernels.backward_reduce(args, begin, end);
  });
  return gradients;
}

std::tuple<Tensor, Tensor> forward_of(const Dual& dual) {
  return with_types(dual.in.x.scalar_type(), [&](auto t, auto x) { return forward_on_cpu<decltype(t), decltype(x)>(dual); });
}

DualGradients backward_of(
    const Dual& dual, const Tensor& output_gradient, const Tensor& state_gradient, const std::array<bool, kInputs>& wanted) {
  return with_types(dual.in.x.scalar_type(), [&](auto t, auto x) {
    return backward_on_cpu<decltype(t), decltype(x)>(dual, output_gradient, state_gradient, wanted);
  });
}

struct StateSpaceDualFunction : torch::autograd::Function<StateSpaceDualFunction> {
  static variable_list forward(
      AutogradContext* ctx, const Tensor& x, const Tensor& delta, const Tensor& a, const Tensor& b, const Tensor& c,
      const OptionalTensor& skip, const OptionalTensor& gate, const OptionalTensor& delta_bias, const OptionalTensor& initial_state,
      const Dual& how) {
    at::AutoDispatchBelowADInplaceOrView guard;
    Dual dual = how;
    dual.in = prepared({x, delta, a, b, c, skip, gate, delta_bias});
    dual.initial_state = last_axis_contiguous(or_undefined(initial_state));
    const auto [output, final_state] = forward_of(dual);
    ctx->set_materialize_grads(false);
    const auto inputs = inputs_in_order(dual);
    variable_list saved(inputs.begin(), inputs.end());
    saved.push_back(dual.sequence_offsets);
    ctx->save_for_backward(saved);
    ctx->saved_data["delta_softplus"] = dual.delta_softplus;
    ctx->saved_data["delta_min"] = dual.delta_min;
    ctx->saved_data["delta_max"] = dual.delta_max;
    ctx->saved_data["chunk_size"] = dual.chunk_size;
    return {output, final_state};
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    variable_list result(kInputs + 1);
    if (!gradients[0].defined() && !gradients[1].defined()) {
      return result;
    }
    check_once_differentiable("state space dual");
    at::AutoDispatchBelowADInplaceOrView guard;
    const variable_list saved = ctx->get_saved_variables();
    Dual dual;
    dual.in = {saved[0], saved[1], saved[2], saved[3], saved[4], saved[5], saved[6], saved[7]};
    dual.initial_state = saved[8];
    dual.sequence_offsets = saved[9];
    dual.delta_softplus = ctx->saved_data["delta_softplus"].toBool();
    dual.delta_min = ctx->saved_data["delta_min"].toDouble();
    dual.delta_max = ctx->saved_data["delta_max"].toDouble();
    dual.chunk_size = ctx->saved_data["chunk_size"].toInt();
    std::array<bool, kInputs> wanted = {};
    size_t edge = 0;
    for (size_t i = 0; i < kInputs; i++) {
      wanted[i] = saved[i].defined() && ctx->needs_input_grad(edge++);
    }
    const Tensor& x = dual.in.x;
    const Tensor output_gradient =
        gradients[0].defined() ? last_axis_contiguous(gradients[0]) : at::zeros({x.size(3)}, x.options()).expand(x.sizes());
    const DualGradients computed = backward_of(dual, output_gradient, last_axis_contiguous(gradients[1]), wanted);
    std::copy(computed.begin(), computed.end(), result.begin());
    return result;
  }
};

constexpr int64_t kSmallestChunk = 16;
constexpr int64_t kLargestChunk = 256;

/** Checks the arguments, and returns how they are to be computed. */
Dual checked(
    const StateSpaceDualArguments& in, const OptionalTensor& initial_state, const OptionalTensor& sequence_offsets, int64_t chunk_size) {
  ArgumentCheck check("state space dual", BFloat16Activations::kTaken);
  check_tokens(check, in, "B, L", 2);
  const int64_t batch = in.x.size(0);
  const int64_t length = in.x.size(1);
  const int64_t heads = in.x.size(2);
  const int64_t head_size = in.x.size(3);
  const int64_t states = in.b.size(-1);
  const PackedSequences packed(check, sequence_offsets, batch, length);
  const std::vector<int64_t> state_shape = packed.state_shape({heads, head_size, states});
  check.optional_parameter("initialState", initial_state, packed.packed() ? "(B, S, H, P, N)" : "(B, H, P, N)", state_shape);
  if (chunk_size != 0 && chunk_size != 1 && (chunk_size < kSmallestChunk || chunk_size > kLargestChunk)) {
    check.fail("chunkSize", c10::str("is ", chunk_size, "; expected 0, 1, or from ", kSmallestChunk, " to ", kLargestChunk));
  }
  check.elements("the states", {batch, length, heads, head_size, states});
  check.elements("the final state", state_shape);
  Dual dual;
  dual.sequence_offsets = packed.offsets();
  dual.delta_softplus = in.delta_softplus;
  dual.delta_min = lower_limit(in.delta_min);
  dual.delta_max = upper_limit(in.delta_max);
  dual.chunk_size = chunk_size;
  return dual;
}

}  // namespace

std::tuple<Tensor, Tensor> state_space_dual(
    const StateSpaceDualArguments& in, const OptionalTensor& initial_state, const OptionalTensor& sequence_offsets, int64_t chunk_size) {
  Dual dual = checked(in, initial_state, sequence_offsets, chunk_size);
  if (wants_gradient({in.x, in.delta, in.a, in.b, in.c, in.skip, in.gate, in.delta_bias, initial_state})) {
    const variable_list results = StateSpaceDualFunction::apply(
        in.x, in.delta, in.a, in.b, in.c, in.skip, in.gate, in.delta_bias, initial_state, dual);
    return {results[0], results[1]};
  }
  at::AutoDispatchBelowADInplaceOrView guard;
  dual.in = prepared(in);
  dual.initial_state = last_axis_contiguous(or_undefined(initial_state));
  return forward_of(dual);
}

namespace {

std::tuple<Tensor, Tensor> dispatched(
    const Tensor& x, const Tensor& delta, const Tensor& a, const Tensor& b, const Tensor& c, const OptionalTensor& skip,
    const OptionalTensor& gate, const OptionalTensor& delta_bias, const OptionalTensor& initial_state,
    const OptionalTensor& sequence_offsets, bool delta_softplus, std::optional<double> delta_min, std::optional<double> delta_max,
    int64_t chunk_size) {
  return state_space_dual(
      {x, delta, a, b, c, skip, gate, delta_bias, delta_softplus, delta_min, delta_max}, initial_state, sequence_offsets, chunk_size);
}

}  // namespace

void define_state_space_dual(torch::Library& library) {
  library.def(
      "state_space_dual(Tensor x, Tensor delta, Tensor a, Tensor b, Tensor c, Tensor? skip=None, Tensor? gate=None, "
      "Tensor? delta_bias=None, Tensor? initial_state=None, Tensor? sequence_offsets=None, bool delta_softplus=False, "
      "float? delta_min=None, float? delta_max=None, int chunk_size=0) -> (Tensor, Tensor)",
      &dispatched);
}

}  // namespace djlmamba
