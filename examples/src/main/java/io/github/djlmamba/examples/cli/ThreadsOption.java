/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import picocli.CommandLine.Option;

/** The option that sets how many threads the engine computes on. */
final class ThreadsOption {

    @Option(
            names = "--threads",
            description = "The threads to compute on. Default: one for each processor.")
    private Integer threads;

    /** Hands the number to the engine, which reads it when it starts. */
    void apply() {
        if (threads == null) {
            return;
        }
        if (threads < 1) {
            throw new IllegalArgumentException("--threads is " + threads + "; expected at least 1");
        }
        System.setProperty("ai.djl.pytorch.num_threads", threads.toString());
    }

    /** Returns the number that {@link #apply} hands on. */
    int count() {
        return threads == null ? Runtime.getRuntime().availableProcessors() : threads;
    }
}
