/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include <ATen/Parallel.h>

#include <limits>

#include "ops_gradients.h"

/* The state space dual and its step against naive forms in torch and against central differences. */
namespace djlmamba::test {
namespace {

enum Option { kSkip = 1, kSkipByChannel = 2, kGate = 4, kBias = 8, kInitialState = 16, kSoftplus = 32, kLimits = 64, kAll = 127 };

struct DualArguments {
  Tensor x, delta, a, b, c;
  Optional skip, gate, delta_bias, initial_state, offsets;
  bool softplus = false;
  std::optional<double> delta_min, delta_max;
  int64_t chunk = 0;
};

Pair state_space_dual(const DualArguments& s) {
  using Signature = Pair(
      const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Optional&, const Optional&, const Optional&,
      const Optional&, const Optional&, bool, std::optional<double>, std::optional<double>, int64_t);
  return op<Signature>("djlmamba::state_space_dual")
      .call(
          s.x, s.delta, s.a, s.b, s.c, s.skip, s.gate, s.delta_bias, s.initial_state, s.offsets, s.softplus, s.delta_min, s.delta_max, s.chunk);
}

Tensor state_space_dual_step(const Tensor& state, const DualArguments& s, const Optional& slots) {
  using Signature = Tensor(
      const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Optional&, const Optional&,
      const Optional&, const Optional&, bool, std::optional<double>, std::optional<double>);
  return op<Signature>("djlmamba::state_space_dual_step")
      .call(state, s.x, s.delta, s.a, s.b, s.c, s.skip, s.gate, s.delta_bias, slots, s.softplus, s.delta_min, s.delta_max);
}

/** The recurrence from a state (B, H, P, N), one sequence a row. */
Pair naive_sequence(const DualArguments& s, Tensor state) {
  const int64_t heads = s.x.size(2);
  const auto per_head = [&](const Tensor& m) {
    return m.dim() == 3 ? m.unsqueeze(2).expand({m.size(0), m.size(1), heads, m.size(2)}) : m.repeat_interleave(heads / m.size(2), 2);
  };
  Tensor delta = s.delta_bias ? s.delta + *s.delta_bias : s.delta;
  delta = s.softplus ? at::softplus(delta) : delta;
  delta = s.delta_min || s.delta_max ? at::clamp(delta, s.delta_min, s.delta_max) : delta;
  const Tensor b = per_head(s.b);
  const Tensor c = per_head(s.c);
  std::vector<Tensor> outputs;
  for (int64_t t = 0; t < s.x.size(1); t++) {
    const Tensor step = delta.select(1, t).unsqueeze(-1).unsqueeze(-1);
    const Tensor drive = s.x.select(1, t).unsqueeze(-1) * b.select(1, t).unsqueeze(-2);
    state = at::exp(step * s.a.unsqueeze(-1).unsqueeze(-1)) * state + step * drive;
    outputs.push_back((state * c.select(1, t).unsqueeze(-2)).sum(-1));
  }
  Tensor y = outputs.empty() ? s.x * 1 : at::stack(outputs, 1);
  if (s.skip && !outputs.empty()) {
    y = y + s.x * (s.skip->dim() == 1 ? s.skip->unsqueeze(-1) : *s.skip);
  }
  y = s.gate ? y * at::silu(*s.gate) : y;
  return {y, state * 1};
}

Pair naive_dual(const DualArguments& s) {
  const std::vector<int64_t> matrix = {s.x.size(2), s.x.size(3), s.b.size(-1)};
  const int64_t sequences = s.offsets ? s.offsets->size(1) - 1 : 1;
  std::vector<Tensor> rows;
  std::vector<Tensor> states;
  for (int64_t row = 0; row < s.x.size(0); row++) {
    std::vector<Tensor> outputs;
    for (int64_t i = 0; i < sequences; i++) {
      const int64_t begin = s.offsets ? s.offsets->data_ptr<int64_t>()[row * (sequences + 1) + i] : 0;
      const int64_t end = s.offsets ? s.offsets->data_ptr<int64_t>()[row * (sequences + 1) + i + 1] : s.x.size(1);
      const auto part = [&](const Tensor& tensor) { return tensor.narrow(0, row, 1).narrow(1, begin, end - begin); };
      DualArguments own = s;
      own.x = part(s.x);
      own.delta = part(s.delta);
      own.b = part(s.b);
      own.c = part(s.c);
      own.gate = s.gate ? Optional(part(*s.gate)) : std::nullopt;
      Tensor before = at::zeros({1, matrix[0], matrix[1], matrix[2]}, s.a.options());
      if (s.initial_state) {
        before = s.initial_state->narrow(0, row, 1);
        before = s.offsets ? before.select(1, i) : before;
      }
      const auto [y, state] = naive_sequence(own, before);
      outputs.push_back(y);
      states.push_back(state);
    }
    rows.push_back(at::cat(outputs, 1));
  }
  std::vector<int64_t> shape = {s.x.size(0)};
  if (s.offsets) {
    shape.push_back(sequences);
  }
  shape.insert(shape.end(), matrix.begin(), matrix.end());
  return {rows.empty() ? s.x * 1 : at::cat(rows, 0), states.empty() ? at::zeros(shape, s.a.options()) : at::cat(states, 0).reshape(shape)};
}

struct Sizes {
  int64_t batch, length, heads, head_size, states, groups;
  int64_t chunk = 0;
  std::vector<int64_t> offsets = {};

  Optional packed() const {
    return offsets.empty() ? std::nullopt : Optional(at::tensor(offsets, at::kLong).reshape({batch, -1}));
  }

  std::string text() const { return c10::str(batch, "x", length, "x", heads, "x", head_size, "x", states, "x", groups, " chunk ", chunk); }
};

std::vector<Tensor> dual_leaves(const Sizes& s, int options) {
  const std::vector<int64_t> matrix =
      s.groups == 0 ? std::vector<int64_t>{s.batch, s.length, s.states} : std::vector<int64_t>{s.batch, s.length, s.groups, s.states};
  std::vector<Tensor> leaves = {
      leaf(at::randn({s.batch, s.length, s.heads, s.head_size}, kDouble)), leaf(at::rand({s.batch, s.length, s.heads}, kDouble) * 0.5),
      leaf(-at::rand({s.heads}, kDouble)), leaf(at::randn(matrix, kDouble)), leaf(at::randn(matrix, kDouble))};
  if (options & kSkip) {
    leaves.push_back(leaf(options & kSkipByChannel ? at::randn({s.heads, s.head_size}, kDouble) : at::randn({s.heads}, kDouble)));
  }
  if (options & kGate) {
    leaves.push_back(leaf(at::randn({s.batch, s.length, s.heads, s.head_size}, kDouble)));
  }
  if (options & kBias) {
    leaves.push_back(leaf(at::rand({s.heads}, kDouble)));
  }
  if (options & kInitialState) {
    const Optional packed = s.packed();
    leaves.push_back(leaf(
        packed ? at::randn({s.batch, packed->size(1) - 1, s.heads, s.head_size, s.states}, kDouble)
               : at::randn({s.batch, s.heads, s.head_size, s.states}, kDouble)));
  }
  return leaves;
}

DualArguments dual_of(const std::vector<Tensor>& leaves, const Sizes& sizes, int options, Layout layout) {
  size_t next = 0;
  const auto take = [&] { return laid_out(leaves[next++], layout); };
  DualArguments s;
  s.x = take();
  s.delta = take();
  s.a = take();
  s.b = take();
  s.c = take();
  s.skip = options & kSkip ? Optional(take()) : std::nullopt;
  s.gate = options & kGate ? Optional(take()) : std::nullopt;
  s.delta_bias = options & kBias ? Optional(take()) : std::nullopt;
  s.initial_state = options & kInitialState ? Optional(take()) : std::nullopt;
  s.softplus = options & kSoftplus;
  if (options & kLimits) {
    s.delta_min = 0.3;
    s.delta_max = 0.8;
  }
  s.offsets = sizes.packed();
  s.chunk = sizes.chunk;
  return s;
}

void test_dual() {
  const std::vector<Sizes> cases = {
      {2, 7, 4, 5, 3, 0}, {1, 65, 4, 4, 6, 2, 16}, {2, 33, 2, 17, 16, 1, 32}, {2, 3, 1, 1, 1, 1}, {2, 0, 4, 3, 2, 2}, {0, 5, 4, 3, 2, 0},
      {2, 9, 4, 3, 5, 2, 1, {0, 0, 4, 9, 0, 9, 9, 9}}, {1, 50, 2, 4, 3, 1, 16, {0, 20, 20, 37, 50}}};
  for (const Sizes& sizes : cases) {
    for (int options = 0; options <= kAll; options += (sizes.length > 10 ? kAll : 9)) {
      for (const Layout layout : {Layout::kPlain, Layout::kSliced, Layout::kTransposed}) {
        check_gradients(
            [&](const auto& given) { return state_space_dual(dual_of(given, sizes, options, layout)); },
            [&](const auto& given) { return naive_dual(dual_of(given, sizes, options, Layout::kPlain)); }, dual_leaves(sizes, options),
            "state space dual " + sizes.text() + c10::str(" options ", options));
      }
    }
  }
  const Sizes small = {1, 5, 2, 2, 3, 1};
  check_differences(
      [&](const auto& given) { return state_space_dual(dual_of(given, small, kAll, Layout::kPlain)); }, dual_leaves(small, kAll),
      "state space dual");
}

DualArguments as_bfloat16(DualArguments s) {
  for (Tensor* activation : {&s.x, &s.delta, &s.b, &s.c}) {
    *activation = activation->to(at::kBFloat16);
  }
  s.gate = s.gate ? Optional(s.gate->to(at::kBFloat16)) : std::nullopt;
  s.a = s.a.to(at::kFloat);
  for (Optional* parameter : {&s.skip, &s.delta_bias, &s.initial_state}) {
    *parameter = *parameter ? Optional((*parameter)->to(at::kFloat)) : std::nullopt;
  }
  return s;
}

void test_bfloat16() {
  for (const Sizes& sizes : std::vector<Sizes>{{2, 70, 4, 16, 16, 2, 32}, {2, 9, 4, 5, 3, 0}, {1, 30, 2, 4, 3, 1, 16, {0, 13, 30}}}) {
    std::vector<Tensor> rounded;
    for (const Tensor& tensor : dual_leaves(sizes, kAll)) {
      rounded.push_back(leaf(tensor.to(at::kBFloat16).to(at::kDouble)));
    }
    const auto exact = [&](const auto& given) { return naive_dual(dual_of(given, sizes, kAll, Layout::kPlain)); };
    const auto reduced = [&](const auto& given) {
      const auto [y, state] = state_space_dual(as_bfloat16(dual_of(given, sizes, kAll, Layout::kPlain)));
      check(y.scalar_type() == at::kBFloat16 && state.scalar_type() == at::kFloat, "bfloat16 gives activations of bfloat16 and states of float");
      return Pair(y.to(at::kDouble), state.to(at::kDouble));
    };
    const auto [y, state] = exact(rounded);
    const auto [reduced_y, reduced_state] = reduced(rounded);
    check_close(reduced_y, y, 1e-2, "bfloat16 output " + sizes.text());
    check_close(reduced_state, state, 1e-2, "bfloat16 state " + sizes.text());
    const auto expected = gradients(exact, rounded, at::ones_like(y), at::ones_like(state));
    const auto actual = gradients(reduced, rounded, at::ones_like(y), at::ones_like(state));
    for (size_t i = 0; i < rounded.size(); i++) {
      check_close(actual[i], expected[i], 2e-2, "bfloat16 gradient " + sizes.text() + c10::str(" of ", i));
    }
  }
}

void test_modes() {
  const Sizes sizes = {1, 20, 4, 3, 2, 1, 16};
  const auto leaves = dual_leaves(sizes, kAll);
  const auto run = [&] { return state_space_dual(dual_of(leaves, sizes, kAll, Layout::kPlain)); };
  const auto [output, state] = run();
  check(output.requires_grad() && state.requires_grad(), "both results of a state space dual are differentiable");
  check_throws([&] { torch::autograd::grad({output.sum()}, {leaves[0]}, {}, true, true); }, "second derivative of a state space dual");
  at::NoGradGuard no_grad;
  const auto [plain, plain_state] = run();
  check(!plain.requires_grad() && !plain_state.requires_grad(), "nothing is recorded without gradients");
  check(at::equal(plain, output) && at::equal(plain_state, state), "the results do not depend on recording");
}

void test_threads() {
  const Sizes sizes = {2, 300, 6, 20, 16, 2};
  const auto run = [&] {
    at::manual_seed(5);
    std::vector<Tensor> leaves;
    for (const Tensor& tensor : dual_leaves(sizes, kAll)) {
      leaves.push_back(leaf(tensor.to(at::kFloat)));
    }
    const auto [output, state] = state_space_dual(dual_of(leaves, sizes, kAll, Layout::kPlain));
    auto results = torch::autograd::grad({output.pow(2).sum() + state.sum()}, leaves);
    results.push_back(output.detach());
    results.push_back(state.detach());
    return results;
  };
  at::set_num_threads(1);
  const auto one = run();
  at::set_num_threads(2);
  const auto two = run();
  for (size_t i = 0; i < one.size(); i++) {
    check(at::equal(one[i], two[i]), c10::str("one and two threads agree to the bit, result ", i));
  }
}

void test_hostile() {
  const Sizes sizes = {2, 5, 6, 4, 3, 2};
  const auto good = dual_leaves(sizes, kAll);
  const auto with = [&](size_t i, const Tensor& tensor) {
    auto leaves = good;
    leaves[i] = tensor;
    return [leaves, sizes] { state_space_dual(dual_of(leaves, sizes, kAll, Layout::kPlain)); };
  };
  for (size_t i = 0; i < good.size(); i++) {
    const auto shape = good[i].sizes().vec();
    auto larger = shape;
    larger.back()++;
    const std::string what = c10::str("state space dual: input ", i);
    check_throws(with(i, at::zeros(larger, kDouble)), what + " of a wrong shape");
    check_throws(with(i, at::zeros({}, kDouble)), what + " without axes");
    check_throws(with(i, at::zeros(shape)), what + " of another type");
    check_throws(with(i, at::zeros(shape, at::kLong)), what + " of integers");
    check_throws(with(i, at::empty(shape, kDouble.device(at::kMeta))), what + " on another device");
    check_throws(with(i, at::zeros(shape, kDouble).to_sparse()), what + " is sparse");
  }
  check_throws(with(3, at::zeros({2, 5, 4, 3}, kDouble)), "groups that do not divide the heads");
  check_throws(with(3, at::zeros({2, 5, 0, 3}, kDouble)), "no groups");
  check_throws(with(3, at::zeros({2, 5, 2, 0}, kDouble)), "no states");
  DualArguments dual = dual_of(good, sizes, 0, Layout::kPlain);
  const auto refused = [](const DualArguments& s, const char* what) { check_throws([&] { state_space_dual(s); }, what); };
  for (const int64_t chunk : {-1, 2, 15, 257}) {
    DualArguments s = dual;
    s.chunk = chunk;
    refused(s, "a chunk of a wrong size");
  }
  DualArguments s = dual;
  s.delta_min = 2;
  s.delta_max = 1;
  refused(s, "limits that cross");
  s.delta_max = std::numeric_limits<double>::quiet_NaN();
  refused(s, "a limit that is no number");
  for (const Tensor& offsets :
       {at::zeros({2, 2}, at::kLong), at::tensor({0, 5}, at::kLong), at::tensor({0, 5, 0, 5}, at::kInt).reshape({2, 2}),
        at::tensor({0, 5, 4, 5, 0, 2, 3, 5}, at::kLong).reshape({2, 4}), at::tensor({1, 5, 0, 5}, at::kLong).reshape({2, 2}),
        at::zeros({2, 1}, at::kLong), at::tensor({0, 6, 5, 0, 5, 5}, at::kLong).reshape({2, 3})}) {
    s = dual;
    s.offsets = offsets;
    refused(s, "offsets that do not fit");
  }
  const int64_t big = int64_t{1} << 30;
  DualArguments huge;
  huge.x = at::zeros({1}).expand({big, big, 1, 1});
  huge.delta = at::zeros({1}).expand({big, big, 1});
  huge.a = at::zeros({1});
  huge.b = at::zeros({1}).expand({big, big, 4});
  huge.c = huge.b;
  refused(huge, "more elements than can be addressed");
  huge.x = at::zeros({1}).expand({1 << 25, 1 << 25, 1, 1});
  huge.delta = at::zeros({1}).expand({1 << 25, 1 << 25, 1});
  huge.b = at::zeros({1}).expand({1 << 25, 1 << 25, 4});
  huge.c = huge.b;
  refused(huge, "more memory than there is");
}

/** The same arguments without the axis L, of the first token. */
DualArguments first_token(DualArguments s) {
  for (Tensor* each : {&s.x, &s.delta, &s.b, &s.c}) {
    *each = each->select(1, 0);
  }
  s.gate = s.gate ? Optional(s.gate->select(1, 0)) : std::nullopt;
  s.initial_state = std::nullopt;
  return s;
}

void test_step() {
  at::NoGradGuard no_grad;
  for (const Sizes& sizes : std::vector<Sizes>{{3, 1, 4, 5, 3, 0}, {2, 1, 4, 16, 32, 2}, {1, 1, 1, 1, 1, 1}, {0, 1, 2, 3, 2, 1}}) {
    for (int options = 0; options <= kAll; options += 3) {
      for (const Layout layout : {Layout::kPlain, Layout::kSliced, Layout::kTransposed}) {
        const std::string what = "step " + sizes.text() + c10::str(" options ", options);
        DualArguments whole = dual_of(dual_leaves(sizes, options & ~kInitialState), sizes, options & ~kInitialState, layout);
        const Tensor before = at::randn({sizes.batch, sizes.heads, sizes.head_size, sizes.states}, kDouble);
        whole.initial_state = before;
        const auto [expected, after] = naive_dual(whole);
        const Tensor state = laid_out(before, layout).clone();
        check_close(state_space_dual_step(state, first_token(whole), std::nullopt), expected.squeeze(1), 1e-11, what);
        check_close(state, after, 1e-11, what + " state");
        // The same in slots of a larger state, in another order, beside a row of padding.
        if (sizes.batch != 3) {
          continue;
        }
        const Tensor slots = at::tensor({4, -1, 1}, at::kLong);
        const Tensor pool = laid_out(at::randn({6, sizes.heads, sizes.head_size, sizes.states}, kDouble), layout);
        pool.select(0, 4).copy_(before.select(0, 0));
        pool.select(0, 1).copy_(before.select(0, 2));
        const Tensor untouched = pool.clone();
        const Tensor output = state_space_dual_step(pool, first_token(whole), slots);
        for (const int64_t row : {0, 2}) {
          check_close(output.select(0, row), expected.select(0, row).squeeze(0), 1e-11, what + " in slots");
          const int64_t slot = row == 0 ? 4 : 1;
          check_close(pool.select(0, slot), after.select(0, row), 1e-11, what + " state in slots");
          untouched.select(0, slot).copy_(pool.select(0, slot));
        }
        check(at::equal(output.select(0, 1), at::zeros_like(output.select(0, 1))), what + ": padding gives zero");
        check(at::equal(pool, untouched), what + ": no other state is touched");
      }
    }
  }
}

void test_hostile_steps() {
  const Sizes sizes = {2, 1, 4, 3, 2, 1};
  const DualArguments token = first_token(dual_of(dual_leaves(sizes, kAll), sizes, kAll, Layout::kPlain));
  const auto refused = [&](const Tensor& state, const Optional& slots, const char* what) {
    check_throws([&] { state_space_dual_step(state, token, slots); }, what);
  };
  const Tensor state = at::zeros({2, 4, 3, 2}, kDouble);
  refused(state, std::nullopt, "a step that a gradient is wanted of");
  at::NoGradGuard no_grad;
  refused(at::zeros({3, 4, 3, 2}, kDouble), std::nullopt, "a state of another number of rows");
  refused(at::zeros({2, 4, 3, 3}, kDouble), std::nullopt, "a state of a wrong shape");
  refused(at::zeros({4, 3, 2}, kDouble), std::nullopt, "a state of fewer axes");
  refused(at::zeros({2, 4, 3, 2}), std::nullopt, "a state of another type");
  refused(at::zeros({1, 4, 3, 2}, kDouble).expand({2, 4, 3, 2}), std::nullopt, "a state that shares memory");
  for (const Tensor& slots :
       {at::tensor({0, 0}, at::kLong), at::tensor({0, 2}, at::kLong), at::tensor({-2, 0}, at::kLong), at::tensor({0}, at::kLong),
        at::tensor({0, 1}, at::kInt), at::tensor({0.0, 1.0})}) {
    refused(state, slots, "slots that do not fit");
  }
  state_space_dual_step(state, token, at::tensor({-1, -1}, at::kLong));
  check(at::equal(state, at::zeros_like(state)), "steps of padding alone touch nothing");
}

}  // namespace
}  // namespace djlmamba::test

int main(int count, char** arguments) {
  using namespace djlmamba::test;
  return run_tests(count, arguments, {test_dual, test_bfloat16, test_modes, test_threads, test_hostile, test_step, test_hostile_steps});
}
