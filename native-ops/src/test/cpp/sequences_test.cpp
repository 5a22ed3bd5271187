/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include "ops_gradients.h"

/*
 * Selective scan and causal convolution over packed sequences and in bfloat16, and their steps: against the same ops over one sequence, in double, and over
 * one token, which ops_test.cpp holds to naive forms.
 */
namespace djlmamba::test {
namespace {

Tensor offsets_of(const std::vector<int64_t>& offsets, int64_t batch) { return at::tensor(offsets, at::kLong).reshape({batch, -1}); }

/** An op over leaves: u or x first, then what else it takes; the state last. */
struct SequenceOp {
  const char* name;
  /** The leaves of a call, whose states have an axis of sequences if there are more than none. */
  std::function<std::vector<Tensor>(int64_t batch, int64_t length, int64_t sequences)> leaves;
  /** The call over leaves with offsets, or without. */
  std::function<Pair(const std::vector<Tensor>&, const Optional&)> run;
  /** One step, from the leaves of one token without their axis L. */
  std::function<Tensor(const Tensor&, const std::vector<Tensor>&, const Optional&)> step;
  /** Which leaves have the axes (B, L, ...). */
  std::vector<bool> tokens;
};

const SequenceOp kScan = {
    "scan",
    [](int64_t batch, int64_t length, int64_t sequences) {
      const auto tensor = [&](std::vector<int64_t> shape) { return leaf(at::randn(shape, kDouble)); };
      return std::vector<Tensor>{
          tensor({batch, length, 6}), leaf(at::rand({batch, length, 6}, kDouble)), leaf(-at::rand({6, 5}, kDouble)), tensor({batch, length, 2, 5}),
          tensor({batch, length, 2, 5}), tensor({6}), tensor({batch, length, 6}), tensor({6}),
          sequences == 0 ? tensor({batch, 6, 5}) : tensor({batch, sequences, 6, 5})};
    },
    [](const std::vector<Tensor>& in, const Optional& offsets) {
      return selective_scan({in[0], in[1], in[2], in[3], in[4], in[5], in[6], in[7], in[8], true, offsets});
    },
    [](const Tensor& state, const std::vector<Tensor>& in, const Optional& slots) {
      using Signature = Tensor(
          const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Optional&, const Optional&, const Optional&,
          const Optional&, bool);
      return op<Signature>("djlmamba::selective_scan_step").call(state, in[0], in[1], in[2], in[3], in[4], in[5], in[6], in[7], slots, true);
    },
    {true, true, false, true, true, false, true, false, false}};

const SequenceOp kConv = {
    "conv",
    [](int64_t batch, int64_t length, int64_t sequences) {
      const auto tensor = [&](std::vector<int64_t> shape) { return leaf(at::randn(shape, kDouble)); };
      return std::vector<Tensor>{
          tensor({batch, length, 6}), tensor({6, 4}), tensor({6}), sequences == 0 ? tensor({batch, 3, 6}) : tensor({batch, sequences, 3, 6})};
    },
    [](const std::vector<Tensor>& in, const Optional& offsets) { return causal_conv1d({in[0], in[1], in[2], in[3], true, offsets}); },
    [](const Tensor& state, const std::vector<Tensor>& in, const Optional& slots) {
      using Signature = Tensor(const Tensor&, const Tensor&, const Tensor&, const Optional&, const Optional&, bool);
      return op<Signature>("djlmamba::causal_conv1d_step").call(state, in[0], in[1], in[2], slots, true);
    },
    {true, false, false, false}};

/** Packed sequences as calls of their own. */
Pair one_by_one(const SequenceOp& op, const std::vector<Tensor>& leaves, const Tensor& offsets) {
  std::vector<Tensor> outputs, states;
  const int64_t sequences = offsets.size(1) - 1;
  for (int64_t row = 0; row < offsets.size(0); row++) {
    std::vector<Tensor> of_row, states_of_row;
    for (int64_t i = 0; i < sequences; i++) {
      const int64_t begin = offsets[row][i].item<int64_t>();
      const int64_t end = offsets[row][i + 1].item<int64_t>();
      std::vector<Tensor> own = leaves;
      for (size_t k = 0; k < own.size(); k++) {
        own[k] = op.tokens[k] ? own[k].narrow(0, row, 1).narrow(1, begin, end - begin) : own[k];
      }
      own.back() = own.back().narrow(0, row, 1).select(1, i);
      const auto [output, state] = op.run(own, std::nullopt);
      of_row.push_back(output);
      states_of_row.push_back(state);
    }
    outputs.push_back(at::cat(of_row, 1));
    states.push_back(at::stack(states_of_row, 1));
  }
  return {at::cat(outputs, 0), at::cat(states, 0)};
}

void test_packed(const SequenceOp& op) {
  for (const auto& [values, batch] : std::vector<std::pair<std::vector<int64_t>, int64_t>>{
           {{0, 3, 8, 9, 18}, 1}, {{0, 0, 18, 0, 18, 18}, 2}, {{0, 0, 7, 7, 27, 27, 0, 27, 27, 27, 27, 27}, 2}, {{0, 40, 80, 0, 17, 80}, 2}, {{0, 0, 0}, 1}}) {
    const Tensor offsets = offsets_of(values, batch);
    const auto leaves = op.leaves(batch, values.back(), offsets.size(1) - 1);
    check_gradients(
        [&](const auto& given) { return op.run(given, offsets); }, [&](const auto& given) { return one_by_one(op, given, offsets); }, leaves,
        c10::str("packed ", op.name, " ", at::IntArrayRef(values)));
    /* States that the kernels cannot number by one stride. */
    auto strided = leaves;
    strided.back() = leaves.back().transpose(0, 1).contiguous().transpose(0, 1);
    const auto [output, state] = op.run(leaves, offsets);
    const auto [same_output, same_state] = op.run(strided, offsets);
    check(at::equal(output, same_output) && at::equal(state, same_state), c10::str("packed ", op.name, " from strided states"));
  }
  const auto good = op.leaves(2, 5, 2);
  for (const Tensor& offsets :
       {at::zeros({2, 3}, at::kLong), at::tensor({0, 5}, at::kLong), at::tensor({0, 2, 5, 0, 2, 5}, at::kInt).reshape({2, 3}),
        offsets_of({0, 3, 5, 0, 6, 5}, 2), offsets_of({1, 2, 5, 0, 2, 5}, 2), offsets_of({0, 5, 0, 5}, 2)}) {
    check_throws([&] { op.run(good, offsets); }, c10::str(op.name, ": offsets that do not fit"));
  }
}

std::vector<Tensor> in_bfloat16(const SequenceOp& op, std::vector<Tensor> leaves) {
  for (size_t i = 0; i < leaves.size(); i++) {
    leaves[i] = leaves[i].to(op.tokens[i] ? at::kBFloat16 : at::kFloat);
  }
  return leaves;
}

void test_bfloat16(const SequenceOp& op) {
  for (const int64_t length : {0, 1, 9, 70}) {
    std::vector<Tensor> rounded;
    for (const Tensor& tensor : op.leaves(2, length, 0)) {
      rounded.push_back(leaf(tensor.to(at::kBFloat16).to(at::kDouble)));
    }
    const auto exact = [&](const auto& given) { return op.run(given, std::nullopt); };
    const auto reduced = [&](const auto& given) {
      const auto [y, state] = op.run(in_bfloat16(op, given), std::nullopt);
      check(y.scalar_type() == at::kBFloat16 && state.scalar_type() == at::kFloat, "bfloat16 gives sequences of bfloat16 and states of float");
      return Pair(y.to(at::kDouble), state.to(at::kDouble));
    };
    const std::string what = c10::str("bfloat16 ", op.name, " of length ", length);
    const auto [y, state] = exact(rounded);
    const auto [reduced_y, reduced_state] = reduced(rounded);
    check_close(reduced_y, y, 1e-2, what + ": output");
    check_close(reduced_state, state, 1e-5, what + ": state");
    const auto expected = gradients(exact, rounded, at::ones_like(y), at::ones_like(state));
    const auto actual = gradients(reduced, rounded, at::ones_like(y), at::ones_like(state));
    for (size_t i = 0; i < rounded.size(); i++) {
      check_close(actual[i], expected[i], 1e-2, what + c10::str(": gradient ", i));
    }
  }
  auto mixed = in_bfloat16(op, op.leaves(2, 5, 0));
  mixed.back() = mixed.back().to(at::kBFloat16);
  check_throws([&] { op.run(mixed, std::nullopt); }, c10::str(op.name, ": a state of bfloat16"));
}

std::vector<Tensor> first_token(const SequenceOp& op, std::vector<Tensor> leaves) {
  for (size_t i = 0; i < leaves.size(); i++) {
    leaves[i] = op.tokens[i] ? leaves[i].detach().select(1, 0) : leaves[i].detach();
  }
  return leaves;
}

void test_step(const SequenceOp& op) {
  const std::string what = c10::str("step of ", op.name);
  const auto leaves = op.leaves(3, 1, 0);
  const auto [output, after] = op.run(leaves, std::nullopt);
  const auto token = first_token(op, leaves);
  const Tensor state = token.back().clone();
  check_close(op.step(state, token, std::nullopt), output.select(1, 0), 1e-12, what + ": output");
  check_close(state, after, 1e-12, what + ": state");
  // In slots of a state whose last axis is not contiguous, with a row of padding.
  const Tensor slots = at::tensor({4, -1, 1}, at::kLong);
  const Tensor pool = at::randn({token.back().size(2), 5, token.back().size(1)}, kDouble).permute({1, 2, 0});
  const Tensor before = pool.clone();
  pool.select(0, 4).copy_(token.back()[0]);
  pool.select(0, 1).copy_(token.back()[2]);
  const Tensor in_slots = op.step(pool, token, slots);
  check_close(in_slots[0], output[0][0], 1e-12, what + ": output of a slot");
  check(at::equal(in_slots[1], at::zeros_like(in_slots[1])), what + ": output of padding");
  check_close(pool[4], after[0], 1e-12, what + ": state in a slot");
  check_close(pool[1], after[2], 1e-12, what + ": state in another slot");
  for (const int64_t other : {0, 2, 3}) {
    check(at::equal(pool[other], before[other]), what + ": another state");
  }
  const Tensor states = at::zeros_like(pool.contiguous());
  for (const Tensor& wrong :
       {at::tensor({0, 0, 1}, at::kLong), at::tensor({0, 5, 1}, at::kLong), at::tensor({0, -2, 1}, at::kLong), at::tensor({0, 1}, at::kLong),
        at::tensor({0, 1, 2}, at::kInt)}) {
    check_throws([&] { op.step(states, token, wrong); }, what + ": slots that do not fit");
  }
  check_throws([&] { op.step(states, token, std::nullopt); }, what + ": more states than rows");
  check_throws([&] { op.step(states[0].expand_as(states), token, slots); }, what + ": a state whose elements share memory");
  auto recorded = token;
  recorded[1] = leaf(recorded[1]);
  check_throws([&] { op.step(states, recorded, slots); }, what + ": a gradient is wanted");
  for (size_t i = 0; i < token.size() - 1; i++) {
    auto wrong = token;
    wrong[i] = at::zeros(wrong[i].sizes(), at::kFloat);
    check_throws([&] { op.step(states, wrong, slots); }, what + c10::str(": input ", i, " of another type"));
    wrong[i] = at::zeros({2, 9, 7, 1}, kDouble);
    check_throws([&] { op.step(states, wrong, slots); }, what + c10::str(": input ", i, " of a wrong shape"));
  }
}

template <const SequenceOp& kOp>
void test_op() {
  test_packed(kOp);
  test_bfloat16(kOp);
  test_step(kOp);
}

}  // namespace
}  // namespace djlmamba::test

int main(int count, char** arguments) {
  using namespace djlmamba::test;
  return run_tests(count, arguments, {test_op<kScan>, test_op<kConv>});
}
