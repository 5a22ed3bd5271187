/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include <ATen/ATen.h>
#include <c10/core/CPUAllocator.h>

#include <algorithm>
#include <atomic>

#include "ops/checks.h"
#include "ops/ops.h"

/*
 * Sequences that grow without copying all of it for each token. A result lies in a buffer with room behind it; when more is appended to the sequence
 * that ends where the buffer is filled, it goes into that room, and the result is a longer view of the same buffer. The buffer knows itself how far it is filled,
 * so that a sequence remains what it was: if something has been appended to it before, it is copied. Memory is freed with the last view.
 */
namespace djlmamba {
namespace {

using at::Tensor;

constexpr const char* kOp = "sequence append";

/* Rows of a new buffer: half as many again as are needed, and at least this many more. */
constexpr int64_t kLeastRoom = 32;

/** The memory of a buffer (batch, capacity, ...). */
struct Buffer {
  c10::DataPtr memory;
  int64_t capacity = 0;
  /** Steps that are taken, the same ones in every batch. */
  std::atomic<int64_t> filled{0};
};

void delete_buffer(void* context) {
  delete static_cast<Buffer*>(context);
}

/** The elements of one step of one batch. */
int64_t step_elements(at::IntArrayRef sizes) {
  return c10::multiply_integers(sizes.slice(2));
}

/** A tensor (batch, length, ...) at a step of a buffer, with a version counter of its own: nobody else's view changes. */
Tensor view_of(const c10::Storage& storage, const Buffer& buffer, int64_t first, int64_t length, const Tensor& like) {
  std::vector<int64_t> sizes = like.sizes().vec();
  std::vector<int64_t> strides(sizes.size(), 1);
  for (size_t axis = sizes.size() - 1; axis > 1; axis--) {
    strides[axis - 1] = strides[axis] * sizes[axis];
  }
  strides[0] = strides[1] * buffer.capacity;
  sizes[1] = length;
  return at::empty({0}, like.options()).set_(storage, first * strides[1], sizes, strides);
}

/** The buffer that a sequence is the end of, if there is room behind it and nobody has taken it; it is taken then. */
Buffer* claimed(const Tensor& past, int64_t more) {
  const c10::DataPtr& data = past.storage().data_ptr();
  if (data.get_deleter() != &delete_buffer) {
    return nullptr;
  }
  auto* buffer = static_cast<Buffer*>(data.get_context());
  const int64_t step = step_elements(past.sizes());
  bool fits = past.stride(1) == step && (past.size(0) == 1 || past.stride(0) == step * buffer->capacity);
  int64_t dense = 1;
  for (int64_t axis = past.dim() - 1; axis > 1; axis--) {
    fits = fits && (past.size(axis) == 1 || past.stride(axis) == dense);
    dense *= past.size(axis);
  }
  if (!fits || past.storage_offset() % step != 0) {
    return nullptr;
  }
  int64_t end = past.storage_offset() / step + past.size(1);
  if (end + more > buffer->capacity || !buffer->filled.compare_exchange_strong(end, end + more)) {
    return nullptr;
  }
  return buffer;
}

Tensor in_new_buffer(const Tensor& past, const Tensor& more) {
  const int64_t length = past.size(1) + more.size(1);
  auto buffer = std::make_unique<Buffer>();
  buffer->capacity = length + std::max(kLeastRoom, length / 2);
  buffer->filled = length;
  const int64_t elements = past.size(0) * buffer->capacity * step_elements(past.sizes());
  const auto bytes = static_cast<size_t>(elements) * past.element_size();
  buffer->memory = c10::GetCPUAllocator()->allocate(bytes);
  Buffer* context = buffer.get();
  const c10::Storage storage(
      c10::Storage::use_byte_size_t(), bytes, c10::DataPtr(context->memory.get(), buffer.release(), &delete_buffer, past.device()), nullptr, false);
  const Tensor result = view_of(storage, *context, 0, length, past);
  result.narrow(1, 0, past.size(1)).copy_(past);
  result.narrow(1, past.size(1), more.size(1)).copy_(more);
  return result;
}

}  // namespace

Tensor sequence_append(const Tensor& past, const Tensor& more) {
  ArgumentCheck check(kOp, BFloat16Activations::kTaken);
  check.tensor("past", past);
  if (past.dim() < 2) {
    check.fail("past", c10::str("has shape ", past.sizes(), "; expected (B, T, ...)"));
  }
  std::vector<int64_t> expected = past.sizes().vec();
  expected[1] = more.defined() && more.dim() > 1 ? more.size(1) : -1;
  check.tensor("more", more, "(B, L, ...), with all but L as in past", expected);
  expected[1] = past.size(1) + more.size(1);
  expected[0] *= 2;  // the room
  check.elements("the result", expected);
  if (wants_gradient({past, more})) {
    return at::cat({past, more}, 1);
  }
  at::AutoDispatchBelowADInplaceOrView guard;
  if (past.numel() == 0 || more.numel() == 0) {
    return at::cat({past, more}, 1);
  }
  const at::NoGradGuard no_grad;
  if (Buffer* buffer = claimed(past, more.size(1))) {
    const int64_t first = past.storage_offset() / step_elements(past.sizes());
    view_of(past.storage(), *buffer, first + past.size(1), more.size(1), past).copy_(more);
    return view_of(past.storage(), *buffer, first, past.size(1) + more.size(1), past);
  }
  return in_new_buffer(past, more);
}

void define_sequence_append(torch::Library& library) {
  library.def("sequence_append(Tensor past, Tensor more) -> Tensor", &sequence_append);
}

}  // namespace djlmamba
