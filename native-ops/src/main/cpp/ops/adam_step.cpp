/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>
#include <unordered_set>

#include "ops/checks.h"
#include "ops/ops.h"

/*
 * Adam over all parameters in two passes: the norm of the gradients, then the update. Both run over pieces of fixed size in a fixed order, so
 * that the result is bitwise the same for any number of threads.
 */

// The loops are compiled for several instruction sets, of which the loader takes the best. Sanitizers run before ifuncs are resolved.
#if defined(__x86_64__) && defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_UNDEFINED__) && !defined(__clang__)
#define DJLMAMBA_CLONES __attribute__((target_clones("avx512f", "avx2,fma", "default"), optimize("O3,no-math-errno,no-trapping-math")))
#else
#define DJLMAMBA_CLONES
#endif

namespace djlmamba {
namespace {

using at::Tensor;

constexpr int64_t kPieceElements = 8192;
/** Pieces that are worth a thread of their own. */
constexpr int64_t kPieceGrain = 4;

/** The constants of a step, in the type of the parameters. */
template <typename T>
struct Constants {
  T gradient_factor;
  T added_decay;    // of Adam: g + added_decay p
  T kept;           // of AdamW: p kept
  T beta1;
  T new1;
  T beta2;
  T new2;
  T correction2;
  T step_size;
  T epsilon;
};

template <typename T>
struct Piece {
  T* parameter;
  T* gradient;  // null for a gradient of zero
  T* first_moment;
  T* second_moment;
  int64_t elements;
  bool decay;
};

template <typename T>
__attribute__((always_inline)) inline double sum_of_squares_of(const T* values, int64_t elements) {
  constexpr int kLanes = 16;
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= elements; i += kLanes) {
    for (int lane = 0; lane < kLanes; lane++) {
      const double value = values[i + lane];
      lanes[lane] += value * value;
    }
  }
  double sum = 0;
  for (; i < elements; i++) {
    const double value = values[i];
    sum += value * value;
  }
  for (double lane : lanes) {
    sum += lane;
  }
  return sum;
}

template <typename T, bool kHasGradient>
__attribute__((always_inline)) inline void update_of(
    T* __restrict p, T* __restrict gradient, T* __restrict m, T* __restrict v, int64_t elements, const Constants<T>& c) {
  const Constants<T> k = c;
  for (int64_t i = 0; i < elements; i++) {
    const T before = p[i];
    T g = k.added_decay * before;
    if (kHasGradient) {
      g += k.gradient_factor * gradient[i];
      gradient[i] = 0;
    }
    const T first = k.beta1 * m[i] + k.new1 * g;
    const T second = k.beta2 * v[i] + k.new2 * g * g;
    m[i] = first;
    v[i] = second;
    p[i] = before * k.kept - k.step_size * first / (std::sqrt(second / k.correction2) + k.epsilon);
  }
}

DJLMAMBA_CLONES double sum_of_squares(const float* values, int64_t elements) {
  return sum_of_squares_of(values, elements);
}

DJLMAMBA_CLONES double sum_of_squares(const double* values, int64_t elements) {
  return sum_of_squares_of(values, elements);
}

DJLMAMBA_CLONES void update(const Piece<float>& piece, const Constants<float>& c) {
  if (piece.gradient != nullptr) {
    update_of<float, true>(piece.parameter, piece.gradient, piece.first_moment, piece.second_moment, piece.elements, c);
  } else {
    update_of<float, false>(piece.parameter, nullptr, piece.first_moment, piece.second_moment, piece.elements, c);
  }
}

DJLMAMBA_CLONES void update(const Piece<double>& piece, const Constants<double>& c) {
  if (piece.gradient != nullptr) {
    update_of<double, true>(piece.parameter, piece.gradient, piece.first_moment, piece.second_moment, piece.elements, c);
  } else {
    update_of<double, false>(piece.parameter, nullptr, piece.first_moment, piece.second_moment, piece.elements, c);
  }
}

/** A tensor that is updated in place, by way of a contiguous copy if it is not contiguous itself. */
struct InPlace {
  explicit InPlace(const Tensor& tensor) : original(tensor), contiguous(tensor.contiguous()) {}

  void finish() const {
    if (contiguous.is_same(original)) {
      if (!original.is_inference()) {
        original.unsafeGetTensorImpl()->bump_version();
      }
    } else {
      original.copy_(contiguous);
    }
  }

  Tensor original;
  Tensor contiguous;
};

struct Slot {
  InPlace parameter;
  Tensor gradient;   // contiguous, or undefined for zero
  Tensor original_gradient;
  InPlace first_moment;
  InPlace second_moment;
  bool decay;
};

template <typename T>
double step_of(std::vector<Slot>& slots, const AdamOptions& options) {
  std::vector<Piece<T>> pieces;
  for (const Slot& slot : slots) {
    T* parameter = slot.parameter.contiguous.template data_ptr<T>();
    T* gradient = slot.gradient.defined() ? slot.gradient.template data_ptr<T>() : nullptr;
    T* first = slot.first_moment.contiguous.template data_ptr<T>();
    T* second = slot.second_moment.contiguous.template data_ptr<T>();
    const int64_t elements = slot.parameter.original.numel();
    for (int64_t begin = 0; begin < elements; begin += kPieceElements) {
      const int64_t size = std::min(kPieceElements, elements - begin);
      pieces.push_back({parameter + begin, gradient == nullptr ? nullptr : gradient + begin, first + begin, second + begin, size, slot.decay});
    }
  }
  const auto count = static_cast<int64_t>(pieces.size());

  std::vector<double> sums(pieces.size());
  at::parallel_for(0, count, kPieceGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      sums[i] = pieces[i].gradient == nullptr ? 0 : sum_of_squares(pieces[i].gradient, pieces[i].elements);
    }
  });
  double sum = 0;
  for (double value : sums) {
    sum += value;
  }
  const double norm = std::sqrt(sum) * options.gradient_scale;
  if (!std::isfinite(norm)) {
    for (const Slot& slot : slots) {
      if (slot.original_gradient.defined()) {
        slot.original_gradient.zero_();
      }
    }
    return norm;
  }

  const double clip = options.max_gradient_norm > 0 ? std::min(1.0, options.max_gradient_norm / (norm + 1e-6)) : 1.0;
  const auto step = static_cast<double>(options.step);
  Constants<T> plain;
  plain.gradient_factor = static_cast<T>(options.gradient_scale * clip);
  plain.added_decay = 0;
  plain.kept = 1;
  plain.beta1 = static_cast<T>(options.beta1);
  plain.new1 = static_cast<T>(1 - options.beta1);
  plain.beta2 = static_cast<T>(options.beta2);
  plain.new2 = static_cast<T>(1 - options.beta2);
  plain.correction2 = static_cast<T>(1 - std::pow(options.beta2, step));
  plain.step_size = static_cast<T>(options.learning_rate / (1 - std::pow(options.beta1, step)));
  plain.epsilon = static_cast<T>(options.epsilon);
  Constants<T> decaying = plain;
  if (options.decoupled) {
    decaying.kept = static_cast<T>(1 - options.learning_rate * options.weight_decay);
  } else {
    decaying.added_decay = static_cast<T>(options.weight_decay);
  }
  at::parallel_for(0, count, kPieceGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      update(pieces[i], pieces[i].decay ? decaying : plain);
    }
  });
  for (const Slot& slot : slots) {
    slot.parameter.finish();
    slot.first_moment.finish();
    slot.second_moment.finish();
    if (slot.original_gradient.defined()) {
      if (slot.gradient.is_same(slot.original_gradient)) {
        slot.original_gradient.unsafeGetTensorImpl()->bump_version();
      } else {
        slot.original_gradient.zero_();
      }
    }
  }
  return norm;
}

/** Checks everything before anything changes. */
std::vector<Slot> checked_slots(
    at::TensorList parameters, at::TensorList first_moments, at::TensorList second_moments, const std::vector<bool>& decay) {
  ArgumentCheck check("Adam step");
  if (first_moments.size() != parameters.size() || second_moments.size() != parameters.size() || decay.size() != parameters.size()) {
    check.fail("the lists", "differ in length");
  }
  std::vector<Slot> slots;
  slots.reserve(parameters.size());
  std::unordered_set<const void*> seen;
  for (size_t i = 0; i < parameters.size(); i++) {
    const Tensor& parameter = parameters[i];
    const std::string slot = "slot " + std::to_string(i) + "'s ";
    check.tensor((slot + "parameter").c_str(), parameter);
    check.tensor((slot + "firstMoment").c_str(), first_moments[i], "the parameter's", parameter.sizes());
    check.tensor((slot + "secondMoment").c_str(), second_moments[i], "the parameter's", parameter.sizes());
    if (!parameter.requires_grad()) {
      continue;
    }
    if (!parameter.is_leaf()) {
      check.fail((slot + "parameter").c_str(), "is the result of a computation; expected a leaf of the graph");
    }
    for (const Tensor& tensor : {parameter, first_moments[i], second_moments[i]}) {
      if (tensor.numel() > 0 && !seen.insert(tensor.const_data_ptr()).second) {
        check.fail((slot + "parameter or a moment").c_str(), "shares its memory with another one");
      }
    }
    const Tensor original = parameter.grad();
    Tensor gradient = original;
    if (gradient.defined()) {
      if (gradient.layout() != at::kStrided) {
        gradient = gradient.to_dense();
      }
      check.tensor((slot + "gradient").c_str(), gradient, "the parameter's", parameter.sizes());
      gradient = gradient.contiguous();
    }
    slots.push_back({InPlace(parameter), gradient, original, InPlace(first_moments[i]), InPlace(second_moments[i]), decay[i]});
  }
  return slots;
}

double adam_step_of_lists(
    at::TensorList parameters, at::TensorList first_moments, at::TensorList second_moments, const c10::List<bool>& decay, int64_t step,
    double learning_rate, double beta1, double beta2, double epsilon, double weight_decay, bool decoupled, double max_gradient_norm,
    double gradient_scale) {
  return adam_step(
      parameters, first_moments, second_moments, std::vector<bool>(decay.begin(), decay.end()),
      {step, learning_rate, beta1, beta2, epsilon, weight_decay, decoupled, max_gradient_norm, gradient_scale});
}

}  // namespace

double adam_step(
    at::TensorList parameters, at::TensorList first_moments, at::TensorList second_moments, const std::vector<bool>& decay,
    const AdamOptions& options) {
  at::NoGradGuard no_grad;
  TORCH_CHECK_VALUE(options.step >= 1, "Adam step: step is ", options.step, "; steps count from 1");
  std::vector<Slot> slots = checked_slots(parameters, first_moments, second_moments, decay);
  if (slots.empty()) {
    return 0;
  }
  return slots[0].parameter.original.scalar_type() == at::kDouble ? step_of<double>(slots, options) : step_of<float>(slots, options);
}

void define_adam_step(torch::Library& library) {
  library.def(
      "adam_step(Tensor(a!)[] parameters, Tensor(b!)[] first_moments, Tensor(c!)[] second_moments, bool[] decay, int step, "
      "float learning_rate, float beta1, float beta2, float epsilon, float weight_decay, bool decoupled, float max_gradient_norm, "
      "float gradient_scale) -> float",
      &adam_step_of_lists);
}

}  // namespace djlmamba
