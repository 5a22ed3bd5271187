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

#include <optional>
#include <string>

/* What the ops require of their arguments, and the views that they hand to kernels. */
namespace djlmamba {

/** The checks of one op's tensors: the first one sets the type that the others must share. */
class ArgumentCheck {
 public:
  explicit ArgumentCheck(const char* op) : op_(op) {}

  /** A dense float or double tensor on the CPU, of the first one's type. */
  void tensor(const char* name, const at::Tensor& tensor);

  /** The same, of the given shape; `letters` names its axes in the error. */
  void tensor(const char* name, const at::Tensor& tensor, const char* letters, at::IntArrayRef shape);

  /** The same for an argument that may be left out. */
  void optional(const char* name, const std::optional<at::Tensor>& tensor, const char* letters, at::IntArrayRef shape);

  /** That the product of the sizes can be addressed. */
  void elements(const char* name, at::IntArrayRef sizes);

  [[noreturn]] void fail(const char* name, const std::string& what);

 private:
  const char* op_;
  std::string leader_;
  at::ScalarType type_ = at::kFloat;
};

/** True if a gradient must be recorded for any of the tensors. */
bool wants_gradient(std::initializer_list<std::optional<at::Tensor>> tensors);

/** Refuses a graph of the backward pass, for an op whose backward is not differentiable itself. */
void check_once_differentiable(const char* op);

/** The tensor with its last axis contiguous: itself, or a copy if it is not. */
at::Tensor last_axis_contiguous(const at::Tensor& tensor);

/** An optional tensor as one that may be undefined. */
inline at::Tensor or_undefined(const std::optional<at::Tensor>& tensor) {
  return tensor.has_value() ? *tensor : at::Tensor();
}

/** The data of a tensor that may be undefined. */
template <typename T>
const T* data_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<T>() : nullptr;
}

template <typename T>
T* mutable_data_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<T>() : nullptr;
}

/** A tensor that may be undefined as a view of the kernels with two strides (see kernels/cpu/views.h): (batch, rows or length, columns). */
template <typename View, typename T>
View view3(const at::Tensor& tensor, T* data) {
  View view;
  if (tensor.defined()) {
    view = View{data, tensor.stride(0), tensor.stride(1)};
  }
  return view;
}

}  // namespace djlmamba
