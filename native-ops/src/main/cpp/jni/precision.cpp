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

JNIEXPORT jlong JNICALL Java_io_github_djlmamba_nativeops_NativeBindings_enterPrecision(JNIEnv* env, jclass, jboolean bfloat16) {
  return guarded(env, [&] { return static_cast<jlong>(enter_precision(bfloat16 == JNI_TRUE)); });
}

JNIEXPORT void JNICALL Java_io_github_djlmamba_nativeops_NativeBindings_leavePrecision(JNIEnv* env, jclass, jlong before) {
  guarded(env, [&] { leave_precision(before); });
}

JNIEXPORT jboolean JNICALL Java_io_github_djlmamba_nativeops_NativeBindings_isBfloat16(JNIEnv* env, jclass, jlong array) {
  return guarded(env, [&] { return static_cast<jboolean>(tensor_of(array).scalar_type() == at::kBFloat16); });
}

JNIEXPORT jlong JNICALL Java_io_github_djlmamba_nativeops_NativeBindings_cast(JNIEnv* env, jclass, jlong array, jboolean bfloat16) {
  return guarded(env, [&] { return handle_of(cast(tensor_of(array), bfloat16 == JNI_TRUE)); });
}

}  // extern "C"
