/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include <cstdint>

namespace djlmamba::cpu {

/** The vector functions inside the kernels, over arrays: for tests of their accuracy and as the rate that bounds the scan. */
template <typename T>
struct VectorMathKernels {
  /** out[i] = 2^in[i]: right for every input. */
  void (*exp2)(const T* in, T* out, int64_t count);
  /** out[i] = 2^in[i] for |in[i]| <= 120 (float) or 1000 (double): the fastest form, which scans use when the range allows. */
  void (*exp2_in_range)(const T* in, T* out, int64_t count);
  void (*softplus)(const T* in, T* out, int64_t count);
  void (*softplus_derivative)(const T* in, T* out, int64_t count);
  void (*sigmoid)(const T* in, T* out, int64_t count);
};

/** The functions for the instruction set in use; float and double. */
template <typename T>
const VectorMathKernels<T>& vector_math_kernels();

}  // namespace djlmamba::cpu
