/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.nativeops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import io.github.djlmamba.ops.AdamStep;
import io.github.djlmamba.ops.ConvCase;
import io.github.djlmamba.ops.DualCase;
import io.github.djlmamba.ops.Layout;
import io.github.djlmamba.ops.LinearCase;
import io.github.djlmamba.ops.OpChecks;
import io.github.djlmamba.ops.OpsProvider;
import io.github.djlmamba.ops.OpsProviders;
import io.github.djlmamba.ops.PackedSequences;
import io.github.djlmamba.ops.ScanCase;
import io.github.djlmamba.ops.StateSpaceDualStep;
import io.github.djlmamba.ops.StepChecks;
import io.github.djlmamba.ops.Tolerance;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The binding under the JVM's own checks of native code, in a process of its own. */
class CheckedJniTest {

    private static final String DONE = "all ops ran";

    @TempDir private Path folder;

    @Test
    void theJvmFindsNothingWrong() throws IOException, InterruptedException {
        NativeTests.provider();
        Path log = folder.resolve("log");
        Process process =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xcheck:jni",
                                "-Xmx512m",
                                "-Dai.djl.offline=true",
                                "-DOPT_OUT_TRACKING=true",
                                "-cp",
                                System.getProperty("java.class.path"),
                                CheckedJniTest.class.getName())
                        .redirectErrorStream(true)
                        .redirectOutput(log.toFile())
                        .start();
        if (!process.waitFor(5, TimeUnit.MINUTES)) {
            process.destroyForcibly();
        }
        List<String> lines = Files.readAllLines(log, StandardCharsets.UTF_8);
        String text = String.join("\n", lines);
        assertEquals(0, process.exitValue(), text);
        assertTrue(text.contains(DONE), text);
        assertEquals(List.of(), complaints(lines), "complaints about natives of this library");
    }

    /** Warnings whose innermost frame, the native method that was checked, is one of ours. */
    private static List<String> complaints(List<String> lines) {
        List<String> complaints = new ArrayList<>();
        String warning = null;
        for (String line : lines) {
            if (line.startsWith("WARNING") || line.startsWith("FATAL")) {
                warning = line;
            } else if (warning != null && line.strip().startsWith("at ")) {
                if (line.contains("io.github.djlmamba") || line.contains("libdjlmamba")) {
                    complaints.add(warning + " " + line.strip());
                }
                warning = null;
            }
        }
        return complaints;
    }

    /** Runs each native once and each way that it can fail. */
    public static void main(String[] arguments) {
        OpsProvider provider = OpsProviders.named(NativeOps.NAME);
        Tolerance loose = Tolerance.ofLargest(1e-4);
        for (DataType type : List.of(DataType.FLOAT32, DataType.FLOAT64)) {
            var scan =
                    new ScanCase(
                            new ScanCase.Size(2, 9, 6, 5, 2),
                            EnumSet.allOf(ScanCase.Option.class),
                            Layout.SLICED);
            var conv =
                    new ConvCase(
                            new ConvCase.Size(2, 9, 6, 4),
                            EnumSet.allOf(ConvCase.Option.class),
                            Layout.SLICED);
            var linear = new LinearCase(new Shape(2, 3), 5, 4, true, Layout.TRANSPOSED);
            var dual =
                    new DualCase(
                            new DualCase.Size(2, 9, 6, 5, 4, 2),
                            EnumSet.allOf(DualCase.Option.class),
                            Layout.SLICED,
                            0,
                            PackedSequences.ofLengths(new long[][] {{4, 0, 5}, {9, 0, 0}}));
            for (var op : List.of(scan, dual, conv, linear)) {
                OpChecks.forward(provider, op, type, loose);
                OpChecks.gradients(provider, op, type, name -> loose);
            }
        }
        packedAndSteps(provider, loose);
        step(provider);
        decode(provider);
        NativeOpsTest failures = new NativeOpsTest();
        failures.open();
        failures.describesWhatRuns();
        failures.nullAndClosedHandlesAreRefused();
        failures.argumentsThatNobodyCheckedAreRefusedByTheLibrary();
        failures.failuresOfLibtorchAreEngineExceptions();
        failures.close();
        System.out.println(DONE);
    }

    private static void decode(OpsProvider provider) {
        try (NDManager manager = NDManager.newBaseManager()) {
            NDArray ones = manager.ones(new Shape(2, 1, 1));
            NDArray single = manager.ones(new Shape(2, 1));
            NDArray state = manager.zeros(new Shape(3, 1, 1, 1));
            StateSpaceDualStep step =
                    StateSpaceDualStep.of(
                                    state, ones, single, manager.ones(new Shape(1)), single, single)
                            .withSlots(manager.create(new long[] {2, -1}));
            assertArrayEquals(new float[] {1, 0}, provider.stateSpaceDualStep(step).toFloatArray());
            assertArrayEquals(new float[] {0, 0, 1}, state.toFloatArray());
        }
    }

    private static void packedAndSteps(OpsProvider provider, Tolerance loose) {
        PackedSequences packed = PackedSequences.ofLengths(4, 0, 5);
        var scanOptions = EnumSet.allOf(ScanCase.Option.class);
        var convOptions = EnumSet.allOf(ConvCase.Option.class);
        var scans =
                new ScanCase(new ScanCase.Size(1, 9, 6, 5, 2), scanOptions, Layout.SLICED, packed);
        var convs = new ConvCase(new ConvCase.Size(1, 9, 6, 4), convOptions, Layout.SLICED, packed);
        for (var op : List.of(scans, convs)) {
            OpChecks.forward(provider, op, DataType.FLOAT32, loose);
            OpChecks.gradients(provider, op, DataType.FLOAT32, name -> loose);
        }
        var scan = new ScanCase(new ScanCase.Size(4, 1, 6, 5, 2), scanOptions, Layout.SLICED);
        StepChecks.slots(
                scan,
                (state, token, slots) ->
                        provider.selectiveScanStep(scan.step(state, token).withSlots(slots)));
        var conv = new ConvCase(new ConvCase.Size(4, 1, 6, 4), convOptions, Layout.SLICED);
        StepChecks.slots(
                conv,
                (state, token, slots) ->
                        provider.causalConv1dStep(conv.step(state, token).withSlots(slots)));
    }

    private static void step(OpsProvider provider) {
        try (NDManager manager = NDManager.newBaseManager()) {
            NDArray parameter = manager.ones(new Shape(3));
            parameter.setRequiresGradient(true);
            try (GradientCollector collector = manager.getEngine().newGradientCollector()) {
                collector.backward(parameter.square().sum());
            }
            AdamStep.Slot slot =
                    new AdamStep.Slot(
                            parameter,
                            manager.zeros(new Shape(3)),
                            manager.zeros(new Shape(3)),
                            true);
            var options = new AdamStep.Options(0.1, 0.9, 0.999, 1e-8, 0, true, 1, 1);
            double norm = provider.adamStep(AdamStep.of(List.of(slot), options, 1));
            assertEquals(Math.sqrt(12), norm, 1e-5);
        }
    }
}
