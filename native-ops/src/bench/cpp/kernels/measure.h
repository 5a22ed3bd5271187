/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <vector>

/** Times of repeated runs on threads, printed beside the time that the machine's own rate would allow. */
namespace djlmamba::bench {

inline double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

struct Times {
  double best, p10, median, p90;
};

inline Times measure(int repetitions, const std::function<void()>& function) {
  std::vector<double> seconds;
  function();
  for (int i = 0; i < repetitions; ++i) {
    const double start = now();
    function();
    seconds.push_back(now() - start);
  }
  std::sort(seconds.begin(), seconds.end());
  const size_t last = seconds.size() - 1;
  return {seconds[0], seconds[last / 10], seconds[last / 2], seconds[last * 9 / 10]};
}

inline void run_blocks(int threads, int64_t blocks, const std::function<void(int64_t, int64_t)>& function) {
#pragma omp parallel num_threads(threads)
  {
    const int64_t i = omp_get_thread_num(), n = omp_get_num_threads();
    const int64_t begin = blocks * i / n, end = blocks * (i + 1) / n;
    if (begin < end) function(begin, end);
  }
}

inline void report(const char* name, const char* shape, int threads, const Times& t, double bound, const char* rate) {
  std::printf("%-32s %-24s %d thread%s median %8.3f ms  best %8.3f  p10 %8.3f  p90 %8.3f  bound %8.3f ms  fraction %.3f (best %.3f)  %s\n", name, shape,
              threads, threads == 1 ? " " : "s", t.median * 1e3, t.best * 1e3, t.p10 * 1e3, t.p90 * 1e3, bound * 1e3, bound / t.median, bound / t.best, rate);
}

}  // namespace djlmamba::bench
