/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import ai.djl.ndarray.NDArray;
import org.apiguardian.api.API;

/**
 * What a pre-norm residual layer adds around its mixer, x + f mixer(norm(x)) with an RMS norm, for
 * a provider's call of a whole layer.
 *
 * @param weight the weight of the norm, (M)
 * @param epsilon what the norm adds to the mean square
 * @param multiplier f
 */
@API(status = API.Status.INTERNAL)
public record ResidualNorm(NDArray weight, double epsilon, double multiplier) {}
