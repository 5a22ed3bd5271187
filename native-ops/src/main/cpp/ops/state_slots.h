/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "ops/checks.h"

namespace djlmamba {

/** Which of the states of a decode step each of its rows continues: one slot a row, or row r slot r where none are given. */
class StateSlots {
 public:
  /** Checks slots (rows) of int64: each is -1, for a row that is padding, or one of the states, and no state is named twice. */
  StateSlots(ArgumentCheck& check, const std::optional<at::Tensor>& slots, int64_t rows, int64_t states);

  /** The slots that were checked, or null. */
  const int64_t* data() const { return slots_.defined() ? slots_.const_data_ptr<int64_t>() : nullptr; }

 private:
  at::Tensor slots_;
};

/**
 * A state that a decode step changes in place, as kernels take it: its own memory, or a copy that write_back() returns where the last axis is not
 * contiguous.
 */
class InPlaceState {
 public:
  /** Checks that no two elements of the state share memory; its type and shape have been checked. */
  InPlaceState(ArgumentCheck& check, const char* name, const at::Tensor& state);

  /** To hand to a kernel. */
  const at::Tensor& tensor() const { return tensor_; }

  /** Ends the change: what was saved of the state for a gradient is out of date. */
  void write_back();

 private:
  at::Tensor original_;
  at::Tensor tensor_;
};

}  // namespace djlmamba
