/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.types.DataType;
import ai.djl.pytorch.jni.LibUtils;
import io.github.djlmamba.ops.OpsProvider;
import io.github.djlmamba.ops.OpsProviders;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Says what runs here, what is missing and how to get it. */
@Command(
        name = "doctor",
        description = "Say which engine and ops run here, what is missing and how to get it.",
        mixinStandardHelpOptions = true)
final class DoctorCommand implements Callable<Integer> {

    @Spec private CommandSpec spec;

    /** {@inheritDoc} */
    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        Engine engine = Engine.getEngine("PyTorch");
        out.println(
                "Java       "
                        + System.getProperty("java.version")
                        + " on "
                        + System.getProperty("os.name")
                        + " "
                        + System.getProperty("os.arch"));
        out.println(
                "Engine     "
                        + engine.getEngineName()
                        + " "
                        + engine.getVersion()
                        + ", libtorch at "
                        + LibUtils.getLibtorchPath());
        out.println("Threads    " + Runtime.getRuntime().availableProcessors() + " processors");
        out.println("GPUs       " + engine.getGpuCount());
        Device device = engine.defaultDevice();
        for (OpsProvider provider : OpsProviders.all()) {
            // The clock that the benchmarks put around the ops is nobody's choice.
            if (provider.priority() < 0) {
                continue;
            }
            String reason = provider.unavailableReason();
            out.println(
                    "Ops        "
                            + (reason == null
                                    ? provider.description()
                                    : provider.name() + ": not usable: " + reason));
        }
        for (DataType type : new DataType[] {DataType.FLOAT32, DataType.FLOAT64}) {
            out.println(
                    "In use     "
                            + OpsProviders.forArrays(device, type).name()
                            + " for "
                            + type
                            + " on "
                            + device);
        }
        out.flush();
        return 0;
    }
}
