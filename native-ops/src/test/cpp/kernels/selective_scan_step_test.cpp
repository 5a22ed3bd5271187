/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "selective_scan_step.h"

#include "isa.h"
#include "step_slots.h"

/** The step against the naive form of the selective scan over one step. */
namespace djlmamba::test {
namespace {

template <typename T, typename X>
void check_step(const cpu::SelectiveScanStepSizes& z, bool options, const std::vector<int64_t>& slots, const Layout& layout, Random& random,
                int threads, bool in_place = true, bool as_log = false) {
  const std::string what = "step R" + std::to_string(z.rows) + " D" + std::to_string(z.channels) + " N" + std::to_string(z.states) + " G" +
                           std::to_string(z.groups) + (options ? " options" : "") + (slots.empty() ? "" : " slots") + (in_place ? "" : " to other memory") + (as_log ? " log" : "");
  const StepSlots states(slots, z.rows, z.channels * z.states, random);
  NaiveScan s;
  s.sizes = {z.rows, 1, z.channels, z.states, z.groups};
  s.u = random.array(z.rows * z.channels, -1, 1);
  s.delta = random.array(z.rows * z.channels, options ? -3 : 0, 3);
  s.a = random.array(z.channels * z.states, -50, 0);
  s.b = random.array(z.rows * z.groups * z.states, -1, 1);
  s.c = random.array(z.rows * z.groups * z.states, -1, 1);
  if (options) {
    s.softplus = true;
    s.delta_bias = random.array(z.channels, -0.5, 0.5);
    s.skip = random.array(z.channels, -1, 1);
    s.z = random.array(z.rows * z.channels, -3, 3);
  }
  for (Array* stored : {&s.u, &s.delta, &s.b, &s.c, &s.z}) round_to<X>(*stored);
  s.initial_state = states.of_rows();
  const NaiveScanOutputs expected = naive_scan(s);

  ScanRunner<T, X> arrays(s, layout);
  Strided<T> state(states.count, z.channels, z.states, layout);
  state.set(states.before);
  Strided<X> out(z.rows, 1, z.channels, layout);
  cpu::SelectiveScanStep<T, X> f;
  f.sizes = z;
  f.u = {arrays.u.data(), arrays.u.batch_stride};
  f.delta = {arrays.delta.data(), arrays.delta.batch_stride};
  f.a_as_log = as_log;
  if (as_log) {
    for (double& a : s.a) a = std::log(-a);
    arrays.a.set(s.a);
  }
  f.a = {arrays.a.data(), arrays.a.row_stride};
  f.b = read(arrays.b.batched_matrix());
  f.c = read(arrays.c.batched_matrix());
  f.softplus = s.softplus;
  if (options) {
    f.skip = arrays.skip.data();
    f.z = {arrays.z.data(), arrays.z.batch_stride};
    f.delta_bias = arrays.delta_bias.data();
  }
  if (!slots.empty()) f.slots = slots.data();
  auto after = state;
  f.before = read(state.batched_matrix());
  f.state = in_place ? state.batched_matrix() : after.batched_matrix();
  f.out = {out.data(), out.batch_stride};
  const auto& kernels = cpu::selective_scan_step_kernels<T, X>();
  run_blocks(kernels.plan(z).blocks, threads, [&](int64_t begin, int64_t end) { kernels.step(f, begin, end); });
  auto& changed = in_place ? state : after;
  const double tolerance = std::is_same_v<T, float> ? 1e-5 : 1e-12;
  check_close(out.get(), states.output(expected.out), std::is_same_v<T, X> ? tolerance : 0x1p-8, what + " out");
  check_close(changed.get(), states.after(expected.final_state), tolerance, what + " state");
  check(out.gaps_untouched() && changed.gaps_untouched(), what + " written outside");
  check(states.others_untouched(changed.get()), what + " touched another slot");
  if (!in_place) check_close(state.get(), states.before, 0, what + " changed the state before");
}

template <typename T, typename X>
void test_all() {
  Random random(21);
  for (const Layout& layout : {Layout{}, Layout{3, 5}}) {
    for (bool options : {false, true}) {
      for (int64_t channels : {1, 3, 16, 33, 300}) {
        for (int64_t states : {1, 3, 16, 17, 32, 64}) {
          for (bool as_log : {false, true}) check_step<T, X>({2, channels, states, 1}, options, {}, layout, random, 1, true, as_log);
        }
      }
      for (int64_t groups : {1, 2, 12}) {
        check_step<T, X>({4, 600, 16, groups}, options, {}, layout, random, 3);
        check_step<T, X>({5, 36, 16, groups}, options, {7, -1, 0, -1, 3}, layout, random, 3);
        check_step<T, X>({3, 96, 16, groups}, options, {}, layout, random, 2, false);
        check_step<T, X>({3, 36, 5, groups}, options, {}, layout, random, 2, false);
      }
      check_step<T, X>({0, 6, 8, 1}, options, {}, layout, random, 1);
      check_step<T, X>({2, 6, 8, 1}, options, {-1, -1}, layout, random, 1);
    }
  }
}

}  // namespace
}  // namespace djlmamba::test

int main() {
  djlmamba::test::test_all<double, double>();
  djlmamba::test::test_all<float, float>();
  djlmamba::test::test_all<float, djlmamba::cpu::BFloat16>();
  return djlmamba::test::finish("selective scan step", djlmamba::cpu::isa_name());
}
