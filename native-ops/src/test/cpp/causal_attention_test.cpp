/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include <ATen/Parallel.h>

#include "ops_gradients.h"

/* Causal attention, the rotary embedding and growing sequences against naive forms in torch and against central differences. */
namespace djlmamba::test {
namespace {

Tensor causal_attention(const Tensor& queries, const Tensor& keys, const Tensor& values, double scale, int64_t window) {
  return op<Tensor(const Tensor&, const Tensor&, const Tensor&, double, int64_t)>("djlmamba::causal_attention")
      .call(queries, keys, values, scale, window);
}

Tensor rotary_embedding(const Tensor& x, int64_t rotated, int64_t position, double base, bool interleaved) {
  return op<Tensor(const Tensor&, int64_t, int64_t, double, bool)>("djlmamba::rotary_embedding").call(x, rotated, position, base, interleaved);
}

Tensor sequence_append(const Tensor& past, const Tensor& more) {
  return op<Tensor(const Tensor&, const Tensor&)>("djlmamba::sequence_append").call(past, more);
}

Pair twice(const Tensor& y) { return {y, y}; }

Tensor naive_attention(const Tensor& queries, const Tensor& keys, const Tensor& values, double scale, int64_t window) {
  const int64_t group = queries.size(2) / keys.size(2);
  const auto heads = [&](const Tensor& tensor) { return tensor.repeat_interleave(group, 2).transpose(1, 2); };
  const int64_t past = keys.size(1) - queries.size(1);
  Tensor allowed = at::ones({queries.size(1), keys.size(1)}, at::kBool).tril(past);
  allowed = window > 0 ? allowed.triu(past - window + 1) : allowed;
  const Tensor scores = at::matmul(queries.transpose(1, 2), heads(keys).transpose(2, 3)) * scale;
  const Tensor weights = at::softmax(scores.masked_fill(allowed.logical_not(), -std::numeric_limits<double>::infinity()), -1);
  return at::matmul(weights, heads(values)).transpose(1, 2);
}

void test_attention() {
  struct Sizes {
    int64_t batch, past, length, heads, key_heads, head_size;
  };
  for (const Sizes& s : std::vector<Sizes>{
           {2, 0, 1, 2, 2, 4}, {2, 0, 7, 2, 2, 5}, {1, 0, 9, 4, 2, 8}, {3, 0, 4, 6, 2, 3}, {2, 6, 1, 6, 2, 16}, {2, 4, 5, 4, 1, 7}, {1, 130, 300, 2, 1, 8}}) {
    for (const int64_t window : {0, 1, 3, 140}) {
      for (const double scale : {0.4, -0.4}) {
        for (const Layout layout : {Layout::kPlain, Layout::kSliced, Layout::kTransposed}) {
          const std::vector<Tensor> leaves = {
              leaf(at::randn({s.batch, s.length, s.heads, s.head_size}, kDouble)),
              leaf(at::randn({s.batch, s.past + s.length, s.key_heads, s.head_size}, kDouble)),
              leaf(at::randn({s.batch, s.past + s.length, s.key_heads, s.head_size}, kDouble))};
          check_gradients(
              [&](const auto& g) {
                return twice(causal_attention(laid_out(g[0], layout), laid_out(g[1], layout), laid_out(g[2], layout), scale, window));
              },
              [&](const auto& g) { return twice(naive_attention(g[0], g[1], g[2], scale, window)); }, leaves,
              c10::str("attention ", leaves[0].sizes(), " of ", leaves[1].sizes(), " window ", window, " scale ", scale));
        }
      }
    }
  }
  const std::vector<Tensor> leaves = {leaf(at::randn({1, 3, 2, 3}, kDouble)), leaf(at::randn({1, 4, 1, 3}, kDouble)), leaf(at::randn({1, 4, 1, 3}, kDouble))};
  check_differences([](const auto& g) { return twice(causal_attention(g[0], g[1], g[2], 0.6, 2)); }, leaves, "attention");
  const Tensor q = at::ones({2, 3, 4, 5});
  const Tensor k = at::ones({2, 3, 2, 5});
  check_throws([&] { causal_attention(q, at::ones({2, 3, 3, 5}), at::ones({2, 3, 3, 5}), 1, 0); }, "attention: key heads that do not divide the heads");
  check_throws([&] { causal_attention(q, at::ones({2, 2, 2, 5}), at::ones({2, 2, 2, 5}), 1, 0); }, "attention: fewer keys than queries");
  check_throws([&] { causal_attention(q, k, at::ones({2, 3, 2, 6}), 1, 0); }, "attention: values of a wrong shape");
  check_throws([&] { causal_attention(q, k.to(at::kDouble), k, 1, 0); }, "attention: keys of another type");
  check_throws([&] { causal_attention(q, k, k, std::nan(""), 0); }, "attention: the scale is no number");
  check_throws([&] { causal_attention(q, k, k, 1, -1); }, "attention: a negative window");
  check_throws([&] { causal_attention(q.select(0, 0), k, k, 1, 0); }, "attention: queries without a batch");
  check_throws([&] { causal_attention(at::ones({2, 3, 0, 5}), k, k, 1, 0); }, "attention: no heads");
  check(causal_attention(at::ones({2, 0, 4, 5}), k, k, 1, 0).numel() == 0, "attention without queries");
}

Tensor naive_rotary(const Tensor& x, int64_t rotated, int64_t position, double base, bool interleaved) {
  const int64_t pairs = rotated / 2;
  const Tensor frequency = at::pow(base, at::arange(pairs, kDouble) * (-2.0 / static_cast<double>(rotated)));
  const Tensor angle = ((at::arange(x.size(1), kDouble) + position).unsqueeze(1) * frequency).unsqueeze(1);
  const Tensor turned = x.narrow(-1, 0, rotated);
  const Tensor split = interleaved ? turned.unflatten(-1, {pairs, 2}) : turned.unflatten(-1, {2, pairs}).transpose(-1, -2);
  const Tensor a = split.select(-1, 0);
  const Tensor b = split.select(-1, 1);
  const Tensor both = at::stack({a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()}, -1);
  const Tensor joined = (interleaved ? both : both.transpose(-1, -2)).flatten(-2);
  return at::cat({joined, x.narrow(-1, rotated, x.size(-1) - rotated)}, -1);
}

void test_rotary() {
  for (const auto& [size, rotated] : std::vector<std::pair<int64_t, int64_t>>{{2, 2}, {8, 8}, {33, 20}, {64, 32}}) {
    for (const int64_t position : {0, 5, 1000}) {
      for (const bool interleaved : {false, true}) {
        for (const Layout layout : {Layout::kPlain, Layout::kSliced, Layout::kTransposed}) {
          check_gradients(
              [&, rotated = rotated](const auto& g) { return twice(rotary_embedding(laid_out(g[0], layout), rotated, position, 1000, interleaved)); },
              [&, rotated = rotated](const auto& g) { return twice(naive_rotary(g[0], rotated, position, 1000, interleaved)); },
              {leaf(at::randn({2, 37, 3, size}, kDouble))}, c10::str("rotary ", size, " rotated ", rotated, " position ", position));
        }
      }
    }
  }
  const Tensor x = at::ones({1, 2, 3, 4});
  check_throws([&] { rotary_embedding(x, 3, 0, 100, false); }, "rotary: an odd number of channels");
  check_throws([&] { rotary_embedding(x, 6, 0, 100, false); }, "rotary: more channels than there are");
  check_throws([&] { rotary_embedding(x, 0, 0, 100, false); }, "rotary: no channels");
  check_throws([&] { rotary_embedding(x, 2, -1, 100, false); }, "rotary: a negative position");
  check_throws([&] { rotary_embedding(x, 2, 0, 0, false); }, "rotary: no base");
  check_throws([&] { rotary_embedding(x.select(0, 0), 2, 0, 100, false); }, "rotary: x without a batch");
}

/** What shares memory, what is copied, and that an older sequence remains what it was. */
void test_append() {
  const at::NoGradGuard no_grad;
  const auto same_memory = [](const Tensor& a, const Tensor& b) { return a.storage().data() == b.storage().data(); };
  Tensor grown = at::randn({2, 3, 4});
  std::vector<Tensor> history = {grown};
  std::vector<Tensor> expected = {grown.clone()};
  int copies = 0;
  for (int i = 0; i < 500; i++) {
    const Tensor more = at::randn({2, 1 + i % 2, 4});
    grown = sequence_append(history.back(), more);
    copies += same_memory(grown, history.back()) ? 0 : 1;
    history.push_back(grown);
    expected.push_back(at::cat({expected.back(), more}, 1));
  }
  check(copies < 10, c10::str("500 appends copy ", copies, " times"));
  // A branch from an older one is a copy; then it grows by itself.
  const Tensor branch = sequence_append(history[400], at::zeros({2, 1, 4}));
  check(!same_memory(branch, history[400]), "a branch has memory of its own");
  check(same_memory(sequence_append(branch, at::zeros({2, 1, 4})), branch), "a branch grows in its memory");
  // The end of a sequence grows as the whole does; other parts do not.
  const Tensor end = grown.narrow(1, 300, grown.size(1) - 300);
  check(at::equal(sequence_append(end, at::ones({2, 1, 4})), at::cat({end, at::ones({2, 1, 4})}, 1)), "the end of a sequence grows");
  check(!same_memory(sequence_append(grown.narrow(1, 0, 5), at::ones({2, 1, 4})), grown), "the start of a sequence is copied");
  check(!same_memory(sequence_append(grown.narrow(2, 0, 2), at::ones({2, 1, 2})), grown), "some channels of a sequence are copied");
  const Tensor row = grown.narrow(0, 1, 1);
  check(at::equal(sequence_append(row, at::ones({1, 1, 4})), at::cat({row, at::ones({1, 1, 4})}, 1)), "one row of a sequence");
  for (size_t i = 0; i < history.size(); i++) {
    check(at::equal(history[i], expected[i]), c10::str("sequence ", i, " remains what it was"));
  }
  check_throws([] { sequence_append(at::ones({2, 3}), at::ones({3, 3})); }, "append: another batch");
  check_throws([] { sequence_append(at::ones({2, 3, 4}), at::ones({2, 3, 5})); }, "append: other channels");
  check_throws([] { sequence_append(at::ones({2}), at::ones({2})); }, "append: no axis to grow along");
  check_throws([] { sequence_append(at::ones({2, 3}), at::ones({2, 3}, kDouble)); }, "append: another type");
  const Tensor huge = at::zeros({1}).expand({int64_t{1} << 30, int64_t{1} << 30});
  check_throws([&] { sequence_append(huge, huge); }, "append: more than can be addressed");
}

/** The memory of a buffer lives as long as a sequence in it, and no longer. */
void test_append_memory() {
  const at::NoGradGuard no_grad;
  Tensor first = sequence_append(at::ones({1, 3, 4}), at::ones({1, 1, 4}));
  const auto memory = first.storage().getWeakStorageImpl();
  Tensor second = sequence_append(first, at::zeros({1, 1, 4}));
  check(second.storage().data() == first.storage().data(), "two sequences share a buffer");
  first = Tensor();
  check(!memory.expired() && second.sum().item<float>() == 16, "the longer sequence keeps the buffer");
  second = Tensor();
  check(memory.expired(), "the last sequence frees the buffer");
}

void test_append_gradients() {
  const std::vector<Tensor> leaves = {leaf(at::randn({2, 3, 4}, kDouble)), leaf(at::randn({2, 2, 4}, kDouble))};
  check_gradients(
      [](const auto& g) { return twice(sequence_append(g[0], g[1])); }, [](const auto& g) { return twice(at::cat({g[0], g[1]}, 1)); }, leaves, "append");
}

void test_threads() {
  const auto run = [] {
    at::manual_seed(5);
    const std::vector<Tensor> leaves = {leaf(at::randn({2, 200, 4, 24})), leaf(at::randn({2, 250, 2, 24})), leaf(at::randn({2, 250, 2, 24}))};
    const Tensor output = causal_attention(
        rotary_embedding(leaves[0], 24, 50, 1000, false), rotary_embedding(leaves[1], 24, 0, 1000, false), leaves[2], 0.3, 100);
    std::vector<Tensor> results = torch::autograd::grad({output.pow(2).sum()}, leaves);
    results.push_back(output.detach());
    return results;
  };
  at::set_num_threads(1);
  const auto one = run();
  at::set_num_threads(2);
  const auto two = run();
  for (size_t i = 0; i < one.size(); i++) {
    check_close(two[i], one[i], 1e-5, c10::str("one and two threads, result ", i));
    check(at::equal(two[i], run()[i]), c10::str("two threads repeat to the bit, result ", i));
  }
}

}  // namespace
}  // namespace djlmamba::test

int main(int count, char** arguments) {
  using namespace djlmamba::test;
  return run_tests(count, arguments, {test_attention, test_rotary, test_append, test_append_memory, test_append_gradients, test_threads});
}
