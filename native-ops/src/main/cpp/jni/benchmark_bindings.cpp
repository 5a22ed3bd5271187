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

#include "benchmark/benchmarks.h"
#include "jni/conversions.h"

/*
 * The Java binding of the timings.
 */
namespace djlmamba {
namespace {

jlongArray longs_of(JNIEnv* env, const benchmark::Nanoseconds& times) {
  const std::vector<jlong> values(times.begin(), times.end());
  jlongArray array = env->NewLongArray(static_cast<jsize>(values.size()));
  check_pending(env);
  env->SetLongArrayRegion(array, 0, static_cast<jsize>(values.size()), values.data());
  return array;
}

}  // namespace
}  // namespace djlmamba

using namespace djlmamba;

extern "C" {

JNIEXPORT jlongArray JNICALL Java_io_github_djlmamba_nativeops_NativeBenchmarks_timeExp2(
    JNIEnv* env, jclass, jlong rounds, jint repetitions) {
  return guarded(env, [&] { return longs_of(env, benchmark::time_exp2(rounds, repetitions)); });
}

JNIEXPORT jlongArray JNICALL Java_io_github_djlmamba_nativeops_NativeBenchmarks_timeCopy(
    JNIEnv* env, jclass, jlong bytes, jint repetitions) {
  return guarded(env, [&] { return longs_of(env, benchmark::time_copy(bytes, repetitions)); });
}

JNIEXPORT jlongArray JNICALL Java_io_github_djlmamba_nativeops_NativeBenchmarks_timeRead(
    JNIEnv* env, jclass, jlong bytes, jint repetitions) {
  return guarded(env, [&] { return longs_of(env, benchmark::time_read(bytes, repetitions)); });
}

JNIEXPORT jlong JNICALL Java_io_github_djlmamba_nativeops_NativeBenchmarks_multiply(
    JNIEnv* env, jclass, jstring implementation, jlong a, jlong b) {
  return guarded(env, [&] {
    at::Tensor result = benchmark::product(text_of(env, implementation), tensor_of(a), tensor_of(b));
    return result.defined() ? handle_of(std::move(result)) : jlong{0};
  });
}

JNIEXPORT jlongArray JNICALL Java_io_github_djlmamba_nativeops_NativeBenchmarks_timeProduct(
    JNIEnv* env, jclass, jstring implementation, jlong a, jlong b, jint repetitions) {
  return guarded(
      env, [&] { return longs_of(env, benchmark::time_product(text_of(env, implementation), tensor_of(a), tensor_of(b), repetitions)); });
}

JNIEXPORT jlongArray JNICALL Java_io_github_djlmamba_nativeops_NativeBenchmarks_timeOp(
    JNIEnv* env, jclass, jstring op, jlongArray inputs, jboolean flag, jlong output_gradient, jint repetitions) {
  return guarded(env, [&] {
    std::vector<OptionalTensor> tensors;
    for (const jlong handle : longs_of(env, inputs)) {
      tensors.push_back(optional_of(handle));
    }
    return longs_of(env, benchmark::time_op(text_of(env, op), tensors, flag == JNI_TRUE, optional_of(output_gradient), repetitions));
  });
}

}  // extern "C"
