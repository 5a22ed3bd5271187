/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.embedding;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * A virtual environment of Python with the Java kernel, below the build folder. It is made once for
 * each content of the requirements.
 */
final class JupyterEnvironment {

    private static final Path REQUIREMENTS =
            Path.of("notebooks", "requirements.txt").toAbsolutePath();
    private static final Path FOLDER = Path.of("target", "jupyter").toAbsolutePath();
    private static final Path PROGRAMS = FOLDER.resolve("environment").resolve("bin");
    private static final Path INSTALLED = FOLDER.resolve("installed.txt");
    private static final Path LOG = FOLDER.resolve("log.txt");
    private static final int MINUTES = 5;

    private JupyterEnvironment() {}

    /** Makes the environment, or ends the test where it cannot be made. */
    static JupyterEnvironment create() throws Exception {
        Files.createDirectories(FOLDER);
        String requirements = Files.readString(REQUIREMENTS);
        if (!Files.exists(INSTALLED) || !Files.readString(INSTALLED).equals(requirements)) {
            require(
                    "python3 with its module venv makes no environment",
                    "python3",
                    "-m",
                    "venv",
                    "--clear",
                    PROGRAMS.getParent().toString());
            require(
                    "pip does not reach the package index",
                    PROGRAMS.resolve("python3").toString(),
                    "-m",
                    "pip",
                    "install",
                    "--disable-pip-version-check",
                    "--retries=2",
                    "--requirement",
                    REQUIREMENTS.toString());
            Files.writeString(INSTALLED, requirements);
        }
        return new JupyterEnvironment();
    }

    /** Runs a notebook and returns what has become of it. */
    Path execute(Path notebook) throws Exception {
        Path executed = FOLDER.resolve(notebook.getFileName());
        int code =
                run(
                        PROGRAMS.resolve("jupyter-execute").toString(),
                        notebook.toString(),
                        "--output=" + executed,
                        "--startup_timeout=120");
        assertEquals(0, code, () -> log());
        return executed;
    }

    /** Python and the package index may be missing only where the build does not need all tests. */
    private static void require(String reason, String... command) throws Exception {
        int code;
        String seen;
        try {
            code = run(command);
            seen = log();
        } catch (IOException e) {
            code = -1;
            seen = e.getMessage();
        }
        if (code != 0) {
            String message = reason + ": " + seen;
            assertNotEquals("required", System.getProperty("djlmamba.test.native"), message);
            abort("the notebook is not tested: " + message);
        }
    }

    private static int run(String... command) throws Exception {
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(LOG.toFile());
        Map<String, String> environment = builder.environment();
        // The kernel starts "java", which is to be the one that runs this test.
        environment.merge(
                "PATH",
                Path.of(System.getProperty("java.home"), "bin").toString(),
                (path, java) -> java + File.pathSeparator + path);
        environment.put("JJAVA_CLASSPATH", System.getProperty("java.class.path"));
        environment.put(
                "JJAVA_JVM_OPTS",
                "-Xmx1g -Djava.awt.headless=true -Dai.djl.offline=true -DOPT_OUT_TRACKING=true");
        for (String folder : new String[] {"CONFIG", "DATA", "RUNTIME"}) {
            environment.put("JUPYTER_" + folder + "_DIR", FOLDER.resolve(folder).toString());
        }
        Process process = builder.start();
        try {
            if (process.waitFor(MINUTES, TimeUnit.MINUTES)) {
                return process.exitValue();
            }
            throw new AssertionError(
                    "no end after " + MINUTES + " minutes of " + String.join(" ", command));
        } finally {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
        }
    }

    private static String log() {
        try {
            return Files.readString(LOG);
        } catch (IOException e) {
            return e.toString();
        }
    }
}
