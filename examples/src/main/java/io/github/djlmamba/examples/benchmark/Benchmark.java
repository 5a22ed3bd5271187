/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.benchmark;

import ai.djl.ndarray.NDManager;
import java.util.List;

/** Something that is first checked and then timed. */
interface Benchmark {

    /** Returns what is timed, in one line. */
    String title();

    /**
     * Checks the results of what will be timed.
     *
     * @throws IllegalStateException if one is wrong
     */
    void check(NDManager parent);

    /** Times it on the engine's current number of threads, which is given. */
    List<BenchmarkResult> run(NDManager parent, int threads, Efforts efforts);

    /**
     * How much time is spent.
     *
     * @param fast for a group of calls that take milliseconds
     * @param slow for a group of calls that take long
     */
    record Efforts(Rounds.Effort fast, Rounds.Effort slow) {}
}
