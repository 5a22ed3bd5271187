/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.benchmark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.Device;
import ai.djl.ndarray.types.DataType;
import ai.djl.pytorch.jni.JniUtils;
import io.github.djlmamba.nativeops.NativeOps;
import io.github.djlmamba.ops.OpsProvider;
import io.github.djlmamba.ops.OpsProviders;
import java.lang.reflect.Method;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Runs the benchmarks at sizes that take no time; what they measure there means nothing. */
class TrainBenchmarksTest {

    @Test
    void measuresStepsAndDividesPrefills() {
        assumeTrue(
                OpsProviders.all().stream()
                        .anyMatch(
                                provider ->
                                        provider.name().equals(NativeOps.NAME)
                                                && provider.unavailableReason() == null),
                "the native ops do not work here");
        int threadsBefore = JniUtils.getNumThreads();
        List<BenchmarkResult> results =
                TrainBenchmarks.tiny().run(List.of(1), new SilentProgress());
        assertEquals(threadsBefore, JniUtils.getNumThreads());
        Set<String> calls = new TreeSet<>();
        for (BenchmarkResult result : results) {
            calls.add(result.name() + ' ' + result.provider() + ' ' + result.shape());
            assertTrue(result.medianMs() > 0 && result.rate() > 0, result::toString);
        }
        String steps = " B4 points 3 dims 2 width 16";
        for (String model : List.of("mamba2", "mambaformer")) {
            String name = model + " training step ";
            assertTrue(calls.contains(name + "native" + steps), calls::toString);
            assertTrue(calls.contains(name + "native" + steps + " BF16"), calls::toString);
            assertTrue(calls.contains(name + "reference" + steps), calls::toString);
        }
        assertDivided(results, "mamba", " layers M64 B1 L24", "selective_scan");
        assertDivided(results, "mamba2", " layers M64 B1 L24 BF16", "state_space_dual");
        String table = BenchmarkTable.render(results);
        assertTrue(table.contains("tokens/s") && table.contains("%"), table);
        assertEquals(NativeOps.NAME, OpsProviders.forArrays(Device.cpu(), DataType.FLOAT32).name());
    }

    /** The parts of a pass add up to it, and those of its products bound it. */
    private static void assertDivided(
            List<BenchmarkResult> results, String name, String shape, String op) {
        List<BenchmarkResult> parts =
                results.stream()
                        .filter(
                                result ->
                                        result.name().startsWith(name + " prefill: ")
                                                && result.shape().equals("2" + shape))
                        .toList();
        Set<String> ops =
                parts.stream()
                        .map(result -> result.name().substring((name + " prefill: ").length()))
                        .collect(Collectors.toSet());
        assertTrue(
                ops.containsAll(Set.of("linear", "causal_conv1d", "rms_norm", "the rest", op)),
                ops::toString);
        double sum = parts.stream().mapToDouble(BenchmarkResult::rate).sum();
        assertEquals(100, sum, 40);
        BenchmarkResult whole =
                results.stream()
                        .filter(result -> result.name().equals(name + " prefill"))
                        .findFirst()
                        .orElseThrow();
        double bound =
                parts.stream()
                        .filter(part -> part.bound() != null)
                        .mapToDouble(BenchmarkResult::bound)
                        .sum();
        assertEquals(whole.bound(), bound, 1e-9 + 1e-6 * bound);
    }

    @Test
    void everyOpIsTimed() {
        Set<String> timed =
                Stream.of(TimedOps.class.getDeclaredMethods())
                        .map(Method::getName)
                        .collect(Collectors.toSet());
        for (Method method : OpsProvider.class.getMethods()) {
            boolean op =
                    method.getParameterCount() == 1
                            && method.getParameterTypes()[0]
                                    .getPackageName()
                                    .equals(OpsProvider.class.getPackageName());
            assertTrue(!op || timed.contains(method.getName()), method.getName());
        }
    }
}
