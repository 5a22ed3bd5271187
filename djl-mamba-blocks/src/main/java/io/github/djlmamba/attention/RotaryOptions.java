/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.attention;

import io.github.djlmamba.ops.RotaryEmbedding;
import org.apiguardian.api.API;

/**
 * How a {@link CausalSelfAttentionBlock} turns queries and keys by their positions: the settings of
 * the {@link RotaryEmbedding} op. Immutable and thread safe.
 *
 * @param base the base of the frequencies, often called theta
 * @param fraction the part of each head's channels that is turned, above 0 and at most 1
 * @param interleaved whether pairs of channels are neighbours, rather than a half apart
 */
@API(status = API.Status.EXPERIMENTAL)
public record RotaryOptions(double base, double fraction, boolean interleaved) {

    /** All channels, pairs a half apart, a base of 10,000. */
    public static final RotaryOptions DEFAULTS =
            new RotaryOptions(RotaryEmbedding.DEFAULT_BASE, 1, false);

    /**
     * Checks the settings.
     *
     * @throws IllegalArgumentException if one is out of range
     */
    public RotaryOptions {
        if (!(base > 0) || Double.isInfinite(base)) {
            throw new IllegalArgumentException(
                    "rotary embedding: the base is " + base + "; expected a positive number");
        }
        if (!(fraction > 0 && fraction <= 1)) {
            throw new IllegalArgumentException(
                    "rotary embedding: the fraction is "
                            + fraction
                            + "; expected a number above 0 and at most 1");
        }
    }

    /**
     * Returns these settings with another base.
     *
     * @param newBase a positive number
     * @return the settings
     */
    public RotaryOptions withBase(double newBase) {
        return new RotaryOptions(newBase, fraction, interleaved);
    }

    /**
     * Returns these settings with another part of the channels.
     *
     * @param newFraction above 0 and at most 1
     * @return the settings
     */
    public RotaryOptions withFraction(double newFraction) {
        return new RotaryOptions(base, newFraction, interleaved);
    }

    /**
     * Returns these settings with another choice of pairs.
     *
     * @param newInterleaved true for neighbours
     * @return the settings
     */
    public RotaryOptions withInterleaved(boolean newInterleaved) {
        return new RotaryOptions(base, fraction, newInterleaved);
    }

    /**
     * Returns the number of channels that are turned.
     *
     * @param headSize P
     * @return the fraction of P, rounded down
     * @throws IllegalArgumentException if that is not an even number of at least 2
     */
    long rotated(long headSize) {
        long rotated = (long) (headSize * fraction);
        if (rotated < 2 || rotated % 2 != 0) {
            throw new IllegalArgumentException(
                    "rotary embedding: "
                            + fraction
                            + " of a head size of "
                            + headSize
                            + " is "
                            + rotated
                            + " channels; expected an even number of at least 2");
        }
        return rotated;
    }
}
