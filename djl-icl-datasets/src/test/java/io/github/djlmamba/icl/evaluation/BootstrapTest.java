/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.evaluation;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class BootstrapTest {

    @Test
    void coversAKnownMeanAboutAsOftenAsItSays() {
        Random random = new Random(1);
        int covered = 0;
        int below = 0;
        int runs = 500;
        for (int run = 0; run < runs; run++) {
            double[][] scores = new double[100][1];
            for (double[] score : scores) {
                score[0] = 3 + 2 * random.nextGaussian();
            }
            Bootstrap.Interval interval =
                    new Bootstrap(400, run).meanIntervals(scores, 0.05, 0.95)[0];
            assertTrue(interval.low() < interval.mean() && interval.mean() < interval.high());
            covered += interval.low() <= 3 && 3 <= interval.high() ? 1 : 0;
            below += interval.high() < 3 ? 1 : 0;
        }
        // 90% with a standard error of 1.4%; resampling 100 values is known to cover slightly less.
        assertEquals(0.89, covered / (double) runs, 0.06);
        assertEquals(0.055, below / (double) runs, 0.04);
    }

    @Test
    void hasTheWidthOfTheNormalApproximation() {
        Random random = new Random(2);
        double[][] scores = new double[1280][1];
        double squares = 0;
        for (double[] score : scores) {
            score[0] = random.nextGaussian();
            squares += score[0] * score[0];
        }
        Bootstrap.Interval interval = new Bootstrap(4000, 9).meanIntervals(scores, 0.05, 0.95)[0];
        double standardError = Math.sqrt(squares) / 1280;
        assertEquals(2 * 1.645, (interval.high() - interval.low()) / standardError, 0.15);
    }

    @Test
    void isDeterministicAndDependsOnItsSeed() {
        Random random = new Random(3);
        double[][] scores = new double[50][4];
        for (double[] row : scores) {
            Arrays.setAll(row, i -> random.nextDouble());
        }
        Bootstrap.Interval[] one = new Bootstrap(100, 1).meanIntervals(scores, 0.05, 0.95);
        assertArrayEquals(one, new Bootstrap(100, 1).meanIntervals(scores, 0.05, 0.95));
        assertFalse(Arrays.equals(one, new Bootstrap(100, 2).meanIntervals(scores, 0.05, 0.95)));
    }

    @Test
    void aConstantHasNoWidthAndUnscoredEntriesDoNotCount() {
        double nan = Double.NaN;
        double[][] scores = {{7, nan, 1, nan}, {7, 4, nan, nan}, {7, nan, 3, nan}};
        Bootstrap.Interval[] intervals = new Bootstrap(200, 0).meanIntervals(scores, 0.05, 0.95);
        assertEquals(new Bootstrap.Interval(7, 7, 7), intervals[0]);
        assertEquals(new Bootstrap.Interval(4, 4, 4), intervals[1]);
        assertEquals(2, intervals[2].mean());
        assertTrue(1 <= intervals[2].low() && intervals[2].high() <= 3);
        assertTrue(Double.isNaN(intervals[3].mean()));
    }

    @Test
    void refusesWrongArguments() {
        assertThrows(IllegalArgumentException.class, () -> new Bootstrap(0, 1));
        Bootstrap bootstrap = new Bootstrap(10, 1);
        assertThrows(
                IllegalArgumentException.class,
                () -> bootstrap.meanIntervals(new double[0][], 0.05, 0.95));
        assertThrows(
                IllegalArgumentException.class,
                () -> bootstrap.meanIntervals(new double[][] {{1}}, -0.1, 0.95));
    }
}
