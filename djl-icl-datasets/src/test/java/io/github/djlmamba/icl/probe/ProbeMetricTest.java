/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.probe;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ProbeMetricTest {

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            ignoreLeadingAndTrailingWhitespace = false,
            nullValues = "null",
            value = {
                "' 6123456789'|1|1|1",
                "'6123456789\nAnn Bell: 7'|1|1|1",
                "'\n\n 6123456789.'|1|1|1",
                "' is 6123456789, and 7'|1|1|1",
                "'\r\n6123456789\r\n'|1|1|1",
                // One digit is wrong, missing or too many.
                "' 6123456780'|0|0.9|0",
                "' 612345678'|0|0.9|0",
                "' 61234567890'|0|1|1",
                "' 16123456789'|0|0|1",
                // All digits but one are right, and none at its place.
                "' 123456789'|0|0|0",
                // The first number counts, and only in the first line with something in it.
                "' 7, no, 6123456789'|0|0|1",
                "' unknown\n6123456789'|0|0|1",
                "' 612-345-6789'|0|0.3|0",
                "''|0|0|0",
                "'   \n '|0|0|0",
                "' none'|0|0|0",
                "' ٦١٢٣٤٥٦٧٨٩'|0|0|0",
            })
    void scores(String continuation, double exact, double digits, double contains) {
        String answer = "6123456789";
        assertEquals(exact, ProbeMetric.EXACT_MATCH.score(answer, continuation));
        assertEquals(digits, ProbeMetric.DIGIT_ACCURACY.score(answer, continuation), 1e-15);
        assertEquals(contains, ProbeMetric.CONTAINS.score(answer, continuation));
    }

    @Test
    void keysAreThoseOfTheReports() {
        assertEquals(
                "[exact_match, digit_accuracy, contains]",
                Arrays.stream(ProbeMetric.values()).map(ProbeMetric::key).toList().toString());
    }
}
