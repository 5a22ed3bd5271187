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

extern "C" {

JNIEXPORT jlong JNICALL Java_io_github_djlmamba_nativeops_NativeBindings_causalConv1dStep(
    JNIEnv* env, jclass, jlong state, jlong x, jlong weight, jlong bias, jlong slots, jboolean silu) {
  return guarded(env, [&] {
    return handle_of(causal_conv1d_step(
        tensor_of(state), tensor_of(x), tensor_of(weight), optional_of(bias), optional_of(slots), silu == JNI_TRUE));
  });
}

}  // extern "C"
