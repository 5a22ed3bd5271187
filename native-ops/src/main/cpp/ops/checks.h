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

#include "kernels/cpu/bfloat16.h"

/* What the ops require of their arguments, and the views that they hand to kernels. */
namespace djlmamba {

/** Whether an op takes activations in BFloat16. */
enum class BFloat16Activations { kRefused, kTaken };

/**
 * The checks of one op's tensors: the first one sets the type that the others must share. Where it is BFloat16, as that of activations may be,
 * parameters and states are float.
 */
class ArgumentCheck {
 public:
  explicit ArgumentCheck(const char* op, BFloat16Activations bfloat16 = BFloat16Activations::kRefused) : op_(op), bfloat16_(bfloat16) {}

  /** A dense float or double tensor on the CPU, or one of BFloat16 where the op takes them, of the first one's type. */
  void tensor(const char* name, const at::Tensor& tensor);

  /** The same, of the given shape; `letters` names its axes in the error. */
  void tensor(const char* name, const at::Tensor& tensor, const char* letters, at::IntArrayRef shape);

  /** The same for an argument that may be left out. */
  void optional(const char* name, const std::optional<at::Tensor>& tensor, const char* letters, at::IntArrayRef shape);

  /** A parameter or a state: a tensor of the type that the op computes in. */
  void parameter(const char* name, const at::Tensor& tensor);
  void parameter(const char* name, const at::Tensor& tensor, const char* letters, at::IntArrayRef shape);
  void optional_parameter(const char* name, const std::optional<at::Tensor>& tensor, const char* letters, at::IntArrayRef shape);

  /** A parameter that may be stored in BFloat16 where it would be float. */
  void weight(const char* name, const at::Tensor& tensor);

  /** That the product of the sizes can be addressed. */
  void elements(const char* name, at::IntArrayRef sizes);

  [[noreturn]] void fail(const char* name, const std::string& what);

 private:
  void dense(const char* name, const at::Tensor& tensor);
  void shape(const char* name, const at::Tensor& tensor, const char* letters, at::IntArrayRef shape);

  const char* op_;
  BFloat16Activations bfloat16_;
  std::string leader_;
  at::ScalarType type_ = at::kFloat;
};

/** True if a gradient must be recorded for any of the tensors. */
bool wants_gradient(std::initializer_list<std::optional<at::Tensor>> tensors);

/** Refuses an op that a gradient is wanted of; the reason says why it records none and what to do. */
void check_not_recorded(const char* op, const char* reason, std::initializer_list<std::optional<at::Tensor>> tensors);

/** Refuses a graph of the backward pass, for an op whose backward is not differentiable itself. */
void check_once_differentiable(const char* op);

/** The tensor with its last axis contiguous: itself, or a copy if it is not. */
at::Tensor last_axis_contiguous(const at::Tensor& tensor);

/** The tensor (..., M) as (batch, length, M) with its last axis contiguous: a view, or a copy if there is none; undefined if it is undefined. */
at::Tensor as_rows(const at::Tensor& tensor);

/** An optional tensor as one that may be undefined. */
inline at::Tensor or_undefined(const std::optional<at::Tensor>& tensor) {
  return tensor.has_value() ? *tensor : at::Tensor();
}

/** libtorch's name of a type that kernels read and write. */
template <typename X>
struct TorchType {
  using Type = X;
};
template <>
struct TorchType<cpu::BFloat16> {
  using Type = at::BFloat16;
};

/** The data of a tensor that may be undefined. */
template <typename T>
const T* data_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? reinterpret_cast<const T*>(tensor.const_data_ptr<typename TorchType<T>::Type>()) : nullptr;
}

template <typename T>
T* mutable_data_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? reinterpret_cast<T*>(tensor.mutable_data_ptr<typename TorchType<T>::Type>()) : nullptr;
}

/**
 * Calls function(T, X) with a value of the type that a kernel computes in and one of the type that activations of the given type are stored in:
 * (double, double), (float, BFloat16) or (float, float). The checks admit no others.
 */
template <typename Function>
auto with_types(at::ScalarType activations, Function&& function) {
  switch (activations) {
    case at::kDouble:
      return function(double(), double());
    case at::kBFloat16:
      return function(float(), cpu::BFloat16());
    default:
      return function(float(), float());
  }
}

/** The type of parameters and states beside activations of the given type. */
inline at::ScalarType parameter_type(at::ScalarType activations) { return activations == at::kBFloat16 ? at::kFloat : activations; }

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
