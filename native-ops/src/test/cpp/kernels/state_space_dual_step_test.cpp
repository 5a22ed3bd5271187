/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "isa.h"
#include "state_space_dual_runner.h"
#include "state_space_dual_step.h"

/** The step against the naive form of the state space dual over one token. */
namespace djlmamba::test {
namespace {

struct StepCase {
  int64_t rows, heads, head_size, states, groups;
  bool options;
  std::vector<int64_t> slots;  // or none
};

template <typename T, typename X>
void check_step(const StepCase& c, const Layout& layout, Random& random, int threads) {
  const std::string what = "step R" + std::to_string(c.rows) + " H" + std::to_string(c.heads) + " P" + std::to_string(c.head_size) + " N" +
                           std::to_string(c.states) + " G" + std::to_string(c.groups) + (c.options ? " options" : "") +
                           (c.slots.empty() ? "" : " slots");
  const int64_t slots = c.slots.empty() ? c.rows : c.rows + 3, elements = c.heads * c.head_size * c.states;
  NaiveDual s;
  s.sizes = {c.rows, 1, c.heads, c.head_size, c.states, c.groups, 1, 0};
  const auto activations = [&](int64_t count, double low, double high) {
    Array values = random.array(count, low, high);
    for (double& v : values) v = to_float(to_bfloat16(static_cast<float>(v)));
    return values;
  };
  s.x = activations(c.rows * c.heads * c.head_size, -1, 1);
  s.delta = activations(c.rows * c.heads, -2, 2);
  s.a = random.array(c.heads, -3, -0.1);
  s.b = activations(c.rows * c.groups * c.states, -1, 1);
  s.c = activations(c.rows * c.groups * c.states, -1, 1);
  if (c.options) {
    s.softplus = true;
    s.delta_bias = random.array(c.heads, -0.5, 0.5);
    s.skip = random.array(c.heads * (c.rows % 2 ? c.head_size : 1), -1, 1);
    s.z = activations(c.rows * c.heads * c.head_size, -3, 3);
    s.delta_max = 1.5;
  }
  const Array before = random.array(slots * elements, -1, 1);
  Array expected_state = before;
  s.initial_state.resize(c.rows * elements);
  for (int64_t row = 0; row < c.rows; ++row) {
    const int64_t slot = c.slots.empty() ? row : c.slots[row];
    for (int64_t e = 0; e < elements; ++e) s.initial_state[row * elements + e] = slot < 0 ? 0 : before[slot * elements + e];
  }
  NaiveDualOutputs expected = naive_dual(s);
  for (int64_t row = 0; row < c.rows; ++row) {
    const int64_t slot = c.slots.empty() ? row : c.slots[row];
    for (int64_t i = 0; slot < 0 && i < c.heads * c.head_size; ++i) expected.out[row * c.heads * c.head_size + i] = 0;
    for (int64_t e = 0; slot >= 0 && e < elements; ++e) expected_state[slot * elements + e] = expected.final_state[row * elements + e];
  }

  DualRunner<T, X> arrays(s, layout);
  Strided<T> state(slots * c.heads, c.head_size, c.states, layout);
  state.set(before);
  Activations<T, X> out(c.rows, c.heads, c.head_size, layout);
  cpu::StateSpaceDualStep<T, X> f;
  f.sizes = {c.rows, c.heads, c.head_size, c.states, c.groups};
  f.x = read(arrays.x.batched_matrix());
  f.delta = {arrays.delta.raw.data(), arrays.delta.values.batch_stride};
  f.a = arrays.a.data();
  f.b = read(arrays.b.batched_matrix());
  f.c = read(arrays.c.batched_matrix());
  f.softplus = s.softplus;
  f.delta_min = static_cast<T>(s.delta_min);
  f.delta_max = static_cast<T>(s.delta_max);
  if (c.options) {
    f.skip = {arrays.skip.data(), arrays.skip.row_stride};
    f.skip_by_channel = s.skip_by_channel();
    f.z = read(arrays.z.batched_matrix());
    f.delta_bias = arrays.delta_bias.data();
  }
  if (!c.slots.empty()) f.slots = c.slots.data();
  f.state = {state.data(), c.heads * state.batch_stride, 0, state.batch_stride, state.row_stride};
  f.out = out.batched_matrix();
  const auto& kernels = cpu::state_space_dual_step_kernels<T, X>();
  run_blocks(kernels.plan(f.sizes).blocks, threads, [&](int64_t begin, int64_t end) { kernels.step(f, begin, end); });
  const double tolerance = std::is_same_v<T, float> ? 1e-5 : 1e-12;
  check_close(out.received().get(), expected.out, std::is_same_v<T, X> ? tolerance : 4e-3, what + " out");
  check_close(state.get(), expected_state, tolerance, what + " state");
  check(out.values.gaps_untouched() && state.gaps_untouched(), what + " written outside");
  for (int64_t slot = 0; slot < slots; ++slot) {
    if (c.slots.empty() || std::find(c.slots.begin(), c.slots.end(), slot) != c.slots.end()) continue;
    const std::vector<T> after = state.get();
    check(std::equal(after.begin() + slot * elements, after.begin() + (slot + 1) * elements, before.begin() + slot * elements,
                     [](T x, double y) { return x == static_cast<T>(y); }),
          what + " touched another slot");
  }
}

template <typename T, typename X>
void test_all() {
  Random random(1);
  for (const Layout& layout : {Layout{}, Layout{3, 5}}) {
    for (bool options : {false, true}) {
      for (int64_t head_size : {1, 3, 16, 33, 64}) {
        for (int64_t states : {1, 3, 16, 33, 64, 128}) check_step<T, X>({2, 3, head_size, states, 1, options, {}}, layout, random, 1);
      }
      for (int64_t groups : {1, 2, 6}) {
        check_step<T, X>({4, 6, 8, 16, groups, options, {}}, layout, random, 3);
        check_step<T, X>({5, 6, 8, 16, groups, options, {7, -1, 0, -1, 3}}, layout, random, 3);
      }
      check_step<T, X>({0, 6, 8, 16, 1, options, {}}, layout, random, 1);
      check_step<T, X>({2, 6, 8, 16, 1, options, {-1, -1}}, layout, random, 1);
    }
  }
}

}  // namespace
}  // namespace djlmamba::test

int main() {
  djlmamba::test::test_all<double, double>();
  djlmamba::test::test_all<float, float>();
  djlmamba::test::test_all<float, djlmamba::cpu::BFloat16>();
  return djlmamba::test::finish("state space dual step", djlmamba::cpu::isa_name());
}
