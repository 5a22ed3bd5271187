/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import ai.djl.translate.TranslateException;
import java.io.PrintWriter;
import java.nio.file.NoSuchFileException;
import java.util.concurrent.atomic.AtomicReference;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The command line's entry. */
@Command(
        name = "djl-mamba",
        description = "State space models and their hybrids for Java, on DJL.",
        subcommands = {
            IclCommand.class,
            TextCommand.class,
            GenerateCommand.class,
            ForwardCommand.class,
            ProbeCommand.class,
            BenchCommand.class,
            ModelsCommand.class,
            DoctorCommand.class
        },
        mixinStandardHelpOptions = true,
        versionProvider = DjlMamba.Version.class,
        synopsisSubcommandLabel = "COMMAND")
public final class DjlMamba implements Runnable {

    private static final long UNTIL_NOTICE_MILLIS = 1000;
    private static final long LONGEST_STEP_MILLIS = 300_000;

    @Option(
            names = "--verbose",
            description = "Show the stack trace of an error.",
            scope = CommandLine.ScopeType.INHERIT)
    private boolean verbose;

    @Spec private CommandSpec spec;

    /**
     * Runs a command and ends the JVM with its exit code.
     *
     * @param arguments the command's arguments
     */
    public static void main(String[] arguments) {
        Thread main = Thread.currentThread();
        AtomicReference<Phase> phase = new AtomicReference<>(Phase.RUNNING);
        // Ending the JVM takes libtorch down, which crashes where an operation still runs in it. So
        // an interrupted command is asked to stop, and that takes no longer than its current step.
        Runtime.getRuntime()
                .addShutdownHook(
                        new Thread(
                                () -> {
                                    if (phase.compareAndSet(Phase.RUNNING, Phase.INTERRUPTED)) {
                                        stop(main);
                                    }
                                }));
        int code = run(arguments);
        if (phase.compareAndSet(Phase.RUNNING, Phase.DONE)) {
            System.exit(code);
        }
    }

    private static void stop(Thread main) {
        main.interrupt();
        try {
            main.join(UNTIL_NOTICE_MILLIS);
            if (main.isAlive()) {
                System.err.println("stopping after the current step");
                main.join(LONGEST_STEP_MILLIS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private enum Phase {
        RUNNING,
        INTERRUPTED,
        DONE
    }

    /**
     * Runs a command.
     *
     * @param arguments the command's arguments
     * @return its exit code: 0, 1 where it failed, 2 where the arguments are wrong
     */
    public static int run(String... arguments) {
        return run(new PrintWriter(System.out, true), new PrintWriter(System.err, true), arguments);
    }

    /** Runs a command with other streams than the process's own. */
    static int run(PrintWriter out, PrintWriter err, String... arguments) {
        DjlMamba top = new DjlMamba();
        CommandLine line = new CommandLine(top);
        line.setOut(out);
        line.setErr(err);
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setExecutionExceptionHandler(
                (exception, command, result) -> {
                    if (top.verbose) {
                        exception.printStackTrace(command.getErr());
                    } else {
                        command.getErr().println("error: " + message(exception));
                    }
                    return CommandLine.ExitCode.SOFTWARE;
                });
        return line.execute(arguments);
    }

    /** Without a command there is nothing to do but to say which there are. */
    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "Missing command");
    }

    private static String message(Throwable exception) {
        Throwable told = exception;
        // DJL wraps what a translator throws in an exception that only repeats it.
        while (told instanceof TranslateException && told.getCause() != null) {
            told = told.getCause();
        }
        String text = told.getMessage() == null ? "" : told.getMessage().strip();
        if (told instanceof NoSuchFileException) {
            text = "there is no file " + text;
        }
        String line = text.lines().findFirst().orElse(told.getClass().getSimpleName());
        return line + " (--verbose shows where)";
    }

    /** Tells the version from the jar's manifest. */
    static final class Version implements CommandLine.IVersionProvider {

        /** {@inheritDoc} */
        @Override
        public String[] getVersion() {
            String version = DjlMamba.class.getPackage().getImplementationVersion();
            return new String[] {"djl-mamba " + (version == null ? "(not packaged)" : version)};
        }
    }
}
