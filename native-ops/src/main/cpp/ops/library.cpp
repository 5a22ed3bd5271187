/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include <ATen/Version.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <exception>

#include "kernels/cpu/isa.h"
#include "ops/ops.h"

/*
 * Registers the ops as djlmamba::NAME when the library is loaded, once a process. A second copy of the library, loaded by another class
 * loader, finds them there and leaves them: its own callers reach its functions directly. Nothing may leave this file as an exception, since
 * one thrown while a library is loaded ends the process.
 */
namespace djlmamba {

std::string built_libtorch_version() {
  return DJLMAMBA_LIBTORCH_VERSION;
}

std::string instruction_set() {
  return cpu::isa_name();
}

std::string running_libtorch_version() {
  const std::string key = "TORCH_VERSION=";
  const std::string config = at::show_config();
  const size_t begin = config.find(key);
  if (begin == std::string::npos) {
    return "";
  }
  const size_t value = begin + key.size();
  return config.substr(value, config.find_first_not_of("0123456789.", value) - value);
}

namespace {

void define_if_missing(torch::Library& library, const char* name, void (*define)(torch::Library&)) {
  if (!c10::Dispatcher::singleton().findSchema({name, ""}).has_value()) {
    define(library);
  }
}

bool register_ops() {
  try {
    const std::string running = running_libtorch_version();
    if (!running.empty() && running != built_libtorch_version()) {
      return false;
    }
    // Never destroyed: the ops live as long as the process, as the library itself does (z,nodelete).
    auto* library = new torch::Library(torch::Library::FRAGMENT, "djlmamba", std::nullopt, __FILE__, __LINE__);
    define_if_missing(*library, "djlmamba::linear", define_linear);
    define_if_missing(*library, "djlmamba::selective_scan", define_selective_scan);
    define_if_missing(*library, "djlmamba::selective_scan_step", define_selective_scan_step);
    define_if_missing(*library, "djlmamba::causal_conv1d", define_causal_conv1d);
    define_if_missing(*library, "djlmamba::causal_conv1d_step", define_causal_conv1d_step);
    define_if_missing(*library, "djlmamba::state_space_dual", define_state_space_dual);
    define_if_missing(*library, "djlmamba::state_space_dual_step", define_state_space_dual_step);
    define_if_missing(*library, "djlmamba::fused_mamba", define_fused_mamba);
    define_if_missing(*library, "djlmamba::fused_mamba2", define_fused_mamba2);
    define_if_missing(*library, "djlmamba::rms_norm", define_rms_norm);
    define_if_missing(*library, "djlmamba::causal_attention", define_causal_attention);
    define_if_missing(*library, "djlmamba::rotary_embedding", define_rotary_embedding);
    define_if_missing(*library, "djlmamba::sequence_append", define_sequence_append);
    define_if_missing(*library, "djlmamba::gated_product", define_gated_product);
    define_if_missing(*library, "djlmamba::adam_step", define_adam_step);
    return true;
  } catch (const std::exception&) {
    return false;
  } catch (...) {
    return false;
  }
}

const bool registered [[maybe_unused]] = register_ops();

}  // namespace
}  // namespace djlmamba
