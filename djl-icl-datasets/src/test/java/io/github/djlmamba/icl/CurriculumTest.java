/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CurriculumTest {

    @ParameterizedTest
    @CsvSource({
        "0, 5, 11",
        "1, 5, 11",
        "1999, 5, 11",
        "2000, 6, 13",
        "3999, 6, 13",
        "4000, 7, 15",
        "20000, 15, 31",
        "29999, 19, 39",
        "30000, 20, 41",
        "32000, 20, 41",
        "500000, 20, 41",
        "9223372036854775807, 20, 41",
    })
    void linearRegressionGrowsAsInThePaper(long step, int dims, int points) {
        assertEquals(dims, Curriculum.linearRegression().dimsAt(step));
        assertEquals(points, Curriculum.linearRegression().pointsAt(step));
    }

    @ParameterizedTest
    @CsvSource({"0, 3", "9, 3", "10, 7", "20, 11", "29, 11", "30, 12", "40, 12"})
    void theLastIncrementIsCutAtTheEnd(long step, int value) {
        assertEquals(value, new Curriculum.Ramp(3, 12, 4, 10).at(step));
    }

    @Test
    void hugeNumbersDoNotOverflow() {
        Curriculum.Ramp ramp = new Curriculum.Ramp(1, Integer.MAX_VALUE, Integer.MAX_VALUE - 1, 1);
        assertEquals(1, ramp.at(0));
        assertEquals(Integer.MAX_VALUE, ramp.at(1));
        assertEquals(Integer.MAX_VALUE, ramp.at(Long.MAX_VALUE));
    }

    @Test
    void noneNeverChanges() {
        Curriculum none = Curriculum.none(8, 17);
        for (long step : new long[] {0, 1, 1000, Long.MAX_VALUE}) {
            assertEquals(8, none.dimsAt(step));
            assertEquals(17, none.pointsAt(step));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "0, 5, 1, 1",
        "6, 5, 1, 1",
        "1, 5, 0, 1",
        "1, 5, -1, 1",
        "5, 5, -1, 1",
        "1, 5, 1, 0"
    })
    void refusesRampsThatMakeNoSense(int start, int end, int increment, int interval) {
        assertThrows(
                IllegalArgumentException.class,
                () -> new Curriculum.Ramp(start, end, increment, interval));
    }

    @Test
    void refusesNegativeSteps() {
        assertThrows(
                IllegalArgumentException.class, () -> Curriculum.linearRegression().dimsAt(-1));
    }
}
