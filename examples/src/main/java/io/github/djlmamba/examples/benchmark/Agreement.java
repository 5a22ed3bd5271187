/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.benchmark;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import io.github.djlmamba.ops.GradientMode;

/** The check that two computations agree. */
final class Agreement {

    private Agreement() {}

    /**
     * Checks arrays pair by pair.
     *
     * @param what what was computed, for the message
     * @param expected the right values
     * @param actual the values to check
     * @param tolerance the largest difference, as a part of the largest value of each array
     * @throws IllegalStateException if they differ, or one holds no number
     */
    static void check(String what, NDList expected, NDList actual, double tolerance) {
        if (expected.size() != actual.size()) {
            throw new IllegalStateException(
                    what + " gave " + actual.size() + " arrays, not " + expected.size());
        }
        for (int i = 0; i < expected.size(); i++) {
            double difference = difference(expected.get(i), actual.get(i));
            if (!(difference <= tolerance)) {
                throw new IllegalStateException(
                        what
                                + ": result "
                                + i
                                + " is off by "
                                + difference
                                + " of the largest value, where "
                                + tolerance
                                + " is allowed; nothing is timed");
            }
        }
    }

    private static double difference(NDArray expected, NDArray actual) {
        return GradientMode.off(
                () -> {
                    DataType type = expected.getDataType();
                    NDArray apart = actual.toType(type, false).sub(expected).abs().max();
                    NDArray largest = expected.abs().max();
                    return number(apart) / Math.max(number(largest), Double.MIN_NORMAL);
                });
    }

    private static double number(NDArray scalar) {
        return scalar.toType(DataType.FLOAT64, false).getDouble();
    }
}
