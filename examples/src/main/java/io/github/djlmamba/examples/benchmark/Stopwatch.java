/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.benchmark;

/**
 * Times calls that have something to prepare before and to release after.
 *
 * @param <T> what is prepared
 */
abstract class Stopwatch<T> {

    /** Prepares a call; not timed. */
    abstract T prepare();

    /** Makes the call that is timed. */
    abstract void call(T prepared);

    /** Releases what was prepared; not timed. */
    void release(T prepared) {}

    /** Makes one call that is not timed, then times the given number, in nanoseconds. */
    final long[] time(int repetitions) {
        long[] nanoseconds = new long[repetitions];
        for (int i = -1; i < repetitions; i++) {
            T prepared = prepare();
            try {
                long begin = System.nanoTime();
                call(prepared);
                long elapsed = System.nanoTime() - begin;
                if (i >= 0) {
                    nanoseconds[i] = elapsed;
                }
            } finally {
                release(prepared);
            }
        }
        return nanoseconds;
    }
}
