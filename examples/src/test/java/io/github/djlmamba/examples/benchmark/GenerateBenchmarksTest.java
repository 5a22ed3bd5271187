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
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.Device;
import ai.djl.ndarray.types.DataType;
import io.github.djlmamba.nativeops.NativeOps;
import io.github.djlmamba.ops.OpsProviders;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Runs the benchmarks at sizes that take no time; what they measure there means nothing. */
class GenerateBenchmarksTest {

    @Test
    void measuresLoadingPrefillAndDecoding() {
        assumeTrue(
                OpsProviders.all().stream()
                        .anyMatch(
                                provider ->
                                        provider.name().equals(NativeOps.NAME)
                                                && provider.unavailableReason() == null),
                "the native ops do not work here");
        List<BenchmarkResult> results =
                GenerateBenchmarks.tiny().run(List.of(1), new SilentProgress());
        for (BenchmarkResult result : results) {
            assertTrue(result.medianMs() > 0 && result.rate() > 0, result::toString);
        }
        for (String model : List.of("mamba", "mamba2")) {
            assertNotNull(found(results, model + " load").bound());
            assertNotNull(found(results, model + " prefill").bound());
            assertEquals(2, count(results, model + " decode"));
        }
        String table = BenchmarkTable.render(results);
        assertTrue(table.contains("tokens/s") && table.contains("float32 / bfloat16"), table);
        assertEquals(NativeOps.NAME, OpsProviders.forArrays(Device.cpu(), DataType.FLOAT32).name());
    }

    private static BenchmarkResult found(List<BenchmarkResult> results, String name) {
        return results.stream()
                .filter(result -> result.name().equals(name))
                .findFirst()
                .orElseThrow();
    }

    private static long count(List<BenchmarkResult> results, String name) {
        return results.stream().filter(result -> result.name().equals(name)).count();
    }
}
