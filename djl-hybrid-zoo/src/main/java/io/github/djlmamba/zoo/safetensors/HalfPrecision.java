/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.safetensors;

/**
 * Numbers of half precision, as the bits that are stored: IEEE float16 and bfloat16. Rounding goes
 * to the nearest, to the even one of two as near. What is no number stays so with its payload, as
 * far as there is room.
 */
final class HalfPrecision {

    private static final int INFINITY = 0x7f800000;
    private static final int HALF_INFINITY = 0x7c00;

    /** What rounds up to infinity in float16: 65,520, half-way from the largest to 65,536. */
    private static final int HALF_OVERFLOW = 0x477ff000;

    /** The smallest normal number of float16, 2 to the -14. */
    private static final int HALF_NORMAL = 0x38800000;

    /** The difference of the exponents' biases, in place. */
    private static final int HALF_BIAS = 112 << 23;

    private HalfPrecision() {}

    /** Returns the bits of the float32 that equals a bfloat16. */
    static int widenBfloat16(short bits) {
        return bits << 16;
    }

    /** Returns the bits of the float32 that equals a float16. */
    static int widenFloat16(short bits) {
        int sign = (bits & 0x8000) << 16;
        int magnitude = bits & 0x7fff;
        if (magnitude >= HALF_INFINITY) {
            return sign | INFINITY | (magnitude & 0x3ff) << 13;
        }
        // The product is exact, and brings numbers below the normal ones to their own exponent.
        float scaled = Float.intBitsToFloat(magnitude << 13) * 0x1p112f;
        return sign | Float.floatToRawIntBits(scaled);
    }

    /** Rounds a float32, given by its bits, to bfloat16. */
    static short roundToBfloat16(int bits) {
        if ((bits & 0x7fffffff) > INFINITY) {
            int upper = bits >>> 16;
            return (short) ((upper & 0x7f) == 0 ? upper | 0x40 : upper);
        }
        return (short) ((bits + 0x7fff + (bits >>> 16 & 1)) >>> 16);
    }

    /** Rounds a float32, given by its bits, to float16. */
    static short roundToFloat16(int bits) {
        int sign = bits >>> 16 & 0x8000;
        int magnitude = bits & 0x7fffffff;
        if (magnitude > INFINITY) {
            int payload = magnitude >>> 13 & 0x3ff;
            return (short) (sign | HALF_INFINITY | (payload == 0 ? 0x200 : payload));
        }
        if (magnitude >= HALF_OVERFLOW) {
            return (short) (sign | HALF_INFINITY);
        }
        if (magnitude < HALF_NORMAL) {
            // Beside 0.5 the last bit is worth 2 to the -24, as it is below the normal numbers.
            float shifted = Float.intBitsToFloat(magnitude) + 0.5f;
            return (short) (sign | Float.floatToRawIntBits(shifted) - 0x3f000000);
        }
        int rounded = magnitude + 0xfff + (magnitude >>> 13 & 1) - HALF_BIAS;
        return (short) (sign | rounded >>> 13);
    }

    /**
     * Returns the bits of a float32 that rounds to half precision as the double does: of the two
     * beside it the one with an odd last bit, so that the second rounding sees that the first was
     * not exact.
     */
    static int roundToOdd(double value) {
        float nearest = (float) value;
        int bits = Float.floatToRawIntBits(nearest);
        if (nearest == value || Double.isNaN(value)) {
            return bits;
        }
        boolean away = Math.abs((double) nearest) > Math.abs(value);
        return (away ? bits - 1 : bits) | 1;
    }
}
