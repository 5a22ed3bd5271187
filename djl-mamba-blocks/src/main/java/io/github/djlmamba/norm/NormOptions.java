/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.norm;

import ai.djl.nn.Block;
import ai.djl.nn.norm.LayerNorm;
import org.apiguardian.api.API;

/**
 * Which normalisation a model uses. Immutable and thread safe.
 *
 * @param kind the formula
 * @param epsilon what is added to the variance or mean square
 */
@API(status = API.Status.EXPERIMENTAL)
public record NormOptions(Kind kind, float epsilon) {

    static final float DEFAULT_EPSILON = 1e-5f;

    /** Layer normalisation with an epsilon of 1e-5. */
    public static final NormOptions LAYER_NORM = new NormOptions(Kind.LAYER_NORM, DEFAULT_EPSILON);

    /** Root mean square normalisation with an epsilon of 1e-5. */
    public static final NormOptions RMS_NORM = new NormOptions(Kind.RMS_NORM, DEFAULT_EPSILON);

    /** The formulas. */
    public enum Kind {
        /** Mean and variance of each vector removed, then weight and bias (Ba et al., 2016). */
        LAYER_NORM,
        /** Root mean square of each vector removed, then a weight: {@link RmsNorm}. */
        RMS_NORM
    }

    /**
     * Checks the settings.
     *
     * @throws IllegalArgumentException if one is missing or out of range
     */
    public NormOptions {
        if (kind == null) {
            throw new IllegalArgumentException("norm: the kind is null; choose one of Kind");
        }
        checkEpsilon(epsilon);
    }

    /**
     * Builds a block that normalises (B, L, M) over its last axis.
     *
     * @param size M
     * @return a new block, not yet initialised
     */
    public Block newBlock(long size) {
        return switch (kind) {
            case LAYER_NORM -> LayerNorm.builder().axis(2).optEpsilon(epsilon).build();
            case RMS_NORM -> RmsNorm.builder().setSize(size).optEpsilon(epsilon).build();
        };
    }

    static void checkEpsilon(float epsilon) {
        if (!(epsilon > 0) || Float.isInfinite(epsilon)) {
            throw new IllegalArgumentException(
                    "norm: epsilon is " + epsilon + "; expected a small positive number");
        }
    }
}
