/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include <ATen/Parallel.h>

#include <cstdint>

namespace djlmamba {

/** Runs the kernel of a decode step over its blocks, on as many threads as they are worth. */
template <typename Kernels, typename Step>
void run_step(const Kernels& kernels, const Step& args) {
  const auto plan = kernels.plan(args.sizes);
  at::parallel_for(0, plan.blocks, plan.grain, [&](int64_t begin, int64_t end) { kernels.step(args, begin, end); });
}

}  // namespace djlmamba
