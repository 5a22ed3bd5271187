/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <vector>

/** The few things that the kernels' tests and benchmarks need: random arrays, comparison, and a loop over blocks on threads. */
namespace djlmamba::test {

inline int failures = 0;
inline int64_t checks = 0;

inline void fail(const std::string& what) {
  if (++failures <= 20) std::fprintf(stderr, "FAILED: %s\n", what.c_str());
}

inline void check(bool condition, const std::string& what) {
  ++checks;
  if (!condition) fail(what);
}

/** Every |actual - expected| must be at most tolerance times the largest |expected|; a NaN in either fails. */
template <typename T>
void check_close(const std::vector<T>& actual, const std::vector<double>& expected, double tolerance, const std::string& what) {
  ++checks;
  if (actual.size() != expected.size()) return fail(what + ": sizes differ");
  double largest = 0;
  for (double e : expected) largest = std::max(largest, std::abs(e));
  const double bound = tolerance * std::max(largest, std::numeric_limits<double>::min());
  for (size_t i = 0; i < actual.size(); ++i) {
    const double difference = std::abs(static_cast<double>(actual[i]) - expected[i]);
    if (!(difference <= bound)) {
      char text[200];
      std::snprintf(text, sizeof text, ": entry %zu is %.9g, expected %.9g, off by %.3g, allowed %.3g", i, static_cast<double>(actual[i]),
                    expected[i], difference, bound);
      return fail(what + text);
    }
  }
}

/** The exit status of a test program, after saying what it did. */
inline int finish(const char* name, const char* isa) {
  std::printf("%s on %s: %lld checks, %d failures\n", name, isa, static_cast<long long>(checks), failures);
  return failures == 0 ? 0 : 1;
}

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  double uniform(double low, double high) { return low + (high - low) * (static_cast<double>(engine_() >> 11) * 0x1p-53); }

  /** Values that float holds exactly, so that one set of numbers serves both precisions. */
  std::vector<double> array(int64_t count, double low, double high) {
    std::vector<double> values(static_cast<size_t>(count));
    for (double& v : values) v = static_cast<float>(uniform(low, high));
    return values;
  }

 private:
  std::mt19937_64 engine_;
};

template <typename T>
std::vector<T> nan_filled(int64_t count) {
  return std::vector<T>(static_cast<size_t>(count), std::numeric_limits<T>::quiet_NaN());
}

/** A float rounded to the nearest BFloat16, ties to even, as its bits; and the float of such bits. Not for NaN. */
inline uint16_t bfloat16_bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

inline float bfloat16_value(uint16_t upper) {
  const uint32_t bits = static_cast<uint32_t>(upper) << 16;
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

/** Offsets of `sequences` random sequences in each row of the given length, one in four of them empty. */
inline std::vector<int64_t> random_offsets(int64_t batch, int64_t sequences, int64_t length, Random& random) {
  std::vector<int64_t> offsets;
  for (int64_t b = 0; b < batch; ++b) {
    std::vector<int64_t> row = {0, length};
    while (static_cast<int64_t>(row.size()) <= sequences) {
      const bool again = random.uniform(0, 4) < 1;
      row.push_back(again ? row[static_cast<size_t>(random.uniform(0, static_cast<double>(row.size())))]
                          : static_cast<int64_t>(random.uniform(0, static_cast<double>(length + 1))));
    }
    std::sort(row.begin(), row.end());
    offsets.insert(offsets.end(), row.begin(), row.end());
  }
  return offsets;
}

/** Runs function(begin, end) over [0, blocks), cut into one range per thread. */
inline void run_blocks(int64_t blocks, int threads, const std::function<void(int64_t, int64_t)>& function) {
  if (threads <= 1) {
    if (blocks > 0) function(0, blocks);
    return;
  }
  std::vector<std::thread> pool;
  for (int i = 0; i < threads; ++i) {
    const int64_t begin = blocks * i / threads;
    const int64_t end = blocks * (i + 1) / threads;
    if (begin < end) pool.emplace_back(function, begin, end);
  }
  for (std::thread& t : pool) t.join();
}

/** Compares the gradient of loss() by the input, which loss() reads, with central differences. */
template <typename Loss>
void check_central_differences(std::vector<double>& input, const std::vector<double>& gradient, const char* name,
                               const Loss& loss) {
  std::vector<double> numeric(input.size());
  for (size_t i = 0; i < input.size(); ++i) {
    const double x = input[i], h = 1e-5;
    input[i] = x + h;
    const double up = loss();
    input[i] = x - h;
    numeric[i] = (up - loss()) / (2 * h);
    input[i] = x;
  }
  check_close(numeric, gradient, 1e-8, std::string("central differences of ") + name);
}

}  // namespace djlmamba::test
