/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "linear_rows.h"

#include "linear_rows_geometry.h"
#include "simd.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

namespace {

/* Outputs and rows of a tile, whose sums stay in registers: 16 of them, and the 4 vectors of weights. */
constexpr int kOutputs = 4;
constexpr int kRows = 4;
static_assert(kLinearOutputsPerBlock % kOutputs == 0, "a block is made of whole tiles");

constexpr int kLineBytes = 64;

/* How many rows of weights ahead the next ones are fetched, to the second-level cache: a few long rows would fill the first. */
constexpr int kAhead = kOutputs;

/** Fetches what may lie past the end, where it does no harm; so the address is formed as an integer. */
template <typename W>
DJLMAMBA_INLINE void prefetch(const W* from, int64_t elements) {
  const intptr_t address = reinterpret_cast<intptr_t>(from) + elements * static_cast<intptr_t>(sizeof(W));
  __builtin_prefetch(reinterpret_cast<const void*>(address), 0, 2);
}

template <typename T, int kR, int kO>
DJLMAMBA_INLINE void add_products(const Vec<T> (&x)[kR], const Vec<T> (&w)[kO], Vec<T> (&sums)[kR][kO]) {
  for (int r = 0; r < kR; ++r) {
    for (int o = 0; o < kO; ++o) sums[r][o] = fmadd(x[r], w[o], sums[r][o]);
  }
}

/** kR rows times kO outputs, from the given first row and output on. */
template <int kR, int kO, typename T, typename W>
DJLMAMBA_INLINE void tile(const LinearRows<T, W>& f, int64_t row, int64_t output) {
  constexpr int kLanes = Simd<T>::kLanes;
  constexpr int kLineLanes = kLineBytes / static_cast<int>(sizeof(W));
  static_assert(kLineLanes % kLanes == 0, "the weights of a cache line are whole vectors");
  const int64_t inputs = f.sizes.inputs;
  const T* x = f.x + row * f.x_stride;
  const W* weight = f.weight + output * f.weight_stride;
  Vec<T> sums[kR][kO] = {};
  Vec<T> xs[kR];
  Vec<T> ws[kO];
  int64_t i = 0;
  for (; i + kLineLanes <= inputs; i += kLineLanes) {
    // The processor's own prefetching starts anew with every row.
    for (int o = 0; o < kO; ++o) prefetch(weight, (o + kAhead) * f.weight_stride + i);
    for (int l = 0; l < kLineLanes; l += kLanes) {
      for (int o = 0; o < kO; ++o) ws[o] = load_unaligned(weight + o * f.weight_stride + i + l);
      for (int r = 0; r < kR; ++r) xs[r] = load_unaligned(x + r * f.x_stride + i + l);
      add_products<T>(xs, ws, sums);
    }
  }
  for (; i + kLanes <= inputs; i += kLanes) {
    for (int o = 0; o < kO; ++o) ws[o] = load_unaligned(weight + o * f.weight_stride + i);
    for (int r = 0; r < kR; ++r) xs[r] = load_unaligned(x + r * f.x_stride + i);
    add_products<T>(xs, ws, sums);
  }
  if (i < inputs) {
    const int left = static_cast<int>(inputs - i);
    for (int o = 0; o < kO; ++o) ws[o] = load_first(weight + o * f.weight_stride + i, left);
    for (int r = 0; r < kR; ++r) xs[r] = load_first(x + r * f.x_stride + i, left);
    add_products<T>(xs, ws, sums);
  }
  for (int r = 0; r < kR; ++r) {
    T* y = f.y + (row + r) * f.y_stride + output;
    for (int o = 0; o < kO; ++o) y[o] = sum_of_lanes<T>(sums[r][o]) + (f.bias != nullptr ? f.bias[output + o] : T(0));
  }
}

/** All rows times kO outputs, which stay in the cache from one group of rows to the next. */
template <int kO, typename T, typename W>
DJLMAMBA_INLINE void column(const LinearRows<T, W>& f, int64_t output) {
  int64_t row = 0;
  for (; row + kRows <= f.sizes.rows; row += kRows) tile<kRows, kO>(f, row, output);
  switch (f.sizes.rows - row) {
    case 3:
      tile<3, kO>(f, row, output);
      break;
    case 2:
      tile<2, kO>(f, row, output);
      break;
    case 1:
      tile<1, kO>(f, row, output);
      break;
    default:
      break;
  }
}

}  // namespace

template <typename T, typename W>
void linear_rows(const LinearRows<T, W>& f, int64_t block_begin, int64_t block_end) {
  int64_t end = block_end * kLinearOutputsPerBlock;
  end = end < f.sizes.outputs ? end : f.sizes.outputs;
  int64_t output = block_begin * kLinearOutputsPerBlock;
  for (; output + kOutputs <= end; output += kOutputs) column<kOutputs>(f, output);
  for (; output < end; ++output) column<1>(f, output);
}

#define DJLMAMBA_INSTANTIATE(T, W) template void linear_rows<T, W>(const LinearRows<T, W>&, int64_t, int64_t);
DJLMAMBA_INSTANTIATE(double, double)
DJLMAMBA_INSTANTIATE(float, float)
DJLMAMBA_INSTANTIATE(float, BFloat16)
#undef DJLMAMBA_INSTANTIATE

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
