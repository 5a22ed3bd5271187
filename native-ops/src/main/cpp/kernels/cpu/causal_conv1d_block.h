/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

/* What the forward and backward causal convolution kernels share; compiled once per instruction set (see simd.h). */

#include "causal_conv1d_geometry.h"
#include "causal_conv1d_taps.h"
#include "sequence_pieces.h"
#include "simd_math.h"

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

/** One block: rows [begin, end) of one batch, channels [first, first + count). */
struct Block {
  int64_t batch;
  int64_t row_block;
  int64_t begin;
  int64_t end;
  int64_t first;
  int64_t count;
};

/** Blocks of the same channels follow each other, so that their weights are laid out once. */
DJLMAMBA_INLINE Block block_at(const CausalConv1dGeometry& geometry, const CausalConv1dSizes& sizes, int64_t index) {
  Block b;
  const int64_t stretches = sizes.batch * geometry.row_blocks;
  const int64_t chunk = index / stretches;
  const int64_t stretch = index % stretches;
  b.batch = stretch / geometry.row_blocks;
  b.row_block = stretch % geometry.row_blocks;
  b.begin = b.row_block * geometry.rows_per_block;
  b.begin = b.begin < sizes.length ? b.begin : sizes.length;
  b.end = b.begin + geometry.rows_per_block;
  b.end = b.end < sizes.length ? b.end : sizes.length;
  b.first = chunk * geometry.channels_per_block;
  const int64_t left = sizes.channels - b.first;
  b.count = left < geometry.channels_per_block ? left : geometry.channels_per_block;
  return b;
}

/** Row t of x, from the block's first channel on. */
template <typename T, typename X>
DJLMAMBA_INLINE const X* x_row(const CausalConv1dInputs<T, X>& in, const Block& block, int64_t t) {
  return in.x.data + block.batch * in.x.batch_stride + t * in.x.length_stride + block.first;
}

/** Row t, which is before the sequence's first, of its initial state, which must be given; t counts along the row of x. */
template <typename T, typename X>
DJLMAMBA_INLINE const T* earlier_row(const CausalConv1dInputs<T, X>& in, const Block& block, const Piece& piece, int64_t t) {
  return in.initial_state.data + piece.state * in.initial_state.batch_stride +
         (t - piece.sequence_begin + in.sizes.width - 1) * in.initial_state.row_stride + block.first;
}

/** Row t of the sequence's initial state followed by x, in T. */
template <typename T, typename X>
DJLMAMBA_INLINE void copy_input_row(const CausalConv1dInputs<T, X>& in, const Block& block, const Piece& piece, int64_t t, T* to) {
  if (t >= piece.sequence_begin) {
    convert_row(x_row(in, block, t), block.count, to);
  } else if (in.initial_state.data != nullptr) {
    memcpy(to, earlier_row(in, block, piece, t), static_cast<size_t>(block.count) * sizeof(T));
  } else {
    memset(to, 0, static_cast<size_t>(block.count) * sizeof(T));
  }
}

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
