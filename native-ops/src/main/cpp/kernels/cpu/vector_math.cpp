/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "vector_math.h"

#include "dispatch.h"

namespace djlmamba::cpu {

#define DJLMAMBA_DECLARE(isa_namespace)                      \
  namespace isa_namespace {                                  \
  template <typename T>                                      \
  void vector_exp2(const T*, T*, int64_t);                   \
  template <typename T>                                      \
  void vector_exp2_in_range(const T*, T*, int64_t);          \
  template <typename T>                                      \
  void vector_softplus(const T*, T*, int64_t);               \
  template <typename T>                                      \
  void vector_softplus_derivative(const T*, T*, int64_t);    \
  template <typename T>                                      \
  void vector_sigmoid(const T*, T*, int64_t);                \
  }
DJLMAMBA_FOR_EACH_ISA(DJLMAMBA_DECLARE)
#undef DJLMAMBA_DECLARE

template <typename T>
const VectorMathKernels<T>& vector_math_kernels() {
  static const VectorMathKernels<T> kernels = {
      DJLMAMBA_DISPATCH(vector_exp2<T>), DJLMAMBA_DISPATCH(vector_exp2_in_range<T>), DJLMAMBA_DISPATCH(vector_softplus<T>),
      DJLMAMBA_DISPATCH(vector_softplus_derivative<T>), DJLMAMBA_DISPATCH(vector_sigmoid<T>)};
  return kernels;
}

template const VectorMathKernels<float>& vector_math_kernels<float>();
template const VectorMathKernels<double>& vector_math_kernels<double>();

}  // namespace djlmamba::cpu
