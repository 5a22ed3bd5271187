/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "kernels/cpu/rotary_embedding.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "ops/checks.h"
#include "ops/ops.h"

namespace djlmamba {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr const char* kOp = "rotary embedding";

/* Positions beyond lose too much of their angle in double. */
constexpr int64_t kMostPosition = int64_t{1} << 40;

Tensor turned(const Tensor& x, const RotaryOptions& options, bool inverse) {
  const Tensor from = last_axis_contiguous(x);
  const Tensor to = at::empty(x.sizes(), x.options());
  with_types(x.scalar_type(), [&](auto t, auto stored) {
    using X = decltype(stored);
    const auto& kernels = cpu::rotary_embedding_kernels<decltype(t), X>();
    cpu::RotaryEmbeddingArguments<X> args;
    args.sizes = {x.size(0), x.size(1), x.size(2), x.size(3), options.rotated, options.position};
    args.base = options.base;
    args.interleaved = options.interleaved;
    args.inverse = inverse;
    args.x = {data_or_null<X>(from), from.stride(0), from.stride(1), from.stride(2)};
    args.out = {mutable_data_or_null<X>(to), to.stride(0), to.stride(1), to.stride(2)};
    const cpu::RotaryEmbeddingPlan plan = kernels.plan(args.sizes);
    at::parallel_for(0, plan.blocks, plan.grain, [&](int64_t begin, int64_t end) { kernels.run(args, begin, end); });
  });
  return to;
}

struct RotaryEmbeddingFunction : torch::autograd::Function<RotaryEmbeddingFunction> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const RotaryOptions& options) {
    at::AutoDispatchBelowADInplaceOrView guard;
    ctx->saved_data["rotated"] = options.rotated;
    ctx->saved_data["position"] = options.position;
    ctx->saved_data["base"] = options.base;
    ctx->saved_data["interleaved"] = options.interleaved;
    return turned(x, options, false);
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    check_once_differentiable(kOp);
    at::AutoDispatchBelowADInplaceOrView guard;
    RotaryOptions options;
    options.rotated = ctx->saved_data["rotated"].toInt();
    options.position = ctx->saved_data["position"].toInt();
    options.base = ctx->saved_data["base"].toDouble();
    options.interleaved = ctx->saved_data["interleaved"].toBool();
    return {turned(gradients[0], options, true), Tensor()};
  }
};

}  // namespace

Tensor rotary_embedding(const Tensor& x, const RotaryOptions& options) {
  ArgumentCheck check(kOp, BFloat16Activations::kTaken);
  check.tensor("x", x);
  if (x.dim() != 4) {
    check.fail("x", c10::str("has shape ", x.sizes(), "; expected (B, L, H, P)"));
  }
  if (options.rotated < 2 || options.rotated % 2 != 0 || options.rotated > x.size(3)) {
    check.fail("rotated", c10::str("is ", options.rotated, "; expected an even number from 2 to the head size ", x.size(3)));
  }
  if (!(options.base > 0) || std::isinf(options.base)) {
    check.fail("base", c10::str("is ", options.base, "; expected a positive number"));
  }
  if (options.position < 0 || options.position > kMostPosition) {
    check.fail("position", c10::str("is ", options.position, "; expected 0 to ", kMostPosition));
  }
  check.elements("the output", x.sizes());
  if (wants_gradient({x})) {
    return RotaryEmbeddingFunction::apply(x, options);
  }
  at::AutoDispatchBelowADInplaceOrView guard;
  return turned(x, options, false);
}

void define_rotary_embedding(torch::Library& library) {
  library.def(
      "rotary_embedding(Tensor x, int rotated, int position=0, float base=10000.0, bool interleaved=False) -> Tensor",
      [](const Tensor& x, int64_t rotated, int64_t position, double base, bool interleaved) {
        return rotary_embedding(x, {rotated, position, base, interleaved});
      });
}

}  // namespace djlmamba
