/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

/**
 * How far computed values may lie from expected ones: relative |expected| + absolute + ofLargest
 * (the largest |expected|).
 *
 * @param relative the part of each expected value
 * @param absolute what is allowed everywhere
 * @param ofLargest the part of the largest expected value
 */
public record Tolerance(double relative, double absolute, double ofLargest) {

    /** Allows a part of each value and a constant. */
    public static Tolerance of(double relative, double absolute) {
        return new Tolerance(relative, absolute, 0);
    }

    /** Allows a part of the largest value. */
    public static Tolerance ofLargest(double part) {
        return new Tolerance(0, 0, part);
    }

    /** Fails on the value that lies farthest outside; NaN must stand exactly where expected. */
    public void check(String what, double[] expected, double[] actual) {
        assertEquals(expected.length, actual.length, what + ": number of values");
        double largest = 0;
        for (double value : expected) {
            if (Double.isFinite(value)) {
                largest = Math.max(largest, Math.abs(value));
            }
        }
        double excess = 0;
        int worst = -1;
        for (int i = 0; i < expected.length; i++) {
            double allowed = relative * Math.abs(expected[i]) + absolute + ofLargest * largest;
            if (Double.isFinite(expected[i]) && Double.isFinite(actual[i])) {
                double beyond = Math.abs(expected[i] - actual[i]) - allowed;
                if (beyond > excess) {
                    excess = beyond;
                    worst = i;
                }
            } else if (Double.compare(expected[i], actual[i]) != 0) {
                excess = Double.POSITIVE_INFINITY;
                worst = i;
            }
        }
        if (worst >= 0) {
            fail(
                    what
                            + ": entry "
                            + worst
                            + " of "
                            + expected.length
                            + " is "
                            + actual[worst]
                            + "; expected "
                            + expected[worst]
                            + " within "
                            + this
                            + ", the largest being "
                            + largest);
        }
    }
}
