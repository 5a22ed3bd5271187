/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/**
 * Random arguments, valid and not: each call gives finite results of the right shapes, or an {@link
 * IllegalArgumentException} or {@link IllegalStateException} that names the op.
 */
public abstract class OpArgumentsFuzz {

    private static final long SEED = 20_260_101;
    private static final int[] SIZES = {1, 1, 2, 3, 4, 5, 8, 16, 17};

    /** Beyond any memory where two of them meet, though an expanded array may have both. */
    private static final long HUGE = 1L << 30;

    private static final DataType[] WRONG_TYPES = {
        DataType.INT32, DataType.INT64, DataType.UINT8, DataType.BOOLEAN
    };

    private int accepted;
    private int refused;

    /** The provider under test. */
    protected abstract OpsProvider provider();

    @Test
    void everyCallIsAnsweredOrRefusedByName() {
        // Where the provider is missing this skips the test; below it would pass for a refusal.
        provider();
        int calls = Effort.of(100_000, 5_000);
        try (NDManager manager = NDManager.newBaseManager()) {
            for (int call = 0; call < calls; call++) {
                Random random = new Random(SEED + call);
                try (NDManager scope = manager.newSubManager()) {
                    if (call % 5 == 4) {
                        adam(scope, random, "call " + call);
                    } else {
                        sequence(scope, random, "call " + call);
                    }
                }
            }
        }
        assertTrue(accepted >= calls / 5, accepted + " calls accepted of " + calls);
        assertTrue(refused >= calls / 5, refused + " calls refused of " + calls);
    }

    private void sequence(NDManager manager, Random random, String call) {
        OpCase opCase = draw(random);
        DataType type = random.nextBoolean() ? DataType.FLOAT32 : DataType.FLOAT64;
        Map<String, NDArray> arrays = opCase.arrays(manager, type, Set.of());
        int changes = Math.max(0, random.nextInt(4) - 1);
        List<String> changed = new ArrayList<>();
        for (int i = 0; i < changes; i++) {
            changed.add(change(arrays, opCase, manager, random));
        }
        String what = call + ", " + opCase + " with " + changed;
        try {
            List<NDArray> results = opCase.run(provider(), arrays);
            accepted++;
            List<Shape> shapes = changes == 0 ? opCase.shapes() : shapes(opCase, arrays);
            for (int i = 0; i < results.size(); i++) {
                assertEquals(shapes.get(i), results.get(i).getShape(), what);
                for (double value : Sample.read(results.get(i))) {
                    assertTrue(Double.isFinite(value), what + ": result of " + value);
                }
            }
        } catch (RuntimeException e) {
            refuse(e, nameOf(opCase), changes == 0, what);
        }
    }

    /** Replaces one array by one that may not fit, and says what was done. */
    private static String change(
            Map<String, NDArray> arrays, OpCase opCase, NDManager manager, Random random) {
        List<String> names = new ArrayList<>(opCase.inputs().keySet());
        String name = names.get(random.nextInt(names.size()));
        Sample sample = opCase.inputs().get(name);
        long[] sizes = sample.shape().getShape().clone();
        DataType type = DataType.FLOAT32;
        int axis = random.nextInt(sizes.length);
        int kind = random.nextInt(10);
        NDArray replacement;
        switch (kind) {
            case 0 -> {
                sizes[axis] = SIZES[random.nextInt(SIZES.length)];
                replacement = manager.ones(new Shape(sizes), type);
            }
            case 1 -> {
                sizes[axis] = 0;
                replacement = manager.ones(new Shape(sizes), type);
            }
            case 2 -> replacement = manager.ones(sample.shape().add(2), type);
            case 3 -> replacement = manager.ones(new Shape(), type);
            case 4 -> replacement = manager.ones(sample.shape(), WRONG_TYPES[random.nextInt(4)]);
            case 5 -> replacement = manager.ones(sample.shape(), DataType.FLOAT64);
            case 6 -> {
                replacement = manager.ones(sample.shape(), type);
                replacement.close();
            }
            case 7 -> replacement = manager.create("text");
            case 8 -> replacement = null;
            default -> {
                long[] ones = new long[sizes.length];
                Arrays.fill(ones, 1);
                long[] huge = ones.clone();
                huge[axis] = HUGE;
                huge[(axis + 1) % huge.length] = HUGE;
                replacement = manager.ones(new Shape(ones), type).broadcast(new Shape(huge));
            }
        }
        arrays.put(name, replacement);
        return name + " changed in way " + kind;
    }

    /** The shapes that the results should have, told from the arrays alone. */
    private static List<Shape> shapes(OpCase opCase, Map<String, NDArray> arrays) {
        if (opCase instanceof LinearCase) {
            Shape input = arrays.get("input").getShape();
            return List.of(
                    input.slice(0, input.dimension() - 1)
                            .add(arrays.get("weight").getShape().get(0)));
        }
        if (opCase instanceof DualCase dual) {
            return dual.shapes(arrays);
        }
        if (opCase instanceof ScanCase scan) {
            Shape u = arrays.get("u").getShape();
            long states = arrays.get("a").getShape().get(1);
            return List.of(u, PackedForm.stateShape(scan.sequences(), u.get(0), u.get(2), states));
        }
        if (opCase instanceof AttentionCase) {
            return List.of(arrays.get("queries").getShape());
        }
        Shape x = arrays.get("x").getShape();
        if (!(opCase instanceof ConvCase convolution)) {
            return arrays.get("residual") != null ? List.of(x, x) : List.of(x);
        }
        long rows = arrays.get("weight").getShape().get(1) - 1;
        PackedSequences packed = convolution.sequences();
        return List.of(x, PackedForm.stateShape(packed, x.get(0), rows, x.get(2)));
    }

    private static OpCase draw(Random random) {
        Layout layout = Layout.values()[random.nextInt(Layout.values().length)];
        int batch = random.nextInt(10) == 0 ? 0 : 1 + random.nextInt(3);
        int length = random.nextInt(10);
        int channels = SIZES[random.nextInt(SIZES.length)];
        int inner = SIZES[random.nextInt(SIZES.length)];
        switch (random.nextInt(8)) {
            case 0:
                int groups = random.nextInt(3) == 0 ? channels : random.nextInt(2);
                return new ScanCase(
                        new ScanCase.Size(batch, length, channels, inner, groups),
                        ScanCase.allOptions().get(random.nextInt(32)),
                        layout,
                        packOrNot(batch, length, random));
            case 1:
                return new ConvCase(
                        new ConvCase.Size(batch, length, channels, 1 + random.nextInt(7)),
                        ConvCase.allOptions().get(random.nextInt(8)),
                        layout,
                        packOrNot(batch, length, random));
            case 2:
                int keyHeads = 1 + random.nextInt(3);
                return new AttentionCase(
                        new AttentionCase.Size(
                                batch,
                                random.nextInt(6),
                                length,
                                keyHeads * (1 + random.nextInt(3)),
                                keyHeads,
                                inner),
                        random.nextBoolean() ? null : random.nextGaussian(),
                        random.nextInt(5),
                        layout);
            case 3:
                int pairs = 1 + random.nextInt(9);
                return new RotaryCase(
                        new Shape(batch, length, channels, 2 * pairs + random.nextInt(3)),
                        2 * pairs,
                        random.nextInt(1000),
                        1 + random.nextInt(1000),
                        random.nextBoolean(),
                        layout);
            case 4:
                return new RmsNormCase(
                        new Shape(batch, length),
                        1 + random.nextInt(3),
                        inner,
                        RmsNormCase.allOptions().get(random.nextInt(12)),
                        layout);
            case 5:
                return new GatedProductCase(new Shape(batch, length, channels), layout);
            case 6:
                int[] chunks = {0, 1, 16, 64};
                return new DualCase(
                        new DualCase.Size(
                                batch,
                                length,
                                channels,
                                inner,
                                SIZES[random.nextInt(SIZES.length)],
                                random.nextInt(3) == 0 ? channels : random.nextInt(2)),
                        DualCase.allOptions().get(random.nextInt(96)),
                        layout,
                        chunks[random.nextInt(chunks.length)],
                        packOrNot(batch, length, random));
            default:
                long[] leading = new long[random.nextInt(4)];
                for (int i = 0; i < leading.length; i++) {
                    leading[i] = random.nextInt(4);
                }
                return new LinearCase(
                        new Shape(leading), channels, inner, random.nextBoolean(), layout);
        }
    }

    private static PackedSequences packOrNot(int batch, int length, Random random) {
        if (batch == 0 || random.nextInt(3) != 0) {
            return null;
        }
        long[][] lengths = new long[batch][1 + random.nextInt(4)];
        for (int row = 0; row < batch; row++) {
            lengths[row] = new long[lengths[0].length];
            for (int t = 0; t < length; t++) {
                lengths[row][random.nextInt(lengths[row].length)]++;
            }
        }
        return PackedSequences.ofLengths(lengths);
    }

    private void adam(NDManager manager, Random random, String call) {
        List<AdamStep.Slot> slots = new ArrayList<>();
        Map<String, Integer> changed = new LinkedHashMap<>();
        for (int i = random.nextInt(4); i >= 0; i--) {
            NDArray[] arrays = new NDArray[3];
            long[] sizes = new long[random.nextInt(4)];
            for (int k = 0; k < sizes.length; k++) {
                sizes[k] = random.nextInt(5);
            }
            Shape shape = new Shape(sizes);
            for (int k = 0; k < 3; k++) {
                arrays[k] = manager.ones(shape, DataType.FLOAT32);
            }
            if (random.nextInt(4) != 0) {
                arrays[0].setRequiresGradient(true);
            }
            if (random.nextInt(6) == 0) {
                int at = random.nextInt(3);
                int kind = random.nextInt(6);
                arrays[at] =
                        switch (kind) {
                            case 0 -> manager.ones(shape.add(2));
                            case 1 -> manager.ones(shape, WRONG_TYPES[random.nextInt(4)]);
                            case 2 -> manager.ones(shape, DataType.FLOAT64);
                            case 3 -> manager.create("text");
                            case 4 -> null;
                            default -> {
                                arrays[at].close();
                                yield arrays[at];
                            }
                        };
                changed.put("slot " + slots.size() + ", array " + at, kind);
            }
            slots.add(new AdamStep.Slot(arrays[0], arrays[1], arrays[2], random.nextBoolean()));
        }
        long number = random.nextInt(20) == 0 ? -random.nextInt(2) : 1 + random.nextInt(1000);
        String what = call + ", Adam step " + number + " with " + changed;
        try {
            AdamStep step =
                    AdamStep.of(
                            slots,
                            new AdamStep.Options(
                                    0.1, 0.9, 0.99, 1e-8, 0.1, random.nextBoolean(), 1, 1),
                            number);
            step.check();
            double norm = provider().adamStep(step);
            accepted++;
            assertEquals(0, norm, what);
            for (AdamStep.Slot slot : slots) {
                for (double value : Sample.read(slot.parameter())) {
                    assertTrue(Double.isFinite(value), what + ": parameter of " + value);
                }
            }
        } catch (RuntimeException e) {
            refuse(e, "Adam step: ", changed.isEmpty() && number > 0, what);
        }
    }

    private void refuse(RuntimeException e, String op, boolean valid, String what) {
        boolean fits =
                (e instanceof IllegalArgumentException || e instanceof IllegalStateException)
                        && e.getMessage() != null
                        && e.getMessage().startsWith(op);
        if (valid || !fits) {
            fail(what + " gave " + e, e);
        }
        refused++;
    }

    /** How the messages of an op begin. */
    static String nameOf(OpCase opCase) {
        if (opCase instanceof DualCase) {
            return "state space dual: ";
        } else if (opCase instanceof ScanCase) {
            return "selective scan: ";
        } else if (opCase instanceof ConvCase) {
            return "causal conv1d: ";
        } else if (opCase instanceof AttentionCase) {
            return "causal attention: ";
        } else if (opCase instanceof RotaryCase) {
            return "rotary embedding: ";
        } else if (opCase instanceof RmsNormCase) {
            return "RMS norm: ";
        }
        return opCase instanceof GatedProductCase ? "gated product: " : "linear: ";
    }
}
