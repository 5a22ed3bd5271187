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
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ProbeReportTest {

    private static ProbeReport.Cell cell(
            int length, Double depth, double tokens, double exact, double other) {
        Map<String, ProbeReport.Score> scores = new LinkedHashMap<>();
        scores.put("exact_match", new ProbeReport.Score(exact, exact / 2, exact));
        scores.put("contains", new ProbeReport.Score(other, other, 1));
        return new ProbeReport.Cell(length, depth, tokens, scores);
    }

    private static final ProbeReport CURVE =
            new ProbeReport(
                    "phonebook",
                    "mamba<2>",
                    10,
                    Long.MIN_VALUE + 1,
                    "entries",
                    List.of(cell(8, null, 210.25, 0.5, 0.75), cell(16, null, 400, 0, 0.125)));

    private static final ProbeReport GRID =
            new ProbeReport(
                    "needle",
                    "hybrid",
                    10,
                    3,
                    "tokens",
                    List.of(
                            cell(1024, 0.0, 1000, 0.25, 0.5),
                            cell(1024, 0.5, 1000, 0.5, 0.75),
                            cell(2048, 0.0, 2000, 0, 0),
                            cell(2048, 0.5, 2000, 1, 1)));

    private static final String JSON =
            """
            {
              "probe": "phonebook",
              "model": "mamba<2>",
              "samples": 10,
              "seed": -9223372036854775807,
              "unit": "entries",
              "cells": [
                {
                  "length": 8,
                  "tokens": 210.25,
                  "scores": {
                    "exact_match": {
                      "mean": 0.5,
                      "low": 0.25,
                      "high": 0.5
                    },
                    "contains": {
                      "mean": 0.75,
                      "low": 0.75,
                      "high": 1.0
                    }
                  }
                },
                {
                  "length": 16,
                  "tokens": 400.0,
                  "scores": {
                    "exact_match": {
                      "mean": 0.0,
                      "low": 0.0,
                      "high": 0.0
                    },
                    "contains": {
                      "mean": 0.125,
                      "low": 0.125,
                      "high": 1.0
                    }
                  }
                }
              ]
            }""";

    @Test
    void writesExactlyTheAgreedKeys() {
        assertEquals(JSON, CURVE.toJson());
        assertTrue(GRID.toJson().contains("\"depth\": 0.5,"), GRID.toJson());
    }

    @Test
    void readsWhatItWrote() {
        for (ProbeReport report : List.of(CURVE, GRID)) {
            ProbeReport read = ProbeReport.fromJson(report.toJson());
            assertEquals(report, read);
            assertEquals(report.toJson(), read.toJson());
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{                        | [                        | not a report",
                "\"probe\": \"phonebook\",| ''                       | must have the keys",
                "\"samples\"              | \"prompts\"              | must have the keys",
                "\"tokens\": 210.25,      | ''                       | must have the keys",
                "\"low\": 0.25,           | ''                       | must have the keys",
                "\"length\": 8            | \"length\": 8.5          | not a report",
                "\"length\": 8            | \"length\": null         | not a report",
                "\"length\": 8,           | \"length\": 8, \"depth\": 0.5, | all cells of a report",
                "\"length\": 8,           | \"length\": 8, \"depth\": 1.5, | depth",
                "\"cells\": [             | \"cells\": [ 1,          | not a report",
                "\"contains\": {          | \"digits\": {            | same metrics",
                "\"mean\": 0.5            | \"mean\": NaN            | not a report",
                "phonebook\"              | phonebook                | not a report",
                "\"model\": \"mamba<2>\"  | \"model\": null          | not a report",
            })
    void saysWhatIsWrongWithOtherDocuments(String part, String replacement, String message) {
        int place = JSON.indexOf(part);
        assertTrue(place >= 0, part);
        String json =
                JSON.substring(0, place) + replacement + JSON.substring(place + part.length());
        IllegalArgumentException error =
                assertThrows(IllegalArgumentException.class, () -> ProbeReport.fromJson(json));
        assertTrue(error.getMessage().contains(message), error.getMessage());
    }

    @Test
    void refusesEmptyDocumentsAndReports() {
        for (String json : List.of("", "[]", "null", "{}")) {
            assertThrows(IllegalArgumentException.class, () -> ProbeReport.fromJson(json));
        }
        assertThrows(
                IllegalArgumentException.class,
                () -> new ProbeReport("p", "m", 1, 0, "tokens", List.of()));
        assertThrows(
                IllegalArgumentException.class, () -> new ProbeReport.Cell(1, null, 1, Map.of()));
        ProbeReport notANumber =
                new ProbeReport("p", "m", 1, 0, "tokens", List.of(cell(1, null, Double.NaN, 0, 0)));
        assertThrows(IllegalArgumentException.class, notANumber::toJson);
    }

    @Test
    void aCurveIsATable() {
        assertEquals(
                """
                phonebook, mamba<2>: means of 10 samples, seed -9223372036854775807
                entries  tokens  exact_match      5%     95%  contains      5%     95%
                      8     210       0.5000  0.2500  0.5000    0.7500  0.7500  1.0000
                     16     400       0.0000  0.0000  0.0000    0.1250  0.1250  1.0000
                """,
                ProbeTable.render(CURVE));
    }

    @Test
    void depthsMakeAGridForEachMetric() {
        assertEquals(
                """
                needle, hybrid: means of 10 samples, seed 3

                exact_match by depth and tokens
                depth    1024    2048
                 0.00  0.2500  0.0000
                 0.50  0.5000  1.0000

                contains by depth and tokens
                depth    1024    2048
                 0.00  0.5000  0.0000
                 0.50  0.7500  1.0000
                """,
                ProbeTable.render(GRID));
    }
}
