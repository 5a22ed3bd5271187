/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "causal_conv1d_step.h"

#include "causal_conv1d_naive.h"
#include "isa.h"
#include "step_slots.h"

/** The step against the naive form of the causal convolution over one step. */
namespace djlmamba::test {
namespace {

template <typename T, typename X>
void check_step(const cpu::CausalConv1dStepSizes& z, bool options, const std::vector<int64_t>& slots, const Layout& layout, Random& random,
                int threads, bool in_place = true) {
  const std::string what = "step R" + std::to_string(z.rows) + " D" + std::to_string(z.channels) + " W" + std::to_string(z.width) +
                           (options ? " options" : "") + (slots.empty() ? "" : " slots") + (in_place ? "" : " to other memory");
  const StepSlots states(slots, z.rows, (z.width - 1) * z.channels, random);
  NaiveConv c;
  c.sizes = {z.rows, 1, z.channels, z.width};
  c.x = random.array(z.rows * z.channels, -2, 2);
  round_to<X>(c.x);
  c.weight = random.array(z.channels * z.width, -1, 1);
  if (options) c.bias = random.array(z.channels, -1, 1);
  c.silu = options;
  c.initial_state = states.of_rows();
  const ConvResults expected = naive_forward(c);

  Strided<X> x(z.rows, 1, z.channels, layout), out(z.rows, 1, z.channels, layout);
  Strided<T> weight(1, z.channels, z.width, layout), bias(1, 1, z.channels, layout), state(states.count, z.width - 1, z.channels, layout);
  x.set(c.x);
  weight.set(c.weight);
  if (options) bias.set(c.bias);
  state.set(states.before);
  cpu::CausalConv1dStep<T, X> f;
  f.sizes = z;
  f.x = {x.data(), x.batch_stride};
  f.weight = {weight.data(), weight.row_stride};
  if (options) f.bias = bias.data();
  f.silu = options;
  if (!slots.empty()) f.slots = slots.data();
  auto after = state;
  f.before = read(state.batched_matrix());
  f.state = in_place ? state.batched_matrix() : after.batched_matrix();
  f.out = {out.data(), out.batch_stride};
  const auto& kernels = cpu::causal_conv1d_step_kernels<T, X>();
  run_blocks(kernels.plan(z).blocks, threads, [&](int64_t begin, int64_t end) { kernels.step(f, begin, end); });
  auto& changed = in_place ? state : after;
  const double tolerance = std::is_same_v<T, float> ? 2e-6 : 1e-14;
  check_close(out.get(), states.output(expected.out), std::is_same_v<T, X> ? tolerance : 0x1p-8, what + " out");
  check_close(changed.get(), states.after(expected.final_state), 1e-7, what + " state");
  check(out.gaps_untouched() && changed.gaps_untouched(), what + " written outside");
  check(states.others_untouched(changed.get()), what + " touched another slot");
  if (!in_place) check_close(state.get(), states.before, 0, what + " changed the state before");
}

template <typename T, typename X>
void test_all() {
  Random random(22);
  for (const Layout& layout : {Layout{}, Layout{3, 5}}) {
    for (bool options : {false, true}) {
      for (int64_t width : {1, 2, 3, 4, 7}) {
        for (int64_t channels : {1, 16, 33, 600}) check_step<T, X>({2, channels, width}, options, {}, layout, random, 1);
        check_step<T, X>({5, 1100, width}, options, {7, -1, 0, -1, 3}, layout, random, 3);
        check_step<T, X>({3, 600, width}, options, {}, layout, random, 2, false);
      }
      check_step<T, X>({0, 6, 4}, options, {}, layout, random, 1);
      check_step<T, X>({2, 6, 4}, options, {-1, -1}, layout, random, 1);
    }
  }
}

}  // namespace
}  // namespace djlmamba::test

int main() {
  djlmamba::test::test_all<double, double>();
  djlmamba::test::test_all<float, float>();
  djlmamba::test::test_all<float, djlmamba::cpu::BFloat16>();
  return djlmamba::test::finish("causal conv1d step", djlmamba::cpu::isa_name());
}
