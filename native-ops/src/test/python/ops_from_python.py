# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
# A copy of the License is in the file LICENSE at the root of this project, and at
# http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
# permissions and limitations under the License.
"""The native ops from Python: loads the library and holds its ops to PyTorch's own gradcheck.

usage: python3 ops_from_python.py LIBRARY, with the PyTorch that the library was built for (see LIBTORCH_HOME in src/main/cpp/CMakeLists.txt)
"""

import sys

import torch

torch.ops.load_library(sys.argv[1])
ops = torch.ops.djlmamba
torch.manual_seed(1)


def leaf(*shape, scale=1.0, shift=0.0):
    return (torch.randn(*shape, dtype=torch.float64) * scale + shift).requires_grad_()


x, weight, bias = leaf(2, 3, 5), leaf(4, 5), leaf(4)
torch.testing.assert_close(ops.linear(x, weight, bias), torch.nn.functional.linear(x, weight, bias))
assert torch.autograd.gradcheck(ops.linear, (x, weight, bias))
assert torch.autograd.gradgradcheck(ops.linear, (x, weight, bias))

batch, length, channels, states, groups = 2, 7, 6, 3, 2
scan = (
    leaf(batch, length, channels),
    leaf(batch, length, channels, scale=0.1, shift=0.3),
    leaf(channels, states, scale=0.1, shift=-0.5),
    leaf(batch, length, groups, states),
    leaf(batch, length, groups, states),
    leaf(channels),
    leaf(batch, length, channels),
    leaf(channels),
    leaf(batch, channels, states),
)
assert torch.autograd.gradcheck(lambda *inputs: ops.selective_scan(*inputs, True), scan)

convolution = (leaf(batch, length, channels), leaf(channels, 4), leaf(channels), leaf(batch, 3, channels))
assert torch.autograd.gradcheck(lambda *inputs: ops.causal_conv1d(*inputs, True), convolution)

ours = [leaf(300, 7), leaf(11)]
theirs = [p.detach().clone().requires_grad_() for p in ours]
first, second = [[torch.zeros_like(p) for p in ours] for _ in range(2)]
optimizer = torch.optim.AdamW(theirs, lr=0.01, weight_decay=0.1)
for step in range(1, 5):
    for a, b in zip(ours, theirs):
        a.grad = torch.randn_like(a)
        b.grad = a.grad.clone()
    expected = torch.nn.utils.clip_grad_norm_(theirs, 0.5)
    optimizer.step()
    norm = ops.adam_step(ours, first, second, [True, True], step, 0.01, 0.9, 0.999, 1e-8, 0.1, True, 0.5, 1.0)
    assert abs(norm - expected.item()) < 1e-9
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
print("ok")
