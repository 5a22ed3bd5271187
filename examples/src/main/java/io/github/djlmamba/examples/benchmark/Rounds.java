/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.benchmark;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.IntFunction;

/**
 * Times several calls in turns, so that what disturbs the machine for a while disturbs all of them
 * alike and their ratios hold. Not thread safe.
 */
final class Rounds {

    private final Map<String, IntFunction<long[]>> calls = new LinkedHashMap<>();

    /**
     * Adds a call.
     *
     * @param key the key of its times
     * @param timing times the given number of repetitions, in nanoseconds, after one that it does
     *     not time; empty if it cannot
     */
    Rounds add(String key, IntFunction<long[]> timing) {
        calls.put(key, timing);
        return this;
    }

    /** Times all calls in turns until the effort is spent. */
    Map<String, Times> run(Effort effort) {
        Map<String, Times> times = new LinkedHashMap<>();
        calls.keySet().forEach(key -> times.put(key, new Times()));
        long begin = System.nanoTime();
        for (int round = 0; round < effort.maximumRounds(); round++) {
            double seconds = (System.nanoTime() - begin) / 1e9;
            if (round >= effort.minimumRounds() && seconds >= effort.seconds()) {
                break;
            }
            calls.forEach((key, timing) -> times.get(key).add(timing.apply(effort.repetitions())));
        }
        return times;
    }

    /**
     * How much time is spent on a group of calls.
     *
     * @param minimumRounds the rounds that are made in any case
     * @param maximumRounds the rounds that are not exceeded
     * @param repetitions the timings of each call in a round
     * @param seconds the time after which no further round begins
     */
    record Effort(int minimumRounds, int maximumRounds, int repetitions, double seconds) {}
}
