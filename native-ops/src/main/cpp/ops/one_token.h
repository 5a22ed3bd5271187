/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "ops/ops.h"

/*
 * One more token of each of a few rows through a whole layer, by the kernels on plain memory: the arithmetic of a token takes some microseconds, which
 * the dispatch of each op and each view would take again.
 */
namespace djlmamba {

/** What fused_mamba() gives; none where it is not one token that continues from a state, or arguments are not as the kernels read them. */
std::optional<std::vector<at::Tensor>> mamba_of_token(const FusedMamba& in);

/** The same for fused_mamba2(). */
std::optional<std::vector<at::Tensor>> mamba2_of_token(const FusedMamba2& in);

}  // namespace djlmamba
