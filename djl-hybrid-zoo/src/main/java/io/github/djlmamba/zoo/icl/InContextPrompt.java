/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.icl;

import org.apiguardian.api.API;

/**
 * Examples (x, y) of one hidden function, for a model to learn it from.
 *
 * <p>Prediction i sees the pairs 0 to i - 1 and x_i. So for the answer to one question, give the
 * known pairs and the question as the last x; its own y may be left out. The arrays are shared, not
 * copied.
 *
 * @param xs the inputs, N arrays of d numbers
 * @param ys the answers, N or N - 1 numbers
 */
@API(status = API.Status.EXPERIMENTAL)
public record InContextPrompt(float[][] xs, float[] ys) {

    /**
     * Checks that the sizes fit each other.
     *
     * @throws IllegalArgumentException if there is no x, the xs differ in size, or the ys are
     *     neither N nor N - 1
     */
    public InContextPrompt {
        if (xs.length == 0 || xs[0].length == 0) {
            throw new IllegalArgumentException(
                    "a prompt needs at least one x of at least one number");
        }
        for (int i = 1; i < xs.length; i++) {
            if (xs[i].length != xs[0].length) {
                throw new IllegalArgumentException(
                        "x "
                                + i
                                + " has "
                                + xs[i].length
                                + " numbers, but x 0 has "
                                + xs[0].length);
            }
        }
        if (ys.length != xs.length && ys.length != xs.length - 1) {
            throw new IllegalArgumentException(
                    "a prompt of "
                            + xs.length
                            + " xs needs as many ys or one less, but has "
                            + ys.length);
        }
    }

    /**
     * Returns the number of xs.
     *
     * @return N
     */
    public int points() {
        return xs.length;
    }

    /**
     * Returns the size of an x.
     *
     * @return d
     */
    public int dims() {
        return xs[0].length;
    }
}
