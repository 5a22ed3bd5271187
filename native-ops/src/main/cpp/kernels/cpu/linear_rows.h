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

#include "bfloat16.h"

namespace djlmamba::cpu {

/*
 * The linear projection of few rows, y = x W^T + bias, which reads each weight once: as fast as memory gives them, where a matrix product that is made
 * for many rows would pack them first. T is float or double, what x, bias and y are and what is computed in; W stores the weight: T, or BFloat16 with
 * T = float. Every output is summed in the same order whatever the number of rows, so a row's result does not depend on those beside it. To run it,
 * see selective_scan.h: the contract is the same; nothing is reduced.
 */

struct LinearRowsSizes {
  int64_t rows = 0;
  int64_t inputs = 0;
  int64_t outputs = 0;
};

/** Blocks, each of some outputs, and how many of them are worth a thread of their own. */
struct LinearRowsPlan {
  int64_t blocks = 0;
  int64_t grain = 1;
};

/** The last axis of each array is contiguous; strides are between rows, in elements. */
template <typename T, typename W>
struct LinearRows {
  LinearRowsSizes sizes;
  const T* x = nullptr;
  int64_t x_stride = 0;
  const W* weight = nullptr;
  int64_t weight_stride = 0;
  /* May be null. */
  const T* bias = nullptr;
  T* y = nullptr;
  int64_t y_stride = 0;
};

template <typename T, typename W>
struct LinearRowsKernels {
  LinearRowsPlan (*plan)(const LinearRowsSizes& sizes);
  void (*forward)(const LinearRows<T, W>& args, int64_t block_begin, int64_t block_end);
};

/** The kernels for the instruction set in use, for <double, double>, <float, float> and <float, BFloat16>. */
template <typename T, typename W>
const LinearRowsKernels<T, W>& linear_rows_kernels();

}  // namespace djlmamba::cpu
