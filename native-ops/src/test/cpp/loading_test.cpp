/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
#include <cstdlib>
#include <filesystem>

#include "ops_testing.h"

/*
 * A second copy of the library in the process, as another class loader loads it, and what remains when the first is closed, as when its
 * class loader is collected.
 */
int main(int count, char** arguments) {
  using namespace djlmamba::test;
  namespace fs = std::filesystem;
  if (count != 2) {
    std::fprintf(stderr, "usage: %s LIBRARY\n", arguments[0]);
    return 2;
  }
  const auto works = [](const std::string& when) {
    const Tensor x = at::ones({3, 4}).requires_grad_(true);
    const Tensor y = call_linear(x, at::ones({2, 4}), std::nullopt);
    check_close(y, at::full({3, 2}, 4.0), 0, when);
    check_close(torch::autograd::grad({y.sum()}, {x})[0], at::full({3, 4}, 2.0), 0, when + ", gradient");
  };
  void* first = load(arguments[1]);
  works("the first copy");

  std::string folder = (fs::temp_directory_path() / "djlmamba-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) {
    std::perror("mkdtemp");
    return 2;
  }
  const fs::path copy = fs::path(folder) / "libdjlmamba.so";
  fs::copy_file(arguments[1], copy);
  void* second = load(copy.string());
  fs::remove_all(folder);
  check(first != second, "the copy is a library of its own");
  works("with a second copy");

  const Tensor x = at::ones({3, 4}).requires_grad_(true);
  const Tensor pending = call_linear(x, at::ones({2, 4}), std::nullopt).sum();
  check(dlclose(first) == 0 && dlclose(second) == 0, "closing");
  works("after both are closed");
  check_close(torch::autograd::grad({pending}, {x})[0], at::full({3, 4}, 2.0), 0, "a gradient that was pending");
  return finish();
}
