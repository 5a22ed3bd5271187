/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include <cstdlib>

#include "../../../test/cpp/kernels/rows.h"
#include "benchmark/machine_loads.h"
#include "causal_conv1d.h"
#include "causal_conv1d_step.h"
#include "gated_product.h"
#include "isa.h"
#include "rms_norm.h"
#include "rotary_embedding.h"
#include "selective_scan_step.h"
#include "measure.h"

/**
 * Times the CPU kernels beside the rate that bounds them, in one run: the scan beside the machine's rate of vector exponentials, the others beside a
 * copy of the bytes they must move. Each result is first compared with the naive form; on a difference nothing is reported.
 *
 *   kernels_bench [repetitions]
 */
namespace djlmamba::bench {
namespace {

using test::Array;
using test::Random;

benchmark::Parallel on_threads(int threads) {
  return [threads](int64_t blocks, const std::function<void(int64_t, int64_t)>& function) { run_blocks(threads, blocks, function); };
}

/** Exponentials per second of all threads together. */
double exp2_rate(int threads) {
  benchmark::Exp2Load load(threads, 2000);
  const double best = measure(9, [&] { load.run(on_threads(threads)); }).best;
  load.check();
  return load.exponentials() / best;
}

/** Seconds to copy an array of that many bytes. */
double copy_seconds(int threads, int64_t bytes, int repetitions) {
  benchmark::CopyLoad load(bytes);
  const double median = measure(repetitions, [&] { load.run(on_threads(threads)); }).median;
  load.check();
  return median;
}

/**
 * Numbers as the initialisation of Mamba leaves them: A is -1, -2, ... -N, and softplus(delta + delta_bias) log-uniform in [0.001, 0.1], the range that the
 * bias is drawn from there; here every step has a draw of its own.
 */
test::NaiveScan make_scan(const cpu::SelectiveScanSizes& sizes) {
  Random random(1);
  test::NaiveScan s;
  s.sizes = sizes;
  const int64_t sequence = sizes.batch * sizes.length * sizes.channels;
  const int64_t grouped = sizes.batch * sizes.length * sizes.groups * sizes.states;
  s.u = random.array(sequence, -1, 1);
  s.softplus = true;
  s.delta_bias = random.array(sizes.channels, -1, 0);
  for (int64_t i = 0; i < sequence; ++i) {
    const double delta = std::exp(random.uniform(std::log(0.001), std::log(0.1)));
    s.delta.push_back(static_cast<float>(std::log(std::expm1(delta)) - s.delta_bias[i % sizes.channels]));
  }
  for (int64_t d = 0; d < sizes.channels; ++d) {
    for (int64_t n = 0; n < sizes.states; ++n) s.a.push_back(static_cast<double>(-(n + 1)));
  }
  s.b = random.array(grouped, -1, 1);
  s.c = random.array(grouped, -1, 1);
  s.skip = random.array(sizes.channels, -1, 1);
  s.z = random.array(sequence, -2, 2);
  return s;
}

void check_scan(cpu::SelectiveScanSizes sizes) {
  sizes.batch = std::min<int64_t>(sizes.batch, 2);
  sizes.length = std::min<int64_t>(sizes.length, 50);
  const test::NaiveScan s = make_scan(sizes);
  Random random(2);
  const Array d_out = random.array(static_cast<int64_t>(s.u.size()), -1, 1);
  test::ScanRunner<float> run(s, {}, 2);
  run.forward();
  run.backward(d_out, {});
  const test::NaiveScanGradients g = test::naive_scan_backward(s, d_out, {});
  test::check_close(run.out.get(), test::naive_scan(s).out, 1e-5, "scan out");
  test::check_close(run.d_u.get(), g.u, 1e-5, "scan d_u");
  test::check_close(run.d_delta.get(), g.delta, 1e-5, "scan d_delta");
  test::check_close(run.d_a.get(), g.a, 2e-5, "scan d_a");
  test::check_close(run.d_b.get(), g.b, 2e-5, "scan d_b");
  test::check_close(run.d_c.get(), g.c, 2e-5, "scan d_c");
  test::check_close(run.d_z.get(), g.z, 1e-5, "scan d_z");
  if (test::failures > 0) std::exit(1);
}

void bench_scan(const cpu::SelectiveScanSizes& sizes, int repetitions) {
  check_scan(sizes);
  const auto& kernels = cpu::selective_scan_kernels<float>();
  const auto plan = kernels.plan(sizes);
  const test::NaiveScan s = make_scan(sizes);
  char shape[80];
  std::snprintf(shape, sizeof shape, "B%lld L%lld D%lld N%lld", static_cast<long long>(sizes.batch), static_cast<long long>(sizes.length),
                static_cast<long long>(sizes.channels), static_cast<long long>(sizes.states));
  Random random(3);
  const Array d_out = random.array(static_cast<int64_t>(s.u.size()), -1, 1);
  for (bool options : {true, false}) {
    test::ScanRunner<float> run(s, {});
    run.forward();
    run.backward(d_out, {});
    cpu::SelectiveScanInputs<float> in = run.inputs();
    if (!options) {
      for (int64_t i = 0; i < static_cast<int64_t>(s.delta.size()); ++i) {
        run.delta.buffer[i] = static_cast<float>(test::naive_softplus(s.delta[i] + s.delta_bias[i % sizes.channels]));
      }
      in.softplus = false;
      in.delta_bias = nullptr;
      in.skip = nullptr;
      in.z = {};
    }
    cpu::SelectiveScanForward<float> f;
    f.in = in;
    f.out = run.out.sequence();
    cpu::SelectiveScanBackward<float> b;
    b.in = in;
    b.d_out = test::read(run.d_out.sequence());
    b.checkpoints = run.checkpoints.data();
    b.workspace = run.workspace.data();
    b.d_u = run.d_u.sequence();
    b.d_delta = run.d_delta.sequence();
    b.d_a = run.d_a.matrix();
    b.d_b = {run.d_b.data(), run.d_b.batch_stride, run.d_b.row_stride, run.d_b.row_stride};
    b.d_c = {run.d_c.data(), run.d_c.batch_stride, run.d_c.row_stride, run.d_c.row_stride};
    if (options) {
      b.d_skip = run.d_skip.data();
      b.d_z = run.d_z.sequence();
      b.d_delta_bias = run.d_delta_bias.data();
    }
    for (int threads : {1, 2}) {
      const double rate = exp2_rate(threads);
      const double bound = static_cast<double>(sizes.batch * sizes.length * sizes.channels * sizes.states) / rate;
      char text[80];
      std::snprintf(text, sizeof text, "(exp2 %.2f G/s)", rate / 1e9);
      const std::string suffix = options ? "" : " plain";
      const auto forward = [&] {
        run_blocks(threads, plan.forward_blocks, [&](int64_t begin, int64_t end) { kernels.forward(f, begin, end); });
      };
      f.checkpoints = nullptr;
      report(("scan forward" + suffix).c_str(), shape, threads, measure(repetitions, forward), bound, text);
      f.checkpoints = run.checkpoints.data();
      report(("scan forward, checkpoints" + suffix).c_str(), shape, threads, measure(repetitions, forward), bound, text);
      report(("scan backward" + suffix).c_str(), shape, threads, measure(repetitions, [&] {
               run_blocks(threads, plan.backward_blocks, [&](int64_t begin, int64_t end) { kernels.backward(b, begin, end); });
               run_blocks(threads, plan.backward_reduce_blocks, [&](int64_t begin, int64_t end) { kernels.backward_reduce(b, begin, end); });
             }),
             bound, text);
    }
  }
}

void bench_conv(const cpu::CausalConv1dSizes& sizes, int repetitions) {
  const auto& kernels = cpu::causal_conv1d_kernels<float>();
  const auto plan = kernels.plan(sizes);
  const int64_t count = sizes.batch * sizes.length * sizes.channels;
  Random random(4);
  const auto make = [&](int64_t n) {
    const Array values = random.array(n, -1, 1);
    return std::vector<float>(values.begin(), values.end());
  };
  const std::vector<float> x = make(count), weight = make(sizes.channels * sizes.width), bias = make(sizes.channels), d_out = make(count);
  std::vector<float> out(x.size()), d_x(x.size()), d_weight(weight.size()), d_bias(bias.size()), workspace(plan.backward_workspace_elements);
  const int64_t batch_stride = sizes.length * sizes.channels;
  cpu::CausalConv1dForward<float> f;
  f.in.sizes = sizes;
  f.in.x = {x.data(), batch_stride, sizes.channels};
  f.in.weight = {weight.data(), sizes.width};
  f.in.bias = bias.data();
  f.in.silu = true;
  f.out = {out.data(), batch_stride, sizes.channels};
  cpu::CausalConv1dBackward<float> b;
  b.in = f.in;
  b.d_out = {d_out.data(), batch_stride, sizes.channels};
  b.workspace = workspace.data();
  b.d_x = {d_x.data(), batch_stride, sizes.channels};
  b.d_weight = {d_weight.data(), sizes.width};
  b.d_bias = d_bias.data();
  kernels.forward(f, 0, plan.forward_blocks);
  Array expected;
  for (int64_t t = 0; t < std::min<int64_t>(sizes.length, 64); ++t) {
    for (int64_t d = 0; d < sizes.channels; ++d) {
      double y = bias[d];
      for (int64_t k = 0; k < sizes.width; ++k) {
        const int64_t from = t - sizes.width + 1 + k;
        if (from >= 0) y += static_cast<double>(weight[d * sizes.width + k]) * x[from * sizes.channels + d];
      }
      expected.push_back(y * test::naive_sigmoid(y));
    }
  }
  test::check_close(std::vector<float>(out.begin(), out.begin() + static_cast<int64_t>(expected.size())), expected, 1e-6, "convolution");
  if (test::failures > 0) std::exit(1);
  char shape[80];
  std::snprintf(shape, sizeof shape, "B%lld L%lld D%lld W%lld", static_cast<long long>(sizes.batch), static_cast<long long>(sizes.length),
                static_cast<long long>(sizes.channels), static_cast<long long>(sizes.width));
  for (int threads : {1, 2}) {
    const double copy = copy_seconds(threads, count * static_cast<int64_t>(sizeof(float)), repetitions);
    report("conv1d forward", shape, threads,
           measure(repetitions,
                   [&] { run_blocks(threads, plan.forward_blocks, [&](int64_t begin, int64_t end) { kernels.forward(f, begin, end); }); }),
           copy, "(copy of x)");
    report("conv1d backward", shape, threads, measure(repetitions, [&] {
             run_blocks(threads, plan.backward_blocks, [&](int64_t begin, int64_t end) { kernels.backward(b, begin, end); });
             run_blocks(threads, plan.backward_reduce_blocks, [&](int64_t begin, int64_t end) { kernels.backward_reduce(b, begin, end); });
           }),
           1.5 * copy, "(1.5 copies of x)");
  }
}

template <typename X>
std::vector<X> numbers(int64_t count, uint64_t seed) {
  Random random(seed);
  std::vector<X> values;
  for (double v : random.array(count, -1, 1)) values.push_back(test::stored(v, X()));
  return values;
}

/** The largest difference from the naive form of some rows, as a part of the largest value; on one beyond the tolerance nothing is reported. */
template <typename X>
void check_rows(const std::vector<X>& actual, const Array& expected, const char* what) {
  Array rows;
  for (size_t i = 0; i < expected.size(); ++i) rows.push_back(test::widened(actual[i]));
  test::check_close(rows, expected, sizeof(X) == 2 ? 0x1p-7 : 1e-5, what);
  if (test::failures > 0) std::exit(1);
}

/** The norm beside a copy of what it must move: plain; in groups after the gate, as in Mamba-2; with the residual in float. */
template <typename X>
void bench_norm(int64_t rows, int64_t channels, int repetitions) {
  const auto& kernels = cpu::rms_norm_kernels<float, X, X>();
  const int64_t count = rows * channels;
  const std::vector<X> x = numbers<X>(count, 5), gate = numbers<X>(count, 6), d_out = numbers<X>(count, 7);
  const std::vector<float> residual = numbers<float>(count, 8), weight = numbers<float>(channels, 9);
  std::vector<X> out(x), d_x(x), d_gate(x);
  std::vector<float> sum(residual), d_residual(residual), d_weight(weight);
  for (const char* form : {"", "gated ", "residual "}) {
    cpu::RmsNormForward<float, X, X> f;
    f.in.sizes = {1, rows, channels, 1};
    f.in.x = {x.data(), count, channels};
    f.in.weight = weight.data();
    f.in.epsilon = 1e-5f;
    f.out = {out.data(), count, channels};
    int64_t bytes = 2 * static_cast<int64_t>(sizeof(X)), backward_bytes = 3 * static_cast<int64_t>(sizeof(X));
    cpu::RmsNormBackward<float, X, X> b;
    if (form[0] == 'g') {
      f.in.order = cpu::RmsNormGate::kFirst;
      f.in.gate = {gate.data(), count, channels};
      b.d_gate = {d_gate.data(), count, channels};
      bytes += static_cast<int64_t>(sizeof(X));
      backward_bytes += 2 * static_cast<int64_t>(sizeof(X));
    } else if (form[0] == 'r') {
      f.in.residual = {residual.data(), count, channels};
      f.sum = {sum.data(), count, channels};
      bytes += 2 * static_cast<int64_t>(sizeof(float));
    }
    b.in = f.in;
    b.d_out = {d_out.data(), count, channels};
    b.d_x = {d_x.data(), count, channels};
    b.d_weight = d_weight.data();
    if (form[0] == 'r') {
      /* As the op runs it: from the sum, whose gradient comes in and that of both terms goes out. */
      b.in.x = {};
      b.in.residual = {sum.data(), count, channels};
      b.d_sum = {residual.data(), count, channels};
      if (sizeof(X) != sizeof(float)) b.d_residual = {d_residual.data(), count, channels};
      backward_bytes += static_cast<int64_t>(sizeof(X) == sizeof(float) ? sizeof(float) : 2 * sizeof(float) + sizeof(float) - sizeof(X));
    }
    const cpu::RmsNormPlan plan = kernels.plan(f.in.sizes);
    std::vector<float> workspace(static_cast<size_t>(plan.backward_workspace_elements));
    b.workspace = workspace.data();
    kernels.forward(f, 0, plan.forward_blocks);
    Array expected;
    for (int64_t row = 0; row < 8; ++row) {
      Array u;
      double squares = 0;
      for (int64_t i = row * channels; i < (row + 1) * channels; ++i) {
        const double z = test::widened(gate[i]);
        u.push_back((test::widened(x[i]) + (form[0] == 'r' ? residual[i] : 0)) * (form[0] == 'g' ? z * test::naive_sigmoid(z) : 1));
        squares += u.back() * u.back();
      }
      for (int64_t d = 0; d < channels; ++d) expected.push_back(u[d] / std::sqrt(squares / static_cast<double>(channels) + 1e-5) * weight[d]);
    }
    check_rows(out, expected, "RMS norm");
    char shape[80], name[80];
    std::snprintf(shape, sizeof shape, "L%lld D%lld %s", static_cast<long long>(rows), static_cast<long long>(channels), sizeof(X) == 2 ? "bf16" : "fp32");
    for (int threads : {1, 2}) {
      std::snprintf(name, sizeof name, "%snorm forward", form);
      report(name, shape, threads, measure(repetitions, [&] {
               run_blocks(threads, plan.forward_blocks, [&](int64_t begin, int64_t end) { kernels.forward(f, begin, end); });
             }),
             copy_seconds(threads, count * bytes / 2, repetitions), "(copy of its bytes)");
      std::snprintf(name, sizeof name, "%snorm backward", form);
      report(name, shape, threads, measure(repetitions, [&] {
               run_blocks(threads, plan.backward_blocks, [&](int64_t begin, int64_t end) { kernels.backward(b, begin, end); });
               run_blocks(threads, plan.backward_reduce_blocks, [&](int64_t begin, int64_t end) { kernels.backward_reduce(b, begin, end); });
             }),
             copy_seconds(threads, count * backward_bytes / 2, repetitions), "(copy of its bytes)");
    }
  }
}

/** The gated product of the halves of one projection, and the rotary embedding of heads of 64 channels, beside a copy of what they must move. */
template <typename X>
void bench_product_and_rotary(int64_t rows, int64_t channels, int repetitions) {
  const int64_t count = rows * channels;
  const std::vector<X> both = numbers<X>(2 * count, 10);
  std::vector<X> out(static_cast<size_t>(count));
  const auto& products = cpu::gated_product_kernels<float, X>();
  cpu::GatedProductForward<X> f;
  f.in = {{1, rows, channels}, {both.data(), 2 * count, 2 * channels}, {both.data() + channels, 2 * count, 2 * channels}};
  f.out = {out.data(), count, channels};
  const cpu::GatedProductPlan plan = products.plan(f.in.sizes);
  products.forward(f, 0, plan.blocks);
  Array expected;
  for (int64_t d = 0; d < channels; ++d) {
    const double z = test::widened(both[d]);
    expected.push_back(z * test::naive_sigmoid(z) * test::widened(both[channels + d]));
  }
  check_rows(out, expected, "gated product");
  constexpr int64_t kHeadSize = 64;
  const auto& rotaries = cpu::rotary_embedding_kernels<float, X>();
  cpu::RotaryEmbeddingArguments<X> r;
  r.sizes = {1, rows, channels / kHeadSize, kHeadSize, kHeadSize, 0};
  r.x = {both.data(), count, channels, kHeadSize};
  r.out = {out.data(), count, channels, kHeadSize};
  const cpu::RotaryEmbeddingPlan rotary_plan = rotaries.plan(r.sizes);
  rotaries.run(r, 0, rotary_plan.blocks);
  expected.assign(static_cast<size_t>(kHeadSize), 0);
  for (int64_t i = 0; i < kHeadSize; ++i) expected[i] = test::widened(both[i]);
  check_rows(out, expected, "rotary embedding");
  char shape[80];
  std::snprintf(shape, sizeof shape, "L%lld D%lld %s", static_cast<long long>(rows), static_cast<long long>(channels), sizeof(X) == 2 ? "bf16" : "fp32");
  for (int threads : {1, 2}) {
    report("gated product forward", shape, threads,
           measure(repetitions, [&] { run_blocks(threads, plan.blocks, [&](int64_t begin, int64_t end) { products.forward(f, begin, end); }); }),
           copy_seconds(threads, count * 3 * static_cast<int64_t>(sizeof(X)) / 2, repetitions), "(copy of its bytes)");
    report("rotary embedding", shape, threads,
           measure(repetitions, [&] { run_blocks(threads, rotary_plan.blocks, [&](int64_t begin, int64_t end) { rotaries.run(r, begin, end); }); }),
           copy_seconds(threads, count * static_cast<int64_t>(sizeof(X)), repetitions), "(copy of its bytes)");
  }
}

std::vector<float> numbers(int64_t count, double low, double high, Random& random) {
  const Array values = random.array(count, low, high);
  return {values.begin(), values.end()};
}

/** Decode steps beside a copy of the state: it is read and written, as a copy reads and writes as many bytes. */
void bench_steps(int64_t rows, int64_t channels, int64_t states, int64_t width, int repetitions) {
  Random random(5);
  const int64_t count = rows * channels;
  const std::vector<float> u = numbers(count, -1, 1, random), delta = numbers(count, -4, 0, random), z = numbers(count, -2, 2, random);
  const std::vector<float> a = numbers(channels * states, -16, -1, random), b = numbers(rows * states, -1, 1, random);
  const std::vector<float> weight = numbers(channels * width, -1, 1, random), channel = numbers(channels, -1, 1, random);
  std::vector<float> out(count), scan_state = numbers(count * states, -1, 1, random), conv_state = numbers(count * (width - 1), -1, 1, random);
  cpu::SelectiveScanStep<float> scan;
  scan.sizes = {rows, channels, states, 1};
  scan.u = {u.data(), channels};
  scan.delta = {delta.data(), channels};
  scan.a = {a.data(), states};
  scan.b = {b.data(), states, states};
  scan.c = scan.b;
  scan.skip = channel.data();
  scan.z = {z.data(), channels};
  scan.delta_bias = channel.data();
  scan.softplus = true;
  scan.before = {scan_state.data(), channels * states, states};
  scan.state = {scan_state.data(), channels * states, states};
  scan.out = {out.data(), channels};
  cpu::CausalConv1dStep<float> conv;
  conv.sizes = {rows, channels, width};
  conv.x = {u.data(), channels};
  conv.weight = {weight.data(), width};
  conv.bias = channel.data();
  conv.silu = true;
  conv.before = {conv_state.data(), (width - 1) * channels, channels};
  conv.state = {conv_state.data(), (width - 1) * channels, channels};
  conv.out = {out.data(), channels};
  const auto& scan_kernels = cpu::selective_scan_step_kernels<float>();
  const auto& conv_kernels = cpu::causal_conv1d_step_kernels<float>();
  char shape[80];
  std::snprintf(shape, sizeof shape, "B%lld D%lld N%lld W%lld", static_cast<long long>(rows), static_cast<long long>(channels),
                static_cast<long long>(states), static_cast<long long>(width));
  for (int threads : {1, 2}) {
    const int64_t scan_blocks = scan_kernels.plan(scan.sizes).blocks, conv_blocks = conv_kernels.plan(conv.sizes).blocks;
    report("scan step", shape, threads, measure(repetitions, [&] {
             run_blocks(threads, scan_blocks, [&](int64_t begin, int64_t end) { scan_kernels.step(scan, begin, end); });
           }),
           copy_seconds(threads, count * states * static_cast<int64_t>(sizeof(float)), repetitions), "(copy of the state)");
    report("conv1d step", shape, threads, measure(repetitions, [&] {
             run_blocks(threads, conv_blocks, [&](int64_t begin, int64_t end) { conv_kernels.step(conv, begin, end); });
           }),
           copy_seconds(threads, count * (width - 1) * static_cast<int64_t>(sizeof(float)), repetitions), "(copy of the state)");
  }
}

/** Sequences of 1 to 199 steps packed into one row, beside one sequence of as many steps. */
void bench_packed_scan(int64_t sequences, int64_t channels, int64_t states, int repetitions) {
  Random random(6);
  std::vector<int64_t> offsets = {0};
  for (int64_t i = 0; i < sequences; ++i) offsets.push_back(offsets.back() + 1 + static_cast<int64_t>(random.uniform(0, 199)));
  const cpu::SelectiveScanSizes sizes = {1, offsets.back(), channels, states, 1};
  const test::NaiveScan s = make_scan(sizes);
  const Array d_out = random.array(static_cast<int64_t>(s.u.size()), -1, 1);
  test::NaiveScan packed = s;
  packed.sequences = sequences;
  packed.offsets = offsets;
  test::ScanRunner<float> single_run(s, {}), packed_run(packed, {});
  const auto measured = [&](test::ScanRunner<float>& run) { return measure(repetitions, [&] { run.forward(); }).median; };
  const auto measured_backward = [&](test::ScanRunner<float>& run) { return measure(repetitions, [&] { run.backward(d_out, {}); }).median; };
  const double single = measured(single_run), together = measured(packed_run);
  const double single_backward = measured_backward(single_run), together_backward = measured_backward(packed_run);
  std::printf("packed scan, %lld sequences, L%lld D%lld N%lld, with allocations: forward %.2f ms, %.3f of one sequence; backward %.2f ms, %.3f\n",
              static_cast<long long>(sequences), static_cast<long long>(sizes.length), static_cast<long long>(channels), static_cast<long long>(states),
              together * 1e3, together / single, together_backward * 1e3, together_backward / single_backward);
}

}  // namespace
}  // namespace djlmamba::bench

int main(int argc, char** argv) {
  const int repetitions = argc > 1 ? std::max(1, std::atoi(argv[1])) : 15;
  std::printf("instruction set: %s\n", djlmamba::cpu::isa_name());
  djlmamba::bench::bench_scan({1, 2048, 1536, 16, 1}, repetitions);
  djlmamba::bench::bench_scan({64, 82, 256, 16, 1}, repetitions);
  djlmamba::bench::bench_conv({1, 2048, 1536, 4}, repetitions);
  djlmamba::bench::bench_conv({64, 82, 256, 4}, repetitions);
  djlmamba::bench::bench_norm<float>(2048, 768, repetitions);
  djlmamba::bench::bench_norm<djlmamba::cpu::BFloat16>(2048, 768, repetitions);
  djlmamba::bench::bench_norm<float>(2048, 4096, repetitions);
  djlmamba::bench::bench_product_and_rotary<float>(2048, 2048, repetitions);
  djlmamba::bench::bench_product_and_rotary<djlmamba::cpu::BFloat16>(2048, 2048, repetitions);
  djlmamba::bench::bench_steps(1, 1536, 16, 4, 20 * repetitions);
  djlmamba::bench::bench_steps(64, 1536, 16, 4, repetitions);
  djlmamba::bench::bench_packed_scan(300, 256, 16, 3);
  return 0;
}
