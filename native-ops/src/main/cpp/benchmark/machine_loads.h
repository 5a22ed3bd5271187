/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <vector>

#include "kernels/cpu/vector_math.h"

/*
 * What the machine can do, as loads to be timed: the rates that bound the ops. Torch-free, so that the benchmarks of the kernels and those of the
 * ops measure the same.
 */
namespace djlmamba::benchmark {

/** Calls function(begin, end) for parts that together are [0, blocks), one to a thread, and returns when all are done. */
using Parallel = std::function<void(int64_t blocks, const std::function<void(int64_t begin, int64_t end)>& function)>;

/** Vector exponentials on every thread, from and to arrays in its first-level cache, by the form that the scan uses. */
class Exp2Load {
 public:
  static constexpr int64_t kPerRound = 4096;

  Exp2Load(int64_t threads, int64_t rounds)
      : threads_(threads), rounds_(rounds), in_(threads * kPerRound / kPerLine), out_(threads * kPerRound / kPerLine) {
    for (int64_t i = 0; i < threads_ * kPerRound; ++i) floats(in_)[i] = -20.0f * static_cast<float>(i % kPerRound) / kPerRound;
  }

  void run(const Parallel& parallel) {
    const auto function = cpu::vector_math_kernels<float>().exp2_in_range;
    parallel(threads_, [&](int64_t begin, int64_t end) {
      for (int64_t thread = begin; thread < end; ++thread) {
        const int64_t first = thread * kPerRound;
        for (int64_t round = 0; round < rounds_; ++round) function(floats(in_) + first, floats(out_) + first, kPerRound);
      }
    });
  }

  /** Throws unless the last run has computed the exponentials. */
  void check() const {
    for (int64_t i = 0; i < threads_ * kPerRound; ++i) {
      const double expected = std::exp2(static_cast<double>(floats(in_)[i]));
      if (!(std::abs(floats(out_)[i] - expected) <= 1e-6 * expected)) throw std::runtime_error("the vector exponential is wrong");
    }
  }

  double exponentials() const { return static_cast<double>(threads_ * rounds_ * kPerRound); }

 private:
  static constexpr int64_t kPerLine = 16;

  /** Aligned, since the rate of loads across cache lines is not that of the exponentials. */
  struct alignas(64) Line {
    float values[kPerLine];
  };

  static float* floats(std::vector<Line>& lines) { return reinterpret_cast<float*>(lines.data()); }
  static const float* floats(const std::vector<Line>& lines) { return reinterpret_cast<const float*>(lines.data()); }

  int64_t threads_;
  int64_t rounds_;
  std::vector<Line> in_;
  std::vector<Line> out_;
};

/** A copy of an array, a part to each thread. */
class CopyLoad {
 public:
  explicit CopyLoad(int64_t bytes) : from_(static_cast<size_t>(bytes)), to_(static_cast<size_t>(bytes), 1) {
    for (size_t i = 0; i < from_.size(); ++i) from_[i] = static_cast<char>(i * 7);
  }

  void run(const Parallel& parallel) {
    constexpr int64_t kBlock = 65536;
    const auto bytes = static_cast<int64_t>(from_.size());
    parallel((bytes + kBlock - 1) / kBlock, [&](int64_t begin, int64_t end) {
      const int64_t first = begin * kBlock;
      const int64_t last = end * kBlock < bytes ? end * kBlock : bytes;
      std::memcpy(to_.data() + first, from_.data() + first, static_cast<size_t>(last - first));
    });
  }

  /** Throws unless the last run has copied. */
  void check() const {
    if (from_ != to_) throw std::runtime_error("the copy differs");
  }

 private:
  std::vector<char> from_;
  std::vector<char> to_;
};

/** A sum over an array, a part to each thread, which does nothing but read it, from several places at once. */
class ReadLoad {
 public:
  explicit ReadLoad(int64_t bytes) : words_(static_cast<size_t>((bytes + kBlockBytes - 1) / kBlockBytes * kBlockWords)) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] = i;
  }

  void run(const Parallel& parallel) {
    const int64_t blocks = static_cast<int64_t>(words_.size()) / kBlockWords;
    sum_ = 0;
    parallel(blocks, [&](int64_t begin, int64_t end) {
      Vector sums[kStreams][kVectors] = {};
      for (int64_t block = begin; block < end; ++block) {
        const Word* words = words_.data() + block * kBlockWords;
        for (int64_t i = 0; i < kStreamWords; i += kVectors * kLanes) {
          for (int64_t s = 0; s < kStreams; ++s) {
            const Word* line = words + s * kStreamWords + i;
            __builtin_prefetch(line + kBlockWords, 0, 3);
            for (int64_t v = 0; v < kVectors; ++v) {
              Vector read;
              std::memcpy(&read, line + v * kLanes, sizeof read);
              sums[s][v] += read;
            }
          }
        }
      }
      Word sum = 0;
      for (const auto& stream : sums) {
        for (const Vector& of : stream) {
          for (int64_t lane = 0; lane < kLanes; ++lane) sum += of[lane];
        }
      }
      sum_ += sum;
    });
  }

  /** Throws unless the last run has read everything. */
  void check() const {
    const Word count = words_.size();
    if (sum_ != (count % 2 == 0 ? count / 2 * (count - 1) : (count - 1) / 2 * count)) throw std::runtime_error("the sum of what was read is wrong");
  }

 private:
  using Word = uint64_t;
  /* Vectors of a cache line. */
  static constexpr int64_t kLanes = 2;
  static constexpr int64_t kVectors = 4;
  static constexpr int64_t kStreams = 2;
  static constexpr int64_t kStreamWords = 512;
  static constexpr int64_t kBlockWords = kStreams * kStreamWords;
  static constexpr int64_t kBlockBytes = kBlockWords * sizeof(Word);
  typedef Word Vector __attribute__((vector_size(kLanes * sizeof(Word))));

  std::vector<Word> words_;
  std::atomic<Word> sum_{0};
};

}  // namespace djlmamba::benchmark
