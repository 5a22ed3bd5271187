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

JNIEXPORT jlongArray JNICALL Java_io_github_djlmamba_nativeops_NativeBindings_rmsNorm(
    JNIEnv* env, jclass, jlong x, jlong residual, jlong gate, jlong weight, jlong groups, jboolean gate_first, jdouble epsilon,
    jboolean bfloat16_output) {
  return guarded(env, [&] {
    RmsNormOptions options;
    options.groups = groups;
    options.gate_first = gate_first == JNI_TRUE;
    options.epsilon = epsilon;
    options.bfloat16_output = bfloat16_output == JNI_TRUE;
    auto [output, sum] = rms_norm(tensor_of(x), optional_of(residual), optional_of(gate), optional_of(weight), options);
    std::vector<at::Tensor> results = {std::move(output)};
    if (sum.has_value()) {
      results.push_back(std::move(*sum));
    }
    return handles_of(env, std::move(results));
  });
}

}  // extern "C"
