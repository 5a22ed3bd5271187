/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import picocli.CommandLine.Model.CommandSpec;

/** The command line as it was typed, for the records of trainings. */
final class CommandText {

    private CommandText() {}

    /**
     * Returns the words of the command that runs; those with a space or a star are quoted, so that
     * a shell takes them as they were.
     */
    static String of(CommandSpec spec) {
        StringBuilder text = new StringBuilder("djl-mamba");
        for (String word : spec.root().commandLine().getParseResult().originalArgs()) {
            text.append(' ')
                    .append(
                            word.matches("[\\w./:=,+-]+")
                                    ? word
                                    : "'" + word.replace("'", "'\\''") + "'");
        }
        return text.toString();
    }
}
