/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include <jni.h>

#include "jni/conversions.h"
#include "ops/ops.h"

using namespace djlmamba;

namespace {

/** Where the arguments are in the array of handles. */
enum Argument { kX, kDelta, kA, kB, kC, kSkip, kGate, kDeltaBias, kState, kArguments };

StateSpaceDualArguments arguments_of(const std::vector<jlong>& handles, jboolean softplus, jdouble delta_min, jdouble delta_max) {
  TORCH_CHECK_VALUE(handles.size() >= kArguments, "the state space dual takes ", static_cast<int>(kArguments), " handles");
  return {tensor_of(handles[kX]), tensor_of(handles[kDelta]), tensor_of(handles[kA]), tensor_of(handles[kB]), tensor_of(handles[kC]),
          optional_of(handles[kSkip]), optional_of(handles[kGate]), optional_of(handles[kDeltaBias]), softplus == JNI_TRUE, delta_min, delta_max};
}

}  // namespace

extern "C" {

JNIEXPORT jlongArray JNICALL Java_io_github_djlmamba_nativeops_NativeBindings_stateSpaceDual(
    JNIEnv* env, jclass, jlongArray arguments, jlongArray sequence_offsets, jboolean delta_softplus, jdouble delta_min, jdouble delta_max,
    jint chunk_size) {
  return guarded(env, [&] {
    const std::vector<jlong> handles = longs_of(env, arguments);
    const StateSpaceDualArguments in = arguments_of(handles, delta_softplus, delta_min, delta_max);
    const int64_t batch = in.x.dim() > 0 ? in.x.size(0) : 0;
    return handles_of(env, state_space_dual(in, optional_of(handles[kState]), offsets_of(env, sequence_offsets, batch), chunk_size));
  });
}

JNIEXPORT jlong JNICALL Java_io_github_djlmamba_nativeops_NativeBindings_stateSpaceDualStep(
    JNIEnv* env, jclass, jlongArray arguments, jlong slots, jboolean delta_softplus, jdouble delta_min, jdouble delta_max) {
  return guarded(env, [&] {
    const std::vector<jlong> handles = longs_of(env, arguments);
    const StateSpaceDualArguments in = arguments_of(handles, delta_softplus, delta_min, delta_max);
    return handle_of(state_space_dual_step(in, tensor_of(handles[kState]), optional_of(slots)));
  });
}

}  // extern "C"
