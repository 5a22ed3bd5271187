/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.safetensors;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.SplittableRandom;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Compares with the definitions of the formats, in double precision. */
class HalfPrecisionTest {

    private static final int PATTERNS = 1 << 16;

    @Test
    void widensEveryPattern() {
        for (int bits = 0; bits < PATTERNS; bits++) {
            int half = bits;
            double expected = float16(bits);
            float widened = Float.intBitsToFloat(HalfPrecision.widenFloat16((short) bits));
            assertEquals(expected, widened, () -> "float16 " + Integer.toHexString(half));
            assertEquals(
                    bfloat16(bits),
                    Float.intBitsToFloat(HalfPrecision.widenBfloat16((short) bits)),
                    () -> "bfloat16 " + Integer.toHexString(half));
        }
    }

    @Test
    void convertsChunksAsOneByOne() {
        for (TensorType type : new TensorType[] {TensorType.F16, TensorType.BF16}) {
            ElementConversion conversion = ElementConversion.of(type, TensorType.F32).orElseThrow();
            // Whole chunks and a rest.
            int[] patterns = IntStream.range(0, PATTERNS + 3).map(i -> i & 0xffff).toArray();
            ByteBuffer stored = buffer(patterns.length * Short.BYTES);
            for (int pattern : patterns) {
                stored.putShort((short) pattern);
            }
            ByteBuffer widened = buffer(patterns.length * Integer.BYTES);
            for (int first = 0; first < patterns.length; first += ElementConversion.CHUNK) {
                stored.position(first * Short.BYTES);
                widened.position(first * Integer.BYTES);
                int count = Math.min(ElementConversion.CHUNK, patterns.length - first);
                conversion.convert(stored, widened, count);
            }
            for (int i = 0; i < patterns.length; i++) {
                short pattern = (short) patterns[i];
                assertEquals(
                        type == TensorType.F16
                                ? HalfPrecision.widenFloat16(pattern)
                                : HalfPrecision.widenBfloat16(pattern),
                        widened.getInt(i * Integer.BYTES));
            }
        }
    }

    private static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.nativeOrder());
    }

    @Test
    void roundsEveryPatternToItself() {
        for (int bits = 0; bits < PATTERNS; bits++) {
            assertEquals(
                    (short) bits,
                    HalfPrecision.roundToFloat16(HalfPrecision.widenFloat16((short) bits)));
            assertEquals(
                    (short) bits,
                    HalfPrecision.roundToBfloat16(HalfPrecision.widenBfloat16((short) bits)));
        }
    }

    @Test
    void roundsToNearestEven() {
        // Between each pattern and the next: the middle, and the floats beside it.
        for (int bits = 0; bits < PATTERNS / 2 - 1; bits++) {
            checkAround(float16(bits), float16(bits + 1));
            checkAround(bfloat16(bits), bfloat16(bits + 1));
        }
        // What is beyond the largest float16 rounds as if the exponent went on.
        check(65519.996f);
        check(65520f);
        check(-65520f);
        check(Float.MAX_VALUE);
        check(Float.POSITIVE_INFINITY);
        check(Float.MIN_VALUE);
        SplittableRandom random = new SplittableRandom(1);
        for (int i = 0; i < 200_000; i++) {
            check(Float.intBitsToFloat(random.nextInt()));
        }
    }

    @Test
    void keepsThatItIsNoNumber() {
        for (int low = 1; low < 1 << 13; low++) {
            short half = HalfPrecision.roundToFloat16(0x7f800000 | low);
            assertTrue(Double.isNaN(float16(half & 0xffff)));
            short brain = HalfPrecision.roundToBfloat16(0xff800000 | low);
            assertTrue(Double.isNaN(bfloat16(brain & 0xffff)));
        }
    }

    @Test
    void roundsDoublesOnce() {
        SplittableRandom random = new SplittableRandom(2);
        for (int i = 0; i < 200_000; i++) {
            int bits = random.nextInt(0x7c00);
            double middle = (float16(bits) + next(bits)) / 2;
            // A difference that float32 does not see decides.
            double above = Math.nextUp(middle);
            double below = Math.nextDown(middle);
            assertEquals(nearest(above, HalfPrecisionTest::float16, 0x7c00), toFloat16(above));
            assertEquals(nearest(below, HalfPrecisionTest::float16, 0x7c00), toFloat16(below));
            assertEquals(toFloat16(above) | 0x8000, toFloat16(-above));
        }
        assertEquals(0x7c00, toFloat16(1e300));
        assertEquals(0, toFloat16(1e-300));
        assertEquals(0x7f80, toBfloat16(1e300));
        assertEquals(0x8000, toBfloat16(-1e-300));
        assertTrue(Double.isNaN(float16(toFloat16(Double.NaN))));
    }

    private static double next(int bits) {
        return bits + 1 == 0x7c00 ? 65536 : float16(bits + 1);
    }

    private static int toFloat16(double value) {
        return HalfPrecision.roundToFloat16(HalfPrecision.roundToOdd(value)) & 0xffff;
    }

    private static int toBfloat16(double value) {
        return HalfPrecision.roundToBfloat16(HalfPrecision.roundToOdd(value)) & 0xffff;
    }

    private static void checkAround(double left, double right) {
        if (Double.isNaN(left) || Double.isNaN(right) || Double.isInfinite(right)) {
            return;
        }
        float middle = (float) ((left + right) / 2);
        check(middle);
        check(Math.nextUp(middle));
        check(Math.nextDown(middle));
        check(-middle);
    }

    private static void check(float value) {
        if (Float.isNaN(value)) {
            return;
        }
        int bits = Float.floatToRawIntBits(value);
        int sign = bits >>> 16 & 0x8000;
        double magnitude = Math.abs(value);
        assertEquals(
                sign | nearest(magnitude, HalfPrecisionTest::float16, 0x7c00),
                HalfPrecision.roundToFloat16(bits) & 0xffff,
                () -> "float16 of " + value);
        assertEquals(
                sign | nearest(magnitude, HalfPrecisionTest::bfloat16, 0x7f80),
                HalfPrecision.roundToBfloat16(bits) & 0xffff,
                () -> "bfloat16 of " + value);
    }

    /** Searches for the nearest of the patterns of numbers that are not negative. */
    private static int nearest(double value, IntToDoubleFunction decode, int infinity) {
        int low = 0;
        int high = infinity;
        while (high - low > 1) {
            int middle = (low + high) >>> 1;
            if (decode.applyAsDouble(middle) <= value) {
                low = middle;
            } else {
                high = middle;
            }
        }
        double below = decode.applyAsDouble(low);
        // Infinity stands where the next number would.
        double above =
                high == infinity
                        ? 2 * decode.applyAsDouble(high - 1) - decode.applyAsDouble(high - 2)
                        : decode.applyAsDouble(high);
        double toLow = value - below;
        double toHigh = above - value;
        if (toLow == toHigh) {
            return low % 2 == 0 ? low : high;
        }
        return toLow < toHigh ? low : high;
    }

    private static double float16(int bits) {
        return decode(bits, 5, 10);
    }

    private static double bfloat16(int bits) {
        return decode(bits, 8, 7);
    }

    /** The value of a pattern by the definition of IEEE 754. */
    private static double decode(int bits, int exponentBits, int fractionBits) {
        double sign = bits << 16 < 0 ? -1 : 1;
        int exponent = bits >> fractionBits & (1 << exponentBits) - 1;
        double fraction = (bits & (1 << fractionBits) - 1) / (double) (1 << fractionBits);
        int bias = (1 << exponentBits - 1) - 1;
        if (exponent == (1 << exponentBits) - 1) {
            return fraction == 0 ? sign * Double.POSITIVE_INFINITY : Double.NaN;
        }
        return exponent == 0
                ? sign * fraction * Math.pow(2, 1 - bias)
                : sign * (1 + fraction) * Math.pow(2, exponent - bias);
    }
}
