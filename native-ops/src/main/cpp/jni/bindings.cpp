/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include <ATen/ATen.h>
#include <jni.h>

#include <string>
#include <vector>

#include "jni/conversions.h"
#include "ops/ops.h"

/*
 * The Java binding: handles in, handles out. A handle is the address of an at::Tensor; those that come in are borrowed, those that go out
 * belong to the caller. A handle of 0 is an argument that is left out. Every C++ exception becomes a Java one.
 */
using namespace djlmamba;

extern "C" {

JNIEXPORT jstring JNICALL Java_io_github_djlmamba_nativeops_NativeBindings_runningLibtorchVersion(JNIEnv* env, jclass) {
  return guarded(env, [&] { return string_of(env, running_libtorch_version()); });
}

JNIEXPORT jstring JNICALL Java_io_github_djlmamba_nativeops_NativeBindings_instructionSet(JNIEnv* env, jclass) {
  return guarded(env, [&] { return string_of(env, instruction_set()); });
}

JNIEXPORT jlongArray JNICALL Java_io_github_djlmamba_nativeops_NativeBindings_selectiveScan(
    JNIEnv* env, jclass, jlong u, jlong delta, jlong a, jlong b, jlong c, jlong skip, jlong gate, jlong delta_bias, jlong initial_state,
    jboolean delta_softplus, jlongArray offsets) {
  return guarded(env, [&] {
    return handles_of(
        env,
        selective_scan(
            tensor_of(u), tensor_of(delta), tensor_of(a), tensor_of(b), tensor_of(c), optional_of(skip), optional_of(gate),
            optional_of(delta_bias), optional_of(initial_state), delta_softplus == JNI_TRUE, offsets_of(env, offsets, tensor_of(u))));
  });
}

JNIEXPORT jlongArray JNICALL Java_io_github_djlmamba_nativeops_NativeBindings_causalConv1d(
    JNIEnv* env, jclass, jlong x, jlong weight, jlong bias, jlong initial_state, jboolean silu,
    jlongArray offsets) {
  return guarded(env, [&] {
    return handles_of(
        env,
        causal_conv1d(
            tensor_of(x), tensor_of(weight), optional_of(bias), optional_of(initial_state), silu == JNI_TRUE,
            offsets_of(env, offsets, tensor_of(x))));
  });
}

JNIEXPORT jdouble JNICALL Java_io_github_djlmamba_nativeops_NativeBindings_adamStep(
    JNIEnv* env, jclass, jlongArray parameters, jlongArray first_moments, jlongArray second_moments, jbooleanArray decay, jlong step,
    jdouble learning_rate, jdouble beta1, jdouble beta2, jdouble epsilon, jdouble weight_decay, jboolean decoupled,
    jdouble max_gradient_norm, jdouble gradient_scale) {
  return guarded(env, [&] {
    TORCH_CHECK_VALUE(decay != nullptr, "the array of decay flags is null");
    std::vector<jboolean> flags(env->GetArrayLength(decay));
    env->GetBooleanArrayRegion(decay, 0, static_cast<jsize>(flags.size()), flags.data());
    check_pending(env);
    AdamOptions options;
    options.step = step;
    options.learning_rate = learning_rate;
    options.beta1 = beta1;
    options.beta2 = beta2;
    options.epsilon = epsilon;
    options.weight_decay = weight_decay;
    options.decoupled = decoupled == JNI_TRUE;
    options.max_gradient_norm = max_gradient_norm;
    options.gradient_scale = gradient_scale;
    return static_cast<jdouble>(adam_step(
        tensors_of(env, parameters), tensors_of(env, first_moments), tensors_of(env, second_moments),
        std::vector<bool>(flags.begin(), flags.end()), options));
  });
}

}  // extern "C"
