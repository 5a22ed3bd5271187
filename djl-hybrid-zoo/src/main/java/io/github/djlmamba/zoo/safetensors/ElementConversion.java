/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.safetensors;

import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Converts a run of numbers from one type to another. Floating types convert to each other, rounded
 * once to nearest even; integers to wider ones. The byte buffers are in the machine's byte order.
 * Not thread safe.
 */
abstract class ElementConversion {

    /** The numbers that are converted at a time, which stay in the processor's cache. */
    static final int CHUNK = 1 << 14;

    /** Converts numbers from the first buffer's position to the second's; neither moves. */
    abstract void convert(ByteBuffer from, ByteBuffer to, int count);

    /** Returns the conversion between two types, if one is needed and there is one. */
    static Optional<ElementConversion> of(TensorType from, TensorType to) {
        if (from == to) {
            return Optional.empty();
        }
        if (from == TensorType.BF16 && to == TensorType.F32) {
            return Optional.of(new WidenBfloat16());
        }
        if (from == TensorType.F16 && to == TensorType.F32) {
            return Optional.of(new WidenFloat16());
        }
        if (from == TensorType.F32 && (to == TensorType.BF16 || to == TensorType.F16)) {
            return Optional.of(new RoundFloat32(to == TensorType.BF16));
        }
        if (from.isFloating() && to.isFloating()) {
            return Optional.of(new ThroughDouble(from, to));
        }
        boolean wider =
                to == TensorType.I64 && (from == TensorType.I32 || from == TensorType.U8)
                        || to == TensorType.I32 && from == TensorType.U8
                        || to == TensorType.U8 && from == TensorType.BOOL;
        return wider ? Optional.of(new WidenInteger(from, to)) : Optional.empty();
    }

    // Numbers go through arrays, of whose loops the compiler makes the best code.

    private static final class WidenBfloat16 extends ElementConversion {

        private final short[] stored = new short[CHUNK];
        private final int[] widened = new int[CHUNK];

        @Override
        void convert(ByteBuffer from, ByteBuffer to, int count) {
            from.slice().order(from.order()).asShortBuffer().get(stored, 0, count);
            for (int i = 0; i < count; i++) {
                widened[i] = HalfPrecision.widenBfloat16(stored[i]);
            }
            to.slice().order(to.order()).asIntBuffer().put(widened, 0, count);
        }
    }

    private static final class WidenFloat16 extends ElementConversion {

        /** All there are: to look a number up takes a third of the time of computing it. */
        private static final int[] WIDENED =
                IntStream.range(0, 1 << Short.SIZE)
                        .map(bits -> HalfPrecision.widenFloat16((short) bits))
                        .toArray();

        private final short[] stored = new short[CHUNK];
        private final int[] widened = new int[CHUNK];

        @Override
        void convert(ByteBuffer from, ByteBuffer to, int count) {
            from.slice().order(from.order()).asShortBuffer().get(stored, 0, count);
            for (int i = 0; i < count; i++) {
                widened[i] = WIDENED[stored[i] & 0xffff];
            }
            to.slice().order(to.order()).asIntBuffer().put(widened, 0, count);
        }
    }

    private static final class RoundFloat32 extends ElementConversion {

        private final boolean bfloat16;
        private final int[] values = new int[CHUNK];
        private final short[] rounded = new short[CHUNK];

        RoundFloat32(boolean bfloat16) {
            this.bfloat16 = bfloat16;
        }

        @Override
        void convert(ByteBuffer from, ByteBuffer to, int count) {
            from.slice().order(from.order()).asIntBuffer().get(values, 0, count);
            for (int i = 0; i < count; i++) {
                rounded[i] =
                        bfloat16
                                ? HalfPrecision.roundToBfloat16(values[i])
                                : HalfPrecision.roundToFloat16(values[i]);
            }
            to.slice().order(to.order()).asShortBuffer().put(rounded, 0, count);
        }
    }

    /** Any floating type to any other: a double holds each number of all of them. */
    private static final class ThroughDouble extends ElementConversion {

        private final TensorType from;
        private final TensorType to;

        ThroughDouble(TensorType from, TensorType to) {
            this.from = from;
            this.to = to;
        }

        @Override
        void convert(ByteBuffer source, ByteBuffer target, int count) {
            int start = source.position();
            int out = target.position();
            for (int i = 0; i < count; i++) {
                store(target, out + i * to.bytes(), load(source, start + i * from.bytes()));
            }
        }

        private double load(ByteBuffer source, int at) {
            return switch (from) {
                case F64 -> source.getDouble(at);
                case F32 -> source.getFloat(at);
                case BF16 -> Float.intBitsToFloat(HalfPrecision.widenBfloat16(source.getShort(at)));
                default -> Float.intBitsToFloat(HalfPrecision.widenFloat16(source.getShort(at)));
            };
        }

        private void store(ByteBuffer target, int at, double value) {
            switch (to) {
                case F64 -> target.putDouble(at, value);
                case F32 -> target.putFloat(at, (float) value);
                case BF16 ->
                        target.putShort(
                                at, HalfPrecision.roundToBfloat16(HalfPrecision.roundToOdd(value)));
                default ->
                        target.putShort(
                                at, HalfPrecision.roundToFloat16(HalfPrecision.roundToOdd(value)));
            }
        }
    }

    private static final class WidenInteger extends ElementConversion {

        private final TensorType from;
        private final TensorType to;

        WidenInteger(TensorType from, TensorType to) {
            this.from = from;
            this.to = to;
        }

        @Override
        void convert(ByteBuffer source, ByteBuffer target, int count) {
            int start = source.position();
            int out = target.position();
            for (int i = 0; i < count; i++) {
                int at = start + i * from.bytes();
                int value = from == TensorType.I32 ? source.getInt(at) : source.get(at) & 0xff;
                switch (to) {
                    case I64 -> target.putLong(out + i * Long.BYTES, value);
                    case I32 -> target.putInt(out + i * Integer.BYTES, value);
                    default -> target.put(out + i, (byte) value);
                }
            }
        }
    }
}
