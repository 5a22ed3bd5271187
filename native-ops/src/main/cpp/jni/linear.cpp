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

JNIEXPORT jstring JNICALL Java_io_github_djlmamba_nativeops_NativeBindings_linearChoice(JNIEnv* env, jclass) {
  return guarded(env, [&] { return string_of(env, linear_choice()); });
}

JNIEXPORT jlong JNICALL Java_io_github_djlmamba_nativeops_NativeBindings_linear(
    JNIEnv* env, jclass, jlong input, jlong weight, jlong bias) {
  return guarded(env, [&] { return handle_of(djlmamba::linear(tensor_of(input), tensor_of(weight), optional_of(bias))); });
}

JNIEXPORT jboolean JNICALL Java_io_github_djlmamba_nativeops_NativeBindings_repeatLinearChoice(JNIEnv* env, jclass, jstring choice) {
  return guarded(env, [&] { return static_cast<jboolean>(repeat_linear_choice(text_of(env, choice))); });
}

}  // extern "C"
