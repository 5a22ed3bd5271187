/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
/**
 * The sequence ops: one class per op, which holds the op's inputs by name, its checks, its formula
 * and its naive form; an interface that lists the ops, implemented by each provider; and the lookup
 * that picks a provider.
 *
 * <p>Arrays are channels last: (B, L, D) for sequences, (B, L, G, N) for the groups' input and
 * output matrices, (B, D, N) for states, with B the batch, L the length, D the channels, G the
 * groups and N the state size. Every op is differentiable in every floating input.
 */
package io.github.djlmamba.ops;
