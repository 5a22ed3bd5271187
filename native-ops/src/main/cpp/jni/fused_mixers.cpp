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

/** Hands out handles in the order in which they lie in an array. */
class Handles {
 public:
  Handles(JNIEnv* env, jlongArray array, size_t expected) : handles_(longs_of(env, array)) {
    TORCH_CHECK_VALUE(handles_.size() == expected, "a fused block takes ", expected, " handles but got ", handles_.size());
  }

  const at::Tensor& tensor() { return tensor_of(handles_[next_++]); }
  OptionalTensor optional() { return optional_of(handles_[next_++]); }

 private:
  std::vector<jlong> handles_;
  size_t next_ = 0;
};

}  // namespace

extern "C" {

JNIEXPORT jlongArray JNICALL Java_io_github_djlmamba_nativeops_NativeBindings_fusedMamba(
    JNIEnv* env, jclass, jlongArray arguments, jdouble around_epsilon, jdouble around_multiplier) {
  return guarded(env, [&] {
    Handles in(env, arguments, 15);
    FusedMamba mamba;
    mamba.x = in.tensor();
    mamba.in_weight = in.tensor();
    mamba.in_bias = in.optional();
    mamba.convolution_weight = in.tensor();
    mamba.convolution_bias = in.optional();
    mamba.scan_weight = in.tensor();
    mamba.delta_weight = in.tensor();
    mamba.delta_bias = in.tensor();
    mamba.state_log = in.tensor();
    mamba.skip = in.tensor();
    mamba.out_weight = in.tensor();
    mamba.out_bias = in.optional();
    mamba.convolution_state = in.optional();
    mamba.scan_state = in.optional();
    mamba.around = {in.optional(), around_epsilon, around_multiplier};
    return handles_of(env, fused_mamba(mamba));
  });
}

JNIEXPORT jlongArray JNICALL Java_io_github_djlmamba_nativeops_NativeBindings_fusedMamba2(
    JNIEnv* env, jclass, jlongArray arguments, jlong heads, jlong groups, jboolean gate_first, jlong norm_groups, jdouble norm_epsilon,
    jdouble delta_min, jdouble delta_max, jdouble around_epsilon, jdouble around_multiplier) {
  return guarded(env, [&] {
    Handles in(env, arguments, 14);
    FusedMamba2 mamba;
    mamba.x = in.tensor();
    mamba.in_weight = in.tensor();
    mamba.in_bias = in.optional();
    mamba.convolution_weight = in.tensor();
    mamba.convolution_bias = in.optional();
    mamba.delta_bias = in.tensor();
    mamba.state_log = in.tensor();
    mamba.skip = in.tensor();
    mamba.norm_weight = in.optional();
    mamba.out_weight = in.tensor();
    mamba.out_bias = in.optional();
    mamba.convolution_state = in.optional();
    mamba.dual_state = in.optional();
    mamba.around = {in.optional(), around_epsilon, around_multiplier};
    mamba.heads = heads;
    mamba.groups = groups;
    mamba.norm = {norm_groups, gate_first == JNI_TRUE, norm_epsilon, false};
    mamba.delta_min = delta_min;
    mamba.delta_max = delta_max;
    return handles_of(env, fused_mamba2(mamba));
  });
}

}  // extern "C"
