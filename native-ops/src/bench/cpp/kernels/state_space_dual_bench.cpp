/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include <cstdlib>

#include "../../../test/cpp/kernels/state_space_dual_runner.h"
#include "benchmark/machine_loads.h"
#include "fma_rate.h"
#include "isa.h"
#include "measure.h"
#include "state_space_dual_step.h"

/**
 * Times the state space dual beside the machine's rate of fused multiply-adds, and its step beside reading and writing the states, in one run. Useful operations
 * are counted: products over the causal half of a chunk, B by C once a group, and no products with states that are zero or not wanted. Results are first
 * compared with the naive form; on a difference nothing is reported.
 *
 *   state_space_dual_bench [repetitions]
 */
namespace djlmamba::bench {
namespace {

using test::Array;
using test::Random;
using Sizes = cpu::StateSpaceDualSizes;

/** A chunk of 64, in which both passes are counted whatever they use. */
constexpr double kCountedChunk = 64;

double forward_operations(const Sizes& s) {
  const double q = kCountedChunk, chunks = static_cast<double>(s.length) / q, half = q * (q + 1);
  const double head = 4 * q * s.states * s.head_size * (chunks - 1) + chunks * half * s.head_size;
  return s.batch * (s.heads * head + s.groups * chunks * half * s.states);
}

double backward_operations(const Sizes& s) {
  const double q = kCountedChunk, chunks = static_cast<double>(s.length) / q, half = q * (q + 1);
  const double head = 10 * q * s.states * s.head_size * (chunks - 1) + 2 * chunks * half * s.head_size;
  return s.batch * (s.heads * head + s.groups * 3 * chunks * half * s.states);
}

/** Numbers as the initialisation of Mamba-2 leaves them: A uniform in -[1, 16], delta' log-uniform in [0.001, 0.1]. */
test::NaiveDual make_dual(const Sizes& sizes) {
  Random random(1);
  test::NaiveDual s;
  s.sizes = sizes;
  const int64_t tokens = sizes.batch * sizes.length;
  s.x = random.array(tokens * sizes.heads * sizes.head_size, -1, 1);
  for (int64_t i = 0; i < tokens * sizes.heads; ++i) s.delta.push_back(static_cast<float>(std::exp(random.uniform(std::log(0.001), std::log(0.1)))));
  s.a = random.array(sizes.heads, -16, -1);
  s.b = random.array(tokens * sizes.groups * sizes.states, -1, 1);
  s.c = random.array(tokens * sizes.groups * sizes.states, -1, 1);
  s.skip = random.array(sizes.heads, -1, 1);
  return s;
}

template <typename X>
void check_dual(Sizes sizes) {
  sizes.length = std::min<int64_t>(sizes.length, 130);
  sizes.heads = sizes.groups;
  const test::NaiveDual s = make_dual(sizes);
  Random random(2);
  const Array d_out = random.array(static_cast<int64_t>(s.x.size()), -1, 1);
  test::DualRunner<float, X> run(s, {}, 2);
  run.forward();
  run.backward(d_out, {});
  const test::NaiveDualGradients g = test::naive_dual_backward(s, d_out, {});
  const double tolerance = std::is_same_v<X, float> ? 2e-5 : 3e-2;
  test::check_close(run.out.values.get(), test::naive_dual(s).out, tolerance, "out");
  test::check_close(run.d_x.values.get(), g.x, tolerance, "d_x");
  test::check_close(run.d_delta.values.get(), g.delta, tolerance, "d_delta");
  test::check_close(run.d_a, g.a, tolerance, "d_a");
  test::check_close(run.d_b.values.get(), g.b, tolerance, "d_b");
  test::check_close(run.d_c.values.get(), g.c, tolerance, "d_c");
  if (test::failures > 0) std::exit(1);
}

template <typename X>
void bench_dual(const Sizes& sizes, int repetitions) {
  check_dual<X>(sizes);
  const auto& kernels = cpu::state_space_dual_kernels<float, X>();
  const auto plan = kernels.plan(sizes);
  const test::NaiveDual s = make_dual(sizes);
  Random random(3);
  const Array d_out = random.array(static_cast<int64_t>(s.x.size()), -1, 1);
  test::DualRunner<float, X> run(s, {});
  run.forward();
  run.backward(d_out, {});
  cpu::StateSpaceDualForward<float, X> f;
  f.in = run.inputs();
  f.out = run.out.grouped(sizes.heads);
  cpu::StateSpaceDualBackward<float, X> b;
  b.in = f.in;
  b.d_out = test::read(run.d_out.grouped(sizes.heads));
  b.workspace = run.workspace.data();
  b.d_x = run.d_x.grouped(sizes.heads);
  b.d_delta = run.d_delta.sequence();
  b.d_a = run.d_a.data();
  b.d_b = run.d_b.grouped(sizes.groups);
  b.d_c = run.d_c.grouped(sizes.groups);
  b.d_skip = {run.d_skip.data(), run.d_skip.row_stride};
  char shape[100];
  std::snprintf(shape, sizeof shape, "L%lld H%lld P%lld N%lld G%lld%s chunk %lld", static_cast<long long>(sizes.length), static_cast<long long>(sizes.heads),
                static_cast<long long>(sizes.head_size), static_cast<long long>(sizes.states), static_cast<long long>(sizes.groups),
                std::is_same_v<X, float> ? "" : " bf16", static_cast<long long>(sizes.chunk));
  for (int threads : {1, 2}) {
    const double rate = fma_rate(threads);
    const auto line = [&](const char* name, double operations, const Times& times) {
      char text[100];
      std::snprintf(text, sizeof text, "(%.0f of %.0f GFLOP/s)", operations / times.median / 1e9, rate / 1e9);
      report(name, shape, threads, times, operations / rate, text);
    };
    line("dual forward", forward_operations(sizes), measure(repetitions, [&] {
           run_blocks(threads, plan.forward_blocks, [&](int64_t begin, int64_t end) { kernels.forward(f, begin, end); });
         }));
    line("dual backward", backward_operations(sizes), measure(repetitions, [&] {
           run_blocks(threads, plan.backward_blocks, [&](int64_t begin, int64_t end) { kernels.backward(b, begin, end); });
           run_blocks(threads, plan.backward_reduce_blocks, [&](int64_t begin, int64_t end) { kernels.backward_reduce(b, begin, end); });
         }));
  }
}

void bench_step(const cpu::StateSpaceDualStepSizes& sizes, int repetitions) {
  const auto& kernels = cpu::state_space_dual_step_kernels<float, float>();
  const auto plan = kernels.plan(sizes);
  const int64_t elements = sizes.rows * sizes.heads * sizes.head_size * sizes.states;
  const test::NaiveDual s = make_dual({sizes.rows, 1, sizes.heads, sizes.head_size, sizes.states, sizes.groups, 1, 0});
  test::DualRunner<float> run(s, {});
  run.out = test::Activations<float, float>(sizes.rows, sizes.heads, sizes.head_size, {});
  std::vector<float> state(elements, 0.0f);
  cpu::StateSpaceDualStep<float, float> f;
  f.sizes = sizes;
  f.x = test::read(run.x.batched_matrix());
  f.delta = {run.delta.raw.data(), sizes.heads};
  f.a = run.a.data();
  f.b = test::read(run.b.batched_matrix());
  f.c = test::read(run.c.batched_matrix());
  f.skip = {run.skip.data(), 1};
  f.state = {state.data(), sizes.heads * sizes.head_size * sizes.states, 0, sizes.head_size * sizes.states, sizes.states};
  f.out = run.out.batched_matrix();
  kernels.step(f, 0, plan.blocks);
  test::check_close(run.out.received().get(), test::naive_dual(s).out, 1e-5, "step out");
  if (test::failures > 0) std::exit(1);
  char shape[100];
  std::snprintf(shape, sizeof shape, "B%lld H%lld P%lld N%lld", static_cast<long long>(sizes.rows), static_cast<long long>(sizes.heads),
                static_cast<long long>(sizes.head_size), static_cast<long long>(sizes.states));
  for (int threads : {1, 2}) {
    benchmark::CopyLoad load(elements * static_cast<int64_t>(sizeof(float)));
    const double copy = measure(repetitions, [&] {
                          load.run([&](int64_t blocks, const std::function<void(int64_t, int64_t)>& function) { run_blocks(threads, blocks, function); });
                        }).median;
    load.check();
    report("dual step", shape, threads, measure(repetitions, [&] {
             run_blocks(threads, plan.blocks, [&](int64_t begin, int64_t end) { kernels.step(f, begin, end); });
           }),
           copy, "(copy of the states)");
  }
}

}  // namespace
}  // namespace djlmamba::bench

int main(int argc, char** argv) {
  const int repetitions = argc > 1 ? std::max(1, std::atoi(argv[1])) : 15;
  std::printf("instruction set: %s\n", djlmamba::cpu::isa_name());
  for (int64_t chunk : {0, 1, 32, 64, 128, 256}) djlmamba::bench::bench_dual<float>({1, 2048, 24, 64, 128, 1, 1, chunk}, repetitions);
  djlmamba::bench::bench_dual<djlmamba::cpu::BFloat16>({1, 2048, 24, 64, 128, 1, 1, 0}, repetitions);
  djlmamba::bench::bench_dual<float>({1, 2048, 24, 64, 16, 1, 1, 0}, repetitions);
  djlmamba::bench::bench_dual<float>({1, 2048, 8, 128, 128, 8, 1, 0}, repetitions);
  djlmamba::bench::bench_step({1, 24, 64, 128, 1}, repetitions);
  djlmamba::bench::bench_step({64, 24, 64, 128, 1}, repetitions);
  return 0;
}
