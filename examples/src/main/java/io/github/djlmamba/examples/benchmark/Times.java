/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.benchmark;

import java.util.Arrays;

/** The times of repeated calls. Not thread safe. */
final class Times {

    private long[] nanoseconds = new long[0];

    /** Adds times in nanoseconds. */
    void add(long[] more) {
        int before = nanoseconds.length;
        nanoseconds = Arrays.copyOf(nanoseconds, before + more.length);
        System.arraycopy(more, 0, nanoseconds, before, more.length);
    }

    boolean isEmpty() {
        return nanoseconds.length == 0;
    }

    /** Returns the time that a part of the calls stayed below, in milliseconds. */
    double quantileMs(double part) {
        long[] sorted = nanoseconds.clone();
        Arrays.sort(sorted);
        double position = part * (sorted.length - 1);
        int below = (int) position;
        int above = Math.min(below + 1, sorted.length - 1);
        double between = sorted[below] + (position - below) * (sorted[above] - sorted[below]);
        return between / 1e6;
    }
}
