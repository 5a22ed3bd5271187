/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "ops/checks.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/safe_numerics.h>

namespace djlmamba {

void ArgumentCheck::fail(const char* name, const std::string& what) {
  TORCH_CHECK_VALUE(false, op_, ": ", name, " ", what);
  std::abort();  // not reached: the check throws
}

void ArgumentCheck::dense(const char* name, const at::Tensor& tensor) {
  if (!tensor.defined()) {
    fail(name, "is missing");
  }
  if (tensor.layout() != at::kStrided) {
    fail(name, "is not dense");
  }
  if (!tensor.device().is_cpu()) {
    fail(name, "is on " + tensor.device().str() + "; expected the CPU");
  }
}

void ArgumentCheck::shape(const char* name, const at::Tensor& tensor, const char* letters, at::IntArrayRef shape) {
  if (tensor.sizes() != shape) {
    fail(name, c10::str("has shape ", tensor.sizes(), "; expected ", letters, " = ", shape));
  }
}

void ArgumentCheck::tensor(const char* name, const at::Tensor& tensor) {
  dense(name, tensor);
  const at::ScalarType type = tensor.scalar_type();
  const bool bfloat16 = bfloat16_ == BFloat16Activations::kTaken;
  if (type != at::kFloat && type != at::kDouble && !(bfloat16 && type == at::kBFloat16)) {
    fail(name, std::string("has type ") + c10::toString(type) + "; expected Float" + (bfloat16 ? ", BFloat16" : "") + " or Double");
  }
  if (leader_.empty()) {
    leader_ = name;
    type_ = type;
  } else if (type != type_) {
    fail(name, std::string("has type ") + c10::toString(type) + " but " + leader_ + " has " + c10::toString(type_));
  }
}

void ArgumentCheck::tensor(const char* name, const at::Tensor& tensor, const char* letters, at::IntArrayRef shape) {
  this->tensor(name, tensor);
  this->shape(name, tensor, letters, shape);
}

void ArgumentCheck::optional(const char* name, const std::optional<at::Tensor>& tensor, const char* letters, at::IntArrayRef shape) {
  if (tensor.has_value() && tensor->defined()) {
    this->tensor(name, *tensor, letters, shape);
  }
}

void ArgumentCheck::parameter(const char* name, const at::Tensor& tensor) {
  dense(name, tensor);
  const at::ScalarType expected = parameter_type(type_);
  if (tensor.scalar_type() != expected) {
    fail(name, std::string("has type ") + c10::toString(tensor.scalar_type()) + "; expected " + c10::toString(expected) + ", since " + leader_ +
                   " has " + c10::toString(type_));
  }
}

void ArgumentCheck::weight(const char* name, const at::Tensor& tensor) {
  dense(name, tensor);
  if (tensor.scalar_type() != at::kBFloat16 || parameter_type(type_) != at::kFloat) {
    parameter(name, tensor);
  }
}

void ArgumentCheck::parameter(const char* name, const at::Tensor& tensor, const char* letters, at::IntArrayRef shape) {
  parameter(name, tensor);
  this->shape(name, tensor, letters, shape);
}

void ArgumentCheck::optional_parameter(
    const char* name, const std::optional<at::Tensor>& tensor, const char* letters, at::IntArrayRef shape) {
  if (tensor.has_value() && tensor->defined()) {
    parameter(name, *tensor, letters, shape);
  }
}

void ArgumentCheck::elements(const char* name, at::IntArrayRef sizes) {
  uint64_t bytes = 0;
  uint64_t total = 0;
  if (c10::safe_multiplies_u64(sizes, &total) || c10::mul_overflows(total, uint64_t{64}, &bytes) ||
      bytes > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    fail(name, c10::str("would have shape ", sizes, ", more than can be addressed"));
  }
}

bool wants_gradient(std::initializer_list<std::optional<at::Tensor>> tensors) {
  if (!at::GradMode::is_enabled()) {
    return false;
  }
  for (const auto& tensor : tensors) {
    if (tensor.has_value() && tensor->defined() && tensor->requires_grad()) {
      return true;
    }
  }
  return false;
}

void check_not_recorded(const char* op, const char* reason, std::initializer_list<std::optional<at::Tensor>> tensors) {
  TORCH_CHECK_VALUE(!wants_gradient(tensors), op, ": a gradient is wanted of an input, but ", reason);
}

void check_once_differentiable(const char* op) {
  TORCH_CHECK_NOT_IMPLEMENTED(
      !at::GradMode::is_enabled(), op, ": second derivatives are not available; run the backward pass without creating a graph of it");
}

at::Tensor last_axis_contiguous(const at::Tensor& tensor) {
  if (!tensor.defined() || tensor.dim() == 0 || tensor.stride(-1) == 1 || tensor.size(-1) <= 1) {
    return tensor;
  }
  return tensor.contiguous();
}

at::Tensor as_rows(const at::Tensor& tensor) {
  if (!tensor.defined()) {
    return tensor;
  }
  const int64_t axes = tensor.dim();
  const int64_t batch = axes > 2 ? c10::multiply_integers(tensor.sizes().slice(0, axes - 2)) : 1;
  return last_axis_contiguous(tensor).reshape({batch, axes > 1 ? tensor.size(-2) : 1, axes > 0 ? tensor.size(-1) : 1});
}

}  // namespace djlmamba
