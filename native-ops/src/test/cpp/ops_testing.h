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
#include <ATen/core/dispatch/Dispatcher.h>
#include <dlfcn.h>
#include <torch/csrc/autograd/autograd.h>

#include <cstdio>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

/** What the tests of the ops share: loading the library, calling its ops by the dispatcher, and comparing tensors. */
namespace djlmamba::test {

using at::Tensor;
using Optional = std::optional<Tensor>;
using Pair = std::tuple<Tensor, Tensor>;

inline int failures = 0;

inline void check(bool condition, const std::string& what) {
  if (!condition) {
    failures++;
    std::fprintf(stderr, "FAILED: %s\n", what.c_str());
  }
}

/** Every difference must be at most tolerance times the largest expected value (or 1, if that is smaller). */
inline void check_close(const Tensor& actual, const Tensor& expected, double tolerance, const std::string& what) {
  check(actual.defined() == expected.defined(), what + ": only one is defined");
  if (!actual.defined() || !expected.defined()) {
    return;
  }
  check(actual.sizes() == expected.sizes(), what + c10::str(": shape ", actual.sizes(), "; expected ", expected.sizes()));
  if (actual.sizes() != expected.sizes() || actual.numel() == 0) {
    return;
  }
  const Tensor difference = (actual.detach().to(at::kDouble) - expected.detach().to(at::kDouble)).abs().max();
  const double largest = std::max(1.0, expected.detach().abs().max().to(at::kDouble).item<double>());
  const double error = difference.item<double>();
  check(error <= tolerance * largest, what + c10::str(": error ", error, ", largest ", largest));  // false for NaN too
}

inline void check_throws(const std::function<void()>& call, const std::string& what) {
  try {
    call();
  } catch (const c10::Error&) {
    return;
  }
  check(false, what + ": nothing was thrown");
}

/** Loads the library; the test cannot go on without. */
inline void* load(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) {
    std::fprintf(stderr, "FAILED: %s\n", dlerror());
    std::exit(1);
  }
  return library;
}

template <typename Signature>
c10::TypedOperatorHandle<Signature> op(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

inline Tensor call_linear(const Tensor& input, const Tensor& weight, const Optional& bias) {
  return op<Tensor(const Tensor&, const Tensor&, const Optional&)>("djlmamba::linear").call(input, weight, bias);
}

struct ScanArguments {
  Tensor u, delta, a, b, c;
  Optional skip, gate, delta_bias, initial_state;
  bool softplus = false;
  Optional offsets = std::nullopt;
};

inline Pair selective_scan(const ScanArguments& s) {
  using Signature = Pair(
      const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Optional&, const Optional&, const Optional&,
      const Optional&, bool, const Optional&);
  return op<Signature>("djlmamba::selective_scan")
      .call(s.u, s.delta, s.a, s.b, s.c, s.skip, s.gate, s.delta_bias, s.initial_state, s.softplus, s.offsets);
}

struct ConvArguments {
  Tensor x, weight;
  Optional bias, initial_state;
  bool silu = false;
  Optional offsets = std::nullopt;
};

inline Pair causal_conv1d(const ConvArguments& s) {
  using Signature = Pair(const Tensor&, const Tensor&, const Optional&, const Optional&, bool, const Optional&);
  return op<Signature>("djlmamba::causal_conv1d").call(s.x, s.weight, s.bias, s.initial_state, s.silu, s.offsets);
}

inline int finish() {
  std::printf("%s\n", failures == 0 ? "ok" : "failed");
  return failures == 0 ? 0 : 1;
}

/** What the main() of a test program does: loads the library that its argument names, and runs the tests. */
inline int run_tests(int count, char** arguments, std::initializer_list<void (*)()> tests) {
  if (count != 2) {
    std::fprintf(stderr, "usage: %s LIBRARY\n", arguments[0]);
    return 2;
  }
  load(arguments[1]);
  at::manual_seed(1);
  for (const auto test : tests) {
    test();
  }
  return finish();
}

}  // namespace djlmamba::test
