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
 * The inputs of a whole Mamba block (Gu and Dao, 2023, section 3.4), or of the residual layer
 * around it, for a provider that predicts by it in one call: a single token takes less time than
 * the calls of its ops one by one. It has no naive form: where a provider does not offer it the ops
 * are called.
 *
 * <p>Letters as in {@link SelectiveScan}; R is the rank of delta. Weights may be stored in
 * bfloat16.
 *
 * @param x the input, (B, L, M)
 * @param inWeight the weight of the input projection to [u; z], (2 D, M)
 * @param inBias its bias, (2 D), or null
 * @param convolutionWeight (D, W)
 * @param convolutionBias (D), or null
 * @param scanWeight the weight of the projection of u to [r; B; C], (R + 2 N, D)
 * @param deltaWeight the weight of the projection of r to delta, (D, R)
 * @param deltaBias (D)
 * @param stateLog the logarithm of -A, (D, N)
 * @param skip (D)
 * @param outWeight the weight of the output projection, (M, D)
 * @param outBias its bias, (M), or null
 * @param convolutionState the convolution's last inputs, (B, W - 1, D); null at the start
 * @param scanState the scan's state, (B, D, N); null at the start
 * @param around the residual layer around the block, or null for the block alone
 */
@API(status = API.Status.INTERNAL)
public record FusedMamba(
        NDArray x,
        NDArray inWeight,
        NDArray inBias,
        NDArray convolutionWeight,
        NDArray convolutionBias,
        NDArray scanWeight,
        NDArray deltaWeight,
        NDArray deltaBias,
        NDArray stateLog,
        NDArray skip,
        NDArray outWeight,
        NDArray outBias,
        NDArray convolutionState,
        NDArray scanState,
        ResidualNorm around) {}
