/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

/*
 * Products of small matrices for the state space dual, in tiles of registers, and the copies that bring operands into
 * shape; compiled once per instruction set (see simd.h). In scratch memory the rows of a matrix are whole vectors,
 * zeros beyond its columns, and matrices have a multiple of 16 rows.
 */

#include "arena.h"
#include "simd.h"

/* Keeps the compiler from folding the load of a vector that is used several times into each of its uses. */
#if defined(__AVX512F__)
#define DJLMAMBA_IN_REGISTER(vector) __asm__("" : "+v"(vector))
#elif defined(__SSE2__)
#define DJLMAMBA_IN_REGISTER(vector) __asm__("" : "+x"(vector))
#else
#define DJLMAMBA_IN_REGISTER(vector) static_cast<void>(vector)
#endif

namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE {

/** A tile is up to so many vectors wide, and high enough that its sums are independent of each other for as long as an
 * addition takes. */
#if defined(__AVX512F__)
constexpr int kTileVectors = 4;
#else
constexpr int kTileVectors = 2;
#endif

template <int kVectors>
constexpr int kTileRows = kVectors * 2 <= kTileVectors ? 8 : 4;

template <int kVectors>
struct TileWidth {
  static constexpr int value = kVectors;
};

/** Calls function(TileWidth, first vector) for tiles of nearly equal widths that cover vectors [begin, end). */
template <typename Function>
DJLMAMBA_INLINE void for_each_tile(int64_t begin, int64_t end, const Function& function) {
  while (begin < end) {
    const int64_t tiles = (end - begin + kTileVectors - 1) / kTileVectors;
    const int64_t width = (end - begin + tiles - 1) / tiles;
    switch (width) {
      case 1:
        function(TileWidth<1>(), begin);
        break;
      case 2:
        function(TileWidth<2>(), begin);
        break;
#if defined(__AVX512F__)
      case 3:
        function(TileWidth<3>(), begin);
        break;
      default:
        function(TileWidth<4>(), begin);
#endif
    }
    begin += width;
  }
}

template <typename T, int kRows, int kVectors>
DJLMAMBA_INLINE void clear(Vec<T> (&sum)[kRows][kVectors]) {
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r][v] = Vec<T>{};
  }
}

/** sum[r][.] += over k in [0, depth) of a[r a_row + k a_step] times the vectors at b + k b_step. */
template <typename T, int kRows, int kVectors>
DJLMAMBA_INLINE void multiply_add(Vec<T> (&sum)[kRows][kVectors], int64_t depth, const T* a, int64_t a_row,
                                  int64_t a_step, const T* b, int64_t b_step) {
  for (int64_t k = 0; k < depth; ++k) {
    Vec<T> column[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      column[v] = load(b + v * Simd<T>::kLanes);
      DJLMAMBA_IN_REGISTER(column[v]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      Vec<T> row = set1(a[r * a_row]);
      DJLMAMBA_IN_REGISTER(row);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] = fmadd(row, column[v], sum[r][v]);
    }
    a += a_step;
    b += b_step;
  }
}

/** As multiply_add() with depth kRows, with the terms k <= r alone if kLower, else with k >= r alone: what is beside
 * the triangle is not touched. */
template <typename T, bool kLower, int kRows, int kVectors>
DJLMAMBA_INLINE void multiply_add_triangle(Vec<T> (&sum)[kRows][kVectors], const T* a, int64_t a_row, int64_t a_step,
                                           const T* b, int64_t b_step) {
#pragma GCC unroll 8
  for (int k = 0; k < kRows; ++k) {
    Vec<T> column[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      column[v] = load(b + v * Simd<T>::kLanes);
      DJLMAMBA_IN_REGISTER(column[v]);
    }
#pragma GCC unroll 8
    for (int r = kLower ? k : 0; r < (kLower ? kRows : k + 1); ++r) {
      const Vec<T> row = set1(a[r * a_row]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] = fmadd(row, column[v], sum[r][v]);
    }
    a += a_step;
    b += b_step;
  }
}

/** Multiplies each row by a factor of its own. */
template <typename T, int kRows, int kVectors>
DJLMAMBA_INLINE void scale_tile(Vec<T> (&sum)[kRows][kVectors], const T* factors) {
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    const Vec<T> factor = set1(factors[r]);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r][v] = factor * sum[r][v];
  }
}

template <typename T, int kRows, int kVectors>
DJLMAMBA_INLINE void store_tile(const Vec<T> (&sum)[kRows][kVectors], T* to, int64_t to_row) {
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) store<T>(to + r * to_row + v * Simd<T>::kLanes, sum[r][v]);
  }
}

/** Stores a tile into an array of the caller's, as far as that has rows and columns. */
template <typename T, typename X, int kRows, int kVectors>
DJLMAMBA_INLINE void store_tile_part(const Vec<T> (&sum)[kRows][kVectors], X* to, int64_t to_row, int64_t rows,
                                     int64_t columns) {
  constexpr int kLanes = Simd<T>::kLanes;
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    if (r >= rows) continue;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const int64_t left = columns - v * kLanes;
      if (left > 0)
        store_first<X>(to + r * to_row + v * kLanes, sum[r][v], left < kLanes ? static_cast<int>(left) : kLanes);
    }
  }
}

template <typename T, int kRows, int kVectors>
__attribute__((noinline)) static void multiply_tile(const T* a, int64_t a_row, int64_t depth, const T* b,
                                                    int64_t b_step, T* to, int64_t to_row) {
  Vec<T> sum[kRows][kVectors];
  clear<T>(sum);
  multiply_add<T>(sum, depth, a, a_row, 1, b, b_step);
  store_tile<T>(sum, to, to_row);
}

/** to = a b^T below (with the diagonal) or above it, for `rows` rows of a and `depth` rows of b transposed: blocks of
 * 16 that hold none of it are left alone. */
template <typename T, bool kLower>
static void multiply_half(const T* a, int64_t a_row, const T* b_transposed, int64_t depth, int64_t rows, T* to) {
  constexpr int kLanes = Simd<T>::kLanes;
  constexpr int64_t kBlock = 16;
  for (int64_t block = 0; block < rows; block += kBlock) {
    for_each_tile(kLower ? 0 : block / kLanes, (kLower ? block + kBlock : rows) / kLanes,
                  [&](auto width, int64_t vector) {
                    constexpr int kVectors = decltype(width)::value;
                    constexpr int kRows = kTileRows<kVectors>;
                    for (int64_t i = block; i < block + kBlock; i += kRows) {
                      multiply_tile<T, kRows, kVectors>(a + i * a_row, a_row, depth, b_transposed + vector * kLanes,
                                                        rows, to + i * rows + vector * kLanes, rows);
                    }
                  });
  }
}

/** Transposes the square of kLanes vectors in place: a stage exchanges bit kStage of the lane and of the vector. */
template <typename T, int kStage = 1>
DJLMAMBA_INLINE void transpose_square(Vec<T>* v) {
  constexpr int kLanes = Simd<T>::kLanes;
  if constexpr (kStage < kLanes) {
    using Int = typename Simd<T>::I;
    using Element = decltype(Int{}[0] + Int{}[0]);
    static constexpr SumLanesIndex<Element, kLanes, kStage> kIndex;
    const Int low = *reinterpret_cast<const Int*>(kIndex.low);
    const Int high = *reinterpret_cast<const Int*>(kIndex.high);
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) {
      if (i & kStage) continue;
      const Vec<T> first = v[i], second = v[i + kStage];
      v[i] = __builtin_shuffle(first, second, low);
      v[i + kStage] = __builtin_shuffle(first, second, high);
    }
    transpose_square<T, 2 * kStage>(v);
  }
}

/** to[column][row] = from[row][column] where `from` is the caller's and `to` scratch: zeros beyond the rows and
 * columns, up to whole vectors. */
template <typename T>
static void transpose_in(const T* from, int64_t from_row, int64_t rows, int64_t columns, T* to, int64_t to_row) {
  constexpr int kLanes = Simd<T>::kLanes;
  for (int64_t r = 0; r < rows; r += kLanes) {
    for (int64_t c = 0; c < columns; c += kLanes) {
      const int count = columns - c < kLanes ? static_cast<int>(columns - c) : kLanes;
      Vec<T> v[kLanes];
      if (count == kLanes && r + kLanes <= rows) {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i) v[i] = load_unaligned(from + (r + i) * from_row + c);
      } else {
        for (int i = 0; i < kLanes; ++i)
          v[i] = r + i < rows ? load_first(from + (r + i) * from_row + c, count) : Vec<T>{};
      }
      transpose_square<T>(v);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) store<T>(to + (c + i) * to_row + r, v[i]);
    }
  }
}

/** The other way: from[column][row] is scratch, of to[row][column] only the rows and columns are written. */
template <typename T>
static void transpose_out(const T* from, int64_t from_row, int64_t rows, int64_t columns, T* to, int64_t to_row) {
  constexpr int kLanes = Simd<T>::kLanes;
  for (int64_t r = 0; r < rows; r += kLanes) {
    for (int64_t c = 0; c < columns; c += kLanes) {
      const int count = columns - c < kLanes ? static_cast<int>(columns - c) : kLanes;
      Vec<T> v[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) v[i] = load(from + (c + i) * from_row + r);
      transpose_square<T>(v);
      if (count == kLanes && r + kLanes <= rows) {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i) store_unaligned<T>(to + (r + i) * to_row + c, v[i]);
      } else {
        for (int i = 0; i < kLanes && r + i < rows; ++i) store_first<T>(to + (r + i) * to_row + c, v[i], count);
      }
    }
  }
}

/** One row of the caller's into `padded` elements of scratch, a whole number of vectors: zeros beyond the columns. */
template <typename T, typename X>
DJLMAMBA_INLINE void pack_row(const X* from, int64_t columns, T* to, int64_t padded) {
  constexpr int kLanes = Simd<T>::kLanes;
  int64_t c = 0;
  for (; c + kLanes <= columns; c += kLanes) store<T>(to + c, load_unaligned(from + c));
  if (c < columns) {
    store<T>(to + c, load_first(from + c, static_cast<int>(columns - c)));
    c += kLanes;
  }
  for (; c < padded; c += kLanes) store<T>(to + c, Vec<T>{});
}

/** Rows of the caller's, and rows of zeros up to padded_rows. */
template <typename T, typename X>
static void pack_rows(const X* from, int64_t from_row, int64_t rows, int64_t columns, T* to, int64_t padded_rows,
                      int64_t padded) {
  for (int64_t r = 0; r < rows; ++r) pack_row<T>(from + r * from_row, columns, to + r * padded, padded);
  memset(to + rows * padded, 0, static_cast<size_t>((padded_rows - rows) * padded) * sizeof(T));
}

/** Multiplies each row by a factor of its own. */
template <typename T>
static void scale_rows(const T* factors, int64_t rows, int64_t columns, const T* from, T* to) {
  constexpr int kLanes = Simd<T>::kLanes;
  for (int64_t r = 0; r < rows; ++r) {
    const Vec<T> factor = set1(factors[r]);
    for (int64_t c = 0; c < columns; c += kLanes) store<T>(to + r * columns + c, factor * load(from + r * columns + c));
  }
}

}  // namespace djlmamba::cpu::DJLMAMBA_ISA_NAMESPACE
