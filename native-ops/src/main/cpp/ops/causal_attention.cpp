/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>

#include <algorithm>
#include <cmath>

#include "ops/checks.h"
#include "ops/linear_products.h"
#include "ops/ops.h"

/*
 * Causal attention over libtorch's scaled_dot_product_attention, whose fused kernel for the CPU keeps no scores in memory. What is done here is to hand it
 * queries, keys and values as views, without repeating the keys of a group of queries, and with as small a mask as will do. All of it is recorded for a
 * gradient as any operation of libtorch is.
 */
namespace djlmamba {
namespace {

using at::Tensor;

constexpr const char* kOp = "causal attention";

/* Queries at a time where a mask is needed: it has as many rows, and keys that none of them may read are left out. */
constexpr int64_t kLeastQueries = 128;
constexpr int64_t kMostQueries = 512;

/** Which keys the queries of a stretch may read: query i reads key j where offset + i - window < j <= offset + i. */
struct Mask {
  int64_t queries = 0;
  int64_t keys = 0;
  int64_t offset = 0;
  Tensor allowed;

  void set(int64_t new_queries, int64_t new_keys, int64_t new_offset, int64_t window, const Tensor& like) {
    if (allowed.defined() && queries == new_queries && keys == new_keys && offset == new_offset) {
      return;
    }
    queries = new_queries;
    keys = new_keys;
    offset = new_offset;
    allowed = at::ones({queries, keys}, like.options().dtype(at::kBool)).tril_(offset).triu_(offset - window + 1);
  }
};

Tensor attend(const Tensor& queries, const Tensor& keys, const Tensor& values, const std::optional<Tensor>& mask, bool causal, double scale) {
  return at::scaled_dot_product_attention(queries, keys, values, mask, 0, causal, scale);
}

/** One query of each row: those of a group read the same keys, and go as rows of one product. */
Tensor one_query(const Tensor& query, const Tensor& keys, const Tensor& values, double scale) {
  const int64_t key_heads = keys.size(2);
  const Tensor grouped = query.squeeze(1).unflatten(1, {key_heads, query.size(2) / key_heads});
  return attend(grouped, keys.transpose(1, 2), values.transpose(1, 2), std::nullopt, false, scale).flatten(1, 2).unsqueeze(1);
}

/** Queries (B, L, H, P) of keys and values (B, T, K, P), all or those that a mask allows. */
Tensor many_queries(const Tensor& queries, const Tensor& keys, const Tensor& values, const std::optional<Tensor>& mask, bool causal, double scale) {
  const int64_t key_heads = keys.size(2);
  const int64_t group = queries.size(2) / key_heads;
  if (group == 1) {
    return attend(queries.transpose(1, 2), keys.transpose(1, 2), values.transpose(1, 2), mask, causal, scale).transpose(1, 2);
  }
  // Key heads as batches and the queries of a group as heads, whose keys are one array with a stride of 0. Batches and heads together have no stride.
  std::vector<Tensor> rows;
  for (int64_t b = 0; b < queries.size(0); b++) {
    const auto expanded = [&](const Tensor& tensor) {
      return tensor.select(0, b).transpose(0, 1).unsqueeze(1).expand({key_heads, group, tensor.size(1), tensor.size(3)});
    };
    const Tensor grouped = queries.select(0, b).unflatten(1, {key_heads, group}).permute({1, 2, 0, 3});
    rows.push_back(attend(grouped, expanded(keys), expanded(values), mask, causal, scale).permute({2, 0, 1, 3}).flatten(1, 2));
  }
  return rows.size() == 1 ? rows[0].unsqueeze(0) : at::stack(rows);
}

Tensor windowed(const Tensor& queries, const Tensor& keys, const Tensor& values, double scale, int64_t window) {
  const int64_t length = queries.size(1);
  const int64_t past = keys.size(1) - length;
  const int64_t chunk = std::clamp(window, kLeastQueries, kMostQueries);
  Mask mask;
  std::vector<Tensor> outputs;
  for (int64_t begin = 0; begin < length; begin += chunk) {
    const int64_t count = std::min(chunk, length - begin);
    const int64_t first = std::max<int64_t>(0, past + begin - window + 1);
    const int64_t read = past + begin + count - first;
    mask.set(count, read, past + begin - first, window, keys);
    outputs.push_back(many_queries(
        queries.narrow(1, begin, count), keys.narrow(1, first, read), values.narrow(1, first, read), mask.allowed, false, scale));
  }
  return outputs.size() == 1 ? outputs[0] : at::cat(outputs, 1);
}

void check_arguments(const Tensor& queries, const Tensor& keys, const Tensor& values, double scale, int64_t window) {
  ArgumentCheck check(kOp, BFloat16Activations::kTaken);
  check.tensor("queries", queries);
  if (queries.dim() != 4 || queries.size(2) == 0 || queries.size(3) == 0) {
    check.fail("queries", c10::str("has shape ", queries.sizes(), "; expected (B, L, H, P) with at least one head and one channel"));
  }
  check.tensor("keys", keys);
  if (keys.dim() != 4 || keys.size(0) != queries.size(0) || keys.size(1) < queries.size(1) || keys.size(2) == 0 ||
      queries.size(2) % keys.size(2) != 0 || keys.size(3) != queries.size(3)) {
    check.fail("keys", c10::str("has shape ", keys.sizes(), "; expected (B, T, K, P) beside queries ", queries.sizes(),
                                ", with T at least L and K a divisor of H"));
  }
  check.tensor("values", values, "(B, T, K, P), as in keys", keys.sizes());
  if (!std::isfinite(scale)) {
    check.fail("scale", c10::str("is ", scale, "; expected a number"));
  }
  if (window < 0) {
    check.fail("window", c10::str("is ", window, "; expected 1 or more, or 0 for none"));
  }
  check.elements("the output", queries.sizes());
}

}  // namespace

Tensor causal_attention(const Tensor& queries, const Tensor& keys, const Tensor& values, double scale, int64_t window) {
  check_arguments(queries, keys, values, scale, window);
  // The result has the type of the arguments, whatever the precision of products.
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const int64_t total = keys.size(1);
  if (queries.numel() == 0) {
    return queries.clone(at::MemoryFormat::Contiguous);
  }
  if (queries.scalar_type() == at::kBFloat16 && queries.size(1) > 1 && !multiplies_in_bfloat16(Product::kOutput)) {
    return causal_attention(queries.to(at::kFloat), keys.to(at::kFloat), values.to(at::kFloat), scale, window).to(at::kBFloat16);
  }
  const int64_t reach = window == 0 ? total : std::min(window, total);
  const Tensor q = last_axis_contiguous(queries);
  const Tensor k = last_axis_contiguous(keys);
  const Tensor v = last_axis_contiguous(values);
  Tensor output;
  if (q.size(1) == 1) {
    output = one_query(q, k.narrow(1, total - reach, reach), v.narrow(1, total - reach, reach), scale);
  } else if (reach == total && q.size(1) == total && scale > 0) {
    // The fused kernel hides keys by minus infinity before it scales: any other scale would show them.
    output = many_queries(q, k, v, std::nullopt, true, scale);
  } else {
    output = windowed(q, k, v, scale, reach);
  }
  return output.contiguous();
}

void define_causal_attention(torch::Library& library) {
  library.def("causal_attention(Tensor queries, Tensor keys, Tensor values, float scale, int window=0) -> Tensor", &causal_attention);
}

}  // namespace djlmamba
