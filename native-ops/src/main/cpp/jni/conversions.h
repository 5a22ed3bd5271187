/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include <ATen/ATen.h>
#include <jni.h>

#include <string>
#include <vector>

#include "ops/ops.h"

/** What every function of the Java binding shares: exceptions, and handles as tensors. */
namespace djlmamba {

/** Thrown when a Java exception is pending already. */
struct JavaException {};

inline void throw_java(JNIEnv* env, const char* type, const char* message) {
  if (env->ExceptionCheck()) {
    return;
  }
  jclass exception = env->FindClass(type);
  if (exception != nullptr) {
    env->ThrowNew(exception, message);
    env->DeleteLocalRef(exception);
  }
}

/** Calls the function; what it throws becomes a Java exception, and the result empty. */
template <typename Function>
auto guarded(JNIEnv* env, Function&& function) -> decltype(function()) {
  constexpr const char* kEngineException = "ai/djl/engine/EngineException";
  try {
    return function();
  } catch (const JavaException&) {
    // Left pending.
  } catch (const c10::ValueError& e) {
    throw_java(env, "java/lang/IllegalArgumentException", e.what_without_backtrace());
  } catch (const c10::NotImplementedError& e) {
    throw_java(env, "java/lang/UnsupportedOperationException", e.what_without_backtrace());
  } catch (const c10::Error& e) {
    throw_java(env, kEngineException, e.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    throw_java(env, kEngineException, "out of native memory");
  } catch (const std::exception& e) {
    throw_java(env, kEngineException, e.what());
  } catch (...) {
    throw_java(env, kEngineException, "unknown native exception");
  }
  return decltype(function())();
}

inline void check_pending(JNIEnv* env) {
  if (env->ExceptionCheck()) {
    throw JavaException();
  }
}

inline const at::Tensor& tensor_of(jlong handle) {
  TORCH_CHECK_VALUE(handle != 0 && handle != -1, "a native handle is null: the array is closed, or holds no numbers");
  return *reinterpret_cast<const at::Tensor*>(handle);
}

inline OptionalTensor optional_of(jlong handle) {
  return handle == 0 ? std::nullopt : OptionalTensor(tensor_of(handle));
}

inline std::vector<jlong> longs_of(JNIEnv* env, jlongArray array) {
  TORCH_CHECK_VALUE(array != nullptr, "an array of handles is null");
  std::vector<jlong> values(env->GetArrayLength(array));
  env->GetLongArrayRegion(array, 0, static_cast<jsize>(values.size()), values.data());
  check_pending(env);
  return values;
}

inline std::vector<at::Tensor> tensors_of(JNIEnv* env, jlongArray array) {
  std::vector<at::Tensor> tensors;
  for (const jlong handle : longs_of(env, array)) {
    tensors.push_back(tensor_of(handle));
  }
  return tensors;
}

/** The offsets of packed sequences, row after row, as a tensor (batch, sequences + 1); none for null. */
inline OptionalTensor offsets_of(JNIEnv* env, jlongArray offsets, int64_t batch) {
  if (offsets == nullptr) {
    return std::nullopt;
  }
  const std::vector<jlong> values = longs_of(env, offsets);
  const auto count = static_cast<int64_t>(values.size());
  TORCH_CHECK_VALUE(batch > 0 ? count % batch == 0 : count == 0, count, " offsets of packed sequences do not fit a batch of ", batch);
  at::Tensor tensor = at::empty({batch, batch > 0 ? count / batch : 2}, at::kLong);
  std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<int64_t>());
  return tensor;
}

/** The offsets for the rows of a tensor (B, ...). */
inline OptionalTensor offsets_of(JNIEnv* env, jlongArray offsets, const at::Tensor& rows) {
  return offsets_of(env, offsets, rows.dim() == 0 ? 0 : rows.size(0));
}

inline jstring string_of(JNIEnv* env, const std::string& text) { return env->NewStringUTF(text.c_str()); }

inline std::string text_of(JNIEnv* env, jstring text) {
  TORCH_CHECK_VALUE(text != nullptr, "a text is null");
  const char* characters = env->GetStringUTFChars(text, nullptr);
  check_pending(env);
  std::string result(characters);
  env->ReleaseStringUTFChars(text, characters);
  return result;
}

/** A handle that the caller owns. */
inline jlong handle_of(at::Tensor&& tensor) {
  return reinterpret_cast<jlong>(new at::Tensor(std::move(tensor)));
}

/** Handles that the caller owns, in a new Java array. */
inline jlongArray handles_of(JNIEnv* env, std::vector<at::Tensor>&& tensors) {
  const auto count = static_cast<jsize>(tensors.size());
  jlongArray array = env->NewLongArray(count);
  check_pending(env);
  std::vector<jlong> handles;
  try {
    for (at::Tensor& tensor : tensors) {
      handles.push_back(0);
      handles.back() = handle_of(std::move(tensor));
    }
    env->SetLongArrayRegion(array, 0, count, handles.data());
    check_pending(env);
  } catch (...) {
    for (const jlong handle : handles) {
      delete reinterpret_cast<at::Tensor*>(handle);
    }
    throw;
  }
  return array;
}

/** The same of two tensors. */
inline jlongArray handles_of(JNIEnv* env, std::tuple<at::Tensor, at::Tensor>&& tensors) {
  return handles_of(env, std::vector<at::Tensor>{std::move(std::get<0>(tensors)), std::move(std::get<1>(tensors))});
}

}  // namespace djlmamba
