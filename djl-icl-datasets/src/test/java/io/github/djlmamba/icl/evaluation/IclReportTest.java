/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.evaluation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class IclReportTest {

    private static IclReport.Entry entry(
            int i, double model, double low, double high, double zero, double best) {
        Map<String, Double> baselines = new LinkedHashMap<>();
        baselines.put("zero", zero);
        baselines.put("best", best);
        return new IclReport.Entry(i, model, low, high, baselines);
    }

    private static final IclReport REPORT =
            new IclReport(
                    "linear-regression",
                    "mamba<former>",
                    8,
                    2,
                    1280,
                    Long.MIN_VALUE + 1,
                    "squared_error/d",
                    List.of(
                            entry(0, 1.0 / 3, 0.25, 0.5, 1, 1e-17),
                            entry(1, 12345.678, 0.1, Double.MAX_VALUE, 1, 0)));

    private static final String JSON =
            """
            {
              "task": "linear-regression",
              "model": "mamba<former>",
              "dims": 8,
              "points": 2,
              "prompts": 1280,
              "seed": -9223372036854775807,
              "metric": "squared_error/d",
              "curve": [
                {
                  "i": 0,
                  "model": 0.3333333333333333,
                  "low": 0.25,
                  "high": 0.5,
                  "baselines": {
                    "zero": 1.0,
                    "best": 1.0E-17
                  }
                },
                {
                  "i": 1,
                  "model": 12345.678,
                  "low": 0.1,
                  "high": 1.7976931348623157E308,
                  "baselines": {
                    "zero": 1.0,
                    "best": 0.0
                  }
                }
              ]
            }""";

    @Test
    void writesExactlyTheAgreedKeys() {
        assertEquals(JSON, REPORT.toJson());
    }

    @Test
    void readsWhatItWrote() {
        IclReport read = IclReport.fromJson(REPORT.toJson());
        assertEquals(REPORT, read);
        assertEquals(JSON, read.toJson());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{                                | [                     | not a report",
                "\"task\": \"linear-regression\", | ''                    | must have the keys",
                "\"dims\"                         | \"dimensions\"        | must have the keys",
                "\"low\": 0.25,                   | ''                    | must have the keys",
                "\"dims\": 8                      | \"dims\": \"eight\"   | not a report",
                "\"dims\": 8                      | \"dims\": 8.5         | not a report",
                "\"dims\": 8                      | \"dims\": null        | not a report",
                "\"curve\": [                     | \"curve\": [ 1,       | not a report",
                "\"zero\": 1.0                    | \"zero\": []          | not a report",
                "\"zero\": 1.0                    | \"zero\": null        | not a report",
                "linear-regression\"              | linear-regression     | not a report",
                "\"task\": \"linear-regression\"  | \"task\": null        | not a report",
                "\"model\": 12345.678             | \"model\": NaN        | not a report",
                "\"model\": 12345.678             | \"model\": null       | not a report",
            })
    void saysWhatIsWrongWithOtherDocuments(String part, String replacement, String message) {
        assertTrue(JSON.contains(part), part);
        String json = JSON.replace(part, replacement);
        IllegalArgumentException error =
                assertThrows(IllegalArgumentException.class, () -> IclReport.fromJson(json));
        assertTrue(error.getMessage().contains(message), error.getMessage());
    }

    @Test
    void writesNoNumberThatJsonCannotSay() {
        IclReport report =
                new IclReport(
                        "t",
                        "m",
                        1,
                        1,
                        1,
                        0,
                        "squared_error/d",
                        List.of(entry(0, Double.NaN, 0, 1, 1, 1)));
        assertThrows(IllegalArgumentException.class, report::toJson);
    }

    @Test
    void refusesAnEmptyDocument() {
        assertThrows(IllegalArgumentException.class, () -> IclReport.fromJson(""));
        assertThrows(IllegalArgumentException.class, () -> IclReport.fromJson("[]"));
        assertThrows(IllegalArgumentException.class, () -> IclReport.fromJson("null"));
    }

    @Test
    void isATable() {
        IclReport report =
                new IclReport(
                        "linear-regression",
                        "mambaformer",
                        8,
                        2,
                        1280,
                        3,
                        "squared_error/d",
                        List.of(
                                entry(0, 1.01, 0.98, 1.04, 1, 1),
                                entry(10, 0.5, 0.25, 1234.5, 1, 0.00001)));
        assertEquals(
                """
                squared_error/d after i examples: task linear-regression, d = 8, 1280 prompts, seed 3
                 i  mambaformer      5%        95%    zero    best
                 0       1.0100  0.9800     1.0400  1.0000  1.0000
                10       0.5000  0.2500  1234.5000  1.0000  0.0000
                """,
                IclTable.render(report));
        assertTrue(
                IclTable.render(new IclReport("t", "m", 1, 1, 1, 0, "squared_error/d", List.of()))
                        .endsWith("i  m  5%  95%\n"));
    }
}
