/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.benchmark;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.github.djlmamba.nativeops.NativeBenchmarks;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntFunction;

/**
 * Something that the machine does as fast as it can, for the rate of it.
 *
 * @param name what it does
 * @param provider what runs it
 * @param shape its sizes
 * @param work the work of a run on the given number of threads, in the unit of the rate times
 *     seconds
 * @param timing the times of a number of runs, in nanoseconds; empty if it cannot be run here
 * @param check throws an {@link IllegalStateException} if what it computes is wrong
 */
record MachineLoad(
        String name,
        String provider,
        String shape,
        IntFunction<Double> work,
        IntFunction<long[]> timing,
        Runnable check) {

    private static final long EXP2_ROUNDS = 3000;
    private static final Runnable CHECKED_BY_TIMING = () -> {};

    /** The key of its times. */
    String key() {
        return name + ' ' + provider + ' ' + shape;
    }

    /** Vector exponentials on every thread. */
    static MachineLoad exp2() {
        double onThread = EXP2_ROUNDS * NativeBenchmarks.EXPONENTIALS_PER_ROUND / 1e9;
        return new MachineLoad(
                "exp2",
                "kernels",
                NativeBenchmarks.EXPONENTIALS_PER_ROUND + " a thread",
                threads -> threads * onThread,
                repetitions -> NativeBenchmarks.exp2(EXP2_ROUNDS, repetitions),
                CHECKED_BY_TIMING);
    }

    /** A copy of an array of the given size. */
    static MachineLoad copy(long bytes) {
        return new MachineLoad(
                "copy",
                "memcpy",
                String.format(Locale.ROOT, "%.1f MB", bytes / 1e6),
                threads -> 2 * bytes / 1e9,
                repetitions -> NativeBenchmarks.copy(bytes, repetitions),
                CHECKED_BY_TIMING);
    }

    /** The reading of an array of the given size. */
    static MachineLoad read(long bytes) {
        return new MachineLoad(
                "read",
                "sum",
                String.format(Locale.ROOT, "%.1f MB", bytes / 1e6),
                threads -> bytes / 1e9,
                repetitions -> NativeBenchmarks.read(bytes, repetitions),
                CHECKED_BY_TIMING);
    }

    /** Products of the size of a language model's layer, for the best rate that products reach. */
    static List<MachineLoad> products(NDManager manager) {
        return products(
                "gemm",
                manager.randomUniform(-1, 1, new Shape(2048, 768), DataType.FLOAT32),
                manager.randomUniform(-1, 1, new Shape(3072, 768), DataType.FLOAT32));
    }

    /** Returns the work that the fastest of some loads does in a millisecond. */
    static double bestPerMs(int threads, Map<MachineLoad, Times> rates) {
        return rates.entrySet().stream()
                .mapToDouble(
                        rate ->
                                rate.getKey().work().apply(threads)
                                        / rate.getValue().undisturbedMs())
                .max()
                .orElseThrow();
    }

    /** a (M, K) times the transpose of b (N, K), by each implementation that there is. */
    static List<MachineLoad> products(String name, NDArray a, NDArray b) {
        Shape of = a.getShape();
        long n = b.getShape().get(0);
        double operations = 2.0 * of.get(0) * of.get(1) * n;
        String shape = "M" + of.get(0) + " K" + of.get(1) + " N" + n;
        List<MachineLoad> loads = new ArrayList<>();
        for (String implementation : NativeBenchmarks.PRODUCT_IMPLEMENTATIONS) {
            loads.add(
                    new MachineLoad(
                            name,
                            implementation,
                            shape,
                            threads -> operations / 1e9,
                            repetitions ->
                                    NativeBenchmarks.product(implementation, a, b, repetitions),
                            () -> checkProduct(implementation, a, b)));
        }
        return loads;
    }

    /** Compares the first and the last rows of the product with their values in double. */
    private static void checkProduct(String implementation, NDArray a, NDArray b) {
        try (NDManager scope = a.getManager().newSubManager()) {
            NDArray product = NativeBenchmarks.product(implementation, a, b);
            if (product == null) {
                return;
            }
            product.attach(scope);
            long rows = a.getShape().get(0);
            long some = Math.min(rows, 64);
            for (NDIndex index :
                    List.of(
                            new NDIndex("0:{}, :", some),
                            new NDIndex("{}:{}, :", rows - some, rows))) {
                NDArray factor = a.get(scope, index).toType(DataType.FLOAT64, true);
                NDArray expected = factor.matMul(b.toType(DataType.FLOAT64, true).transpose());
                Agreement.check(
                        "the product by " + implementation,
                        new NDList(expected),
                        new NDList(product.get(scope, index)),
                        1e-5);
            }
        }
    }
}
