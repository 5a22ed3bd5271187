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
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.util.Progress;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.github.djlmamba.nativeops.NativeOps;
import io.github.djlmamba.ops.OpsProviders;
import io.github.djlmamba.ops.ReferenceOps;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** Runs the benchmarks at sizes that take no time; what they measure there means nothing. */
class OpsBenchmarksTest {

    private static final Set<String> KEYS =
            Set.of(
                    "name",
                    "provider",
                    "shape",
                    "threads",
                    "median_ms",
                    "p10_ms",
                    "p90_ms",
                    "rate",
                    "bound",
                    "fraction_of_bound");

    private static final Progress SILENT = new SilentProgress();

    @Test
    void measuresEachOpBesideItsBound() {
        assumeTrue(nativeReason() == null, "the native ops do not work here");
        int threadsBefore = JniUtils.getNumThreads();

        List<BenchmarkResult> results = OpsBenchmarks.tiny().run(List.of(1, 2), SILENT);

        assertEquals(threadsBefore, JniUtils.getNumThreads());
        JsonArray rows = JsonParser.parseString(BenchmarkResult.toJson(results)).getAsJsonArray();
        Set<String> calls = new TreeSet<>();
        for (JsonElement element : rows) {
            JsonObject row = element.getAsJsonObject();
            assertEquals(KEYS, row.keySet());
            String name = row.get("name").getAsString();
            calls.add(name + ' ' + row.get("provider").getAsString() + ' ' + row.get("threads"));
            double median = row.get("median_ms").getAsDouble();
            assertTrue(median > 0, () -> row.toString());
            assertTrue(row.get("p10_ms").getAsDouble() <= median, () -> row.toString());
            assertTrue(row.get("p90_ms").getAsDouble() >= median, () -> row.toString());
            assertTrue(row.get("rate").getAsDouble() > 0, () -> row.toString());
            double fraction = row.get("fraction_of_bound").getAsDouble();
            assertEquals(row.get("bound").getAsDouble() / median, fraction, 1e-9);
            assertTrue(fraction > 0 && fraction < 2, () -> row.toString());
        }
        for (int threads : new int[] {1, 2}) {
            for (String op :
                    new String[] {
                        "state_space_dual", "rms_norm", "gated_product", "causal_attention"
                    }) {
                for (String pass : new String[] {" forward", " backward"}) {
                    assertTrue(calls.contains(op + pass + " native " + threads), op);
                    assertTrue(calls.contains(op + pass + " reference " + threads), op);
                }
            }
            for (String op : new String[] {"selective_scan", "state_space_dual", "causal_conv1d"}) {
                assertTrue(calls.contains(op + "_step native " + threads), op);
            }
            for (String op : new String[] {"selective_scan", "causal_conv1d", "linear"}) {
                for (String pass : new String[] {" forward", " backward"}) {
                    assertTrue(calls.contains(op + pass + " native " + threads));
                    assertTrue(calls.contains(op + pass + " (C++) native " + threads));
                    assertTrue(calls.contains(op + pass + " reference " + threads));
                }
            }
            for (String rate :
                    new String[] {"exp2 kernels ", "copy memcpy ", "gemm output aten "}) {
                assertTrue(calls.contains(rate + threads), rate);
            }
            for (String provider : new String[] {NativeOps.NAME, ReferenceOps.NAME}) {
                assertTrue(calls.contains("adam_step " + provider + ' ' + threads));
            }
        }

        String table = BenchmarkTable.render(results);
        assertTrue(table.contains("Gexp/s") && table.contains("GFLOP/s"), table);
        for (String ratio :
                new String[] {
                    "Java / C++", "backward / forward", "reference / native", "float32 / bfloat16"
                }) {
            assertTrue(table.contains(ratio), table);
        }
        assertFalse(table.contains("NaN"), table);
    }

    @Test
    void refusesWhatItCannotRun() {
        for (int threads : new int[] {-1, 0, 1025, Integer.MAX_VALUE}) {
            IllegalArgumentException wrong =
                    assertThrows(
                            IllegalArgumentException.class,
                            () -> OpsBenchmarks.tiny().run(List.of(threads), SILENT));
            assertTrue(wrong.getMessage().contains("is " + threads), wrong.getMessage());
        }
        if (nativeReason() != null) {
            IllegalStateException noLibrary =
                    assertThrows(
                            IllegalStateException.class,
                            () -> OpsBenchmarks.tiny().run(List.of(1), SILENT));
            assertTrue(noLibrary.getMessage().contains(nativeReason()), noLibrary.getMessage());
        }
    }

    @Test
    void takesTheQuantilesOfTheTimes() {
        Times times = new Times();
        assertTrue(times.isEmpty());
        times.add(new long[] {5_000_000, 1_000_000, 3_000_000});
        times.add(new long[] {2_000_000, 4_000_000});
        assertEquals(3, times.quantileMs(0.5), 1e-12);
        assertEquals(1.4, times.quantileMs(0.1), 1e-12);
        assertEquals(5, times.quantileMs(1), 1e-12);
    }

    @Test
    void aWrongResultIsReported() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray right = manager.create(new float[] {1, -4, 2});
            NDArray wrong = manager.create(new float[] {1, -4, 2.1f});
            NDArray none = manager.create(new float[] {1, -4, Float.NaN});
            Agreement.check("equal", new NDList(right), new NDList(right), 0);
            Agreement.check("near", new NDList(right), new NDList(wrong), 0.03);
            assertThrows(
                    IllegalStateException.class,
                    () -> Agreement.check("far", new NDList(right), new NDList(wrong), 0.02));
            assertThrows(
                    IllegalStateException.class,
                    () -> Agreement.check("no number", new NDList(right), new NDList(none), 0.02));
        }
    }

    private static String nativeReason() {
        return OpsProviders.all().stream()
                .filter(provider -> provider.name().equals(NativeOps.NAME))
                .findFirst()
                .orElseThrow()
                .unavailableReason();
    }
}
