/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "benchmark/benchmarks.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include <chrono>
#include <functional>

#include "benchmark/brgemm_product.h"
#include "benchmark/machine_loads.h"

namespace djlmamba::benchmark {
namespace {

using at::Tensor;

void parallel(int64_t blocks, const std::function<void(int64_t, int64_t)>& function) {
  at::parallel_for(0, blocks, 1, function);
}

/** Times run() after prepare(), which is not timed. */
Nanoseconds time(int64_t repetitions, const std::function<void()>& prepare, const std::function<void()>& run) {
  TORCH_CHECK_VALUE(repetitions >= 1, "the number of repetitions is ", repetitions, "; expected at least 1");
  Nanoseconds times;
  for (int64_t repetition = -1; repetition < repetitions; repetition++) {
    prepare();
    const auto start = std::chrono::steady_clock::now();
    run();
    const auto elapsed = std::chrono::steady_clock::now() - start;
    if (repetition >= 0) {
      times.push_back(std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count());
    }
  }
  return times;
}

Tensor run_op(const std::string& op, const std::vector<OptionalTensor>& inputs, bool flag) {
  const auto required = [&](size_t index) -> const Tensor& {
    TORCH_CHECK_VALUE(index < inputs.size() && inputs[index].has_value(), op, " lacks input ", index);
    return *inputs[index];
  };
  const auto optional = [&](size_t index) { return index < inputs.size() ? inputs[index] : std::nullopt; };
  if (op == "selective_scan") {
    return std::get<0>(selective_scan(
        required(0), required(1), required(2), required(3), required(4), optional(5), optional(6), optional(7), optional(8), flag, std::nullopt));
  }
  if (op == "causal_conv1d") {
    return std::get<0>(causal_conv1d(required(0), required(1), optional(2), optional(3), flag, std::nullopt));
  }
  TORCH_CHECK_VALUE(op == "linear", "there is no timing of the op ", op);
  return djlmamba::linear(required(0), required(1), optional(2));
}

template <typename Load>
Nanoseconds time_memory(int64_t bytes, int64_t repetitions) {
  TORCH_CHECK_VALUE(bytes >= 1, "the number of bytes is ", bytes, "; expected at least 1");
  Load load(bytes);
  Nanoseconds times = time(repetitions, [] {}, [&] { load.run(parallel); });
  load.check();
  return times;
}

}  // namespace

Nanoseconds time_exp2(int64_t rounds, int64_t repetitions) {
  TORCH_CHECK_VALUE(rounds >= 1, "the number of rounds is ", rounds, "; expected at least 1");
  Exp2Load load(at::get_num_threads(), rounds);
  Nanoseconds times = time(repetitions, [] {}, [&] { load.run(parallel); });
  load.check();
  return times;
}

Nanoseconds time_copy(int64_t bytes, int64_t repetitions) { return time_memory<CopyLoad>(bytes, repetitions); }

Nanoseconds time_read(int64_t bytes, int64_t repetitions) { return time_memory<ReadLoad>(bytes, repetitions); }

Tensor product(const std::string& implementation, const Tensor& a, const Tensor& b) {
  at::NoGradGuard no_grad;
  if (implementation == "brgemm") {
    BrgemmProduct brgemm(a, b);
    brgemm.run();
    return brgemm.result();
  }
  return linear_product(implementation, a, b);
}

Nanoseconds time_product(const std::string& implementation, const Tensor& a, const Tensor& b, int64_t repetitions) {
  at::NoGradGuard no_grad;
  if (implementation == "brgemm") {
    BrgemmProduct brgemm(a, b);
    return time(repetitions, [] {}, [&] { brgemm.run(); });
  }
  if (!linear_product(implementation, a, b).defined()) {
    return {};
  }
  Tensor result;
  return time(repetitions, [&] { result.reset(); }, [&] { result = linear_product(implementation, a, b); });
}

Nanoseconds time_op(
    const std::string& op, const std::vector<OptionalTensor>& inputs, bool flag, const OptionalTensor& output_gradient, int64_t repetitions) {
  if (!output_gradient.has_value()) {
    at::NoGradGuard no_grad;
    // The result is released within the time, as a Java call closes it.
    return time(repetitions, [] {}, [&] { run_op(op, inputs, flag); });
  }
  at::AutoGradMode with_grad(true);
  std::vector<OptionalTensor> leaves;
  Tensor output;
  return time(
      repetitions,
      [&] {
        output.reset();
        leaves.clear();
        for (const OptionalTensor& input : inputs) {
          leaves.push_back(input.has_value() ? OptionalTensor(input->detach().set_requires_grad(true)) : std::nullopt);
        }
        output = run_op(op, leaves, flag);
      },
      [&] { torch::autograd::backward({output}, {*output_gradient}, false, false); });
}

}  // namespace djlmamba::benchmark
