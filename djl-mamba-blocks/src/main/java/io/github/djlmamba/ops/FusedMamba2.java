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
 * The inputs of a whole Mamba-2 block (Dao and Gu, 2024, section 7.1), or of the residual layer
 * around it, for a provider that predicts by it in one call, as {@link FusedMamba} is for Mamba.
 *
 * <p>Letters as in {@link StateSpaceDual}, with D = H P. Weights may be stored in bfloat16.
 *
 * @param x the input, (B, L, M)
 * @param inWeight the weight of the input projection to [z; x; B; C; dt], (2 D + 2 G N + H, M)
 * @param inBias its bias, or null
 * @param convolutionWeight (D + 2 G N, W)
 * @param convolutionBias (D + 2 G N), or null
 * @param deltaBias (H)
 * @param stateLog the logarithm of -A, (H)
 * @param skip (H) or (H, P)
 * @param normWeight (D), or null for no norm
 * @param outWeight the weight of the output projection, (M, D)
 * @param outBias its bias, (M), or null
 * @param convolutionState the convolution's last inputs, (B, W - 1, D + 2 G N); null at the start
 * @param dualState the state, (B, H, P, N); null at the start
 * @param heads H
 * @param groups G
 * @param gateFirst whether the gate stands before the norm
 * @param normGroups the groups of channels that are normalised by themselves
 * @param normEpsilon what is added to the mean square
 * @param deltaMinimum the least step size, or negative infinity
 * @param deltaMaximum the largest step size, or infinity
 * @param around the residual layer around the block, or null for the block alone
 */
@API(status = API.Status.INTERNAL)
public record FusedMamba2(
        NDArray x,
        NDArray inWeight,
        NDArray inBias,
        NDArray convolutionWeight,
        NDArray convolutionBias,
        NDArray deltaBias,
        NDArray stateLog,
        NDArray skip,
        NDArray normWeight,
        NDArray outWeight,
        NDArray outBias,
        NDArray convolutionState,
        NDArray dualState,
        long heads,
        long groups,
        boolean gateFirst,
        long normGroups,
        double normEpsilon,
        double deltaMinimum,
        double deltaMaximum,
        ResidualNorm around) {}
