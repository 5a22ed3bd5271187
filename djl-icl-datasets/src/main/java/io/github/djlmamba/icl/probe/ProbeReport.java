/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.probe;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.github.djlmamba.icl.internal.ReportJson;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.apiguardian.api.API;

/**
 * The result of a probe: a model's scores by the length of the prompt and, where it was asked for,
 * by the depth of the fact. Immutable.
 *
 * @param probe the probe's name
 * @param model the model's name
 * @param samples the number of samples that each mean is over
 * @param seed the seed of the samples
 * @param unit what lengths are counted in
 * @param cells one for each length and depth, lengths first, both ascending
 */
@API(status = API.Status.EXPERIMENTAL)
public record ProbeReport(
        String probe, String model, int samples, long seed, String unit, List<Cell> cells) {

    private static final Set<String> KEYS =
            Set.of("probe", "model", "samples", "seed", "unit", "cells");
    private static final Set<String> CELL_KEYS = Set.of("length", "tokens", "scores");
    private static final Set<String> SCORE_KEYS = Set.of("mean", "low", "high");

    /**
     * Copies the cells and checks that they belong together.
     *
     * @param probe the probe's name
     * @param model the model's name
     * @param samples the number of samples that each mean is over
     * @param seed the seed of the samples
     * @param unit what lengths are counted in
     * @param cells one for each length and depth
     * @throws IllegalArgumentException if there is no cell, or cells differ in their metrics or in
     *     whether they have a depth
     */
    public ProbeReport {
        Objects.requireNonNull(probe, "probe");
        Objects.requireNonNull(model, "model");
        Objects.requireNonNull(unit, "unit");
        cells = List.copyOf(cells);
        if (cells.isEmpty()) {
            throw new IllegalArgumentException("A report of a probe needs at least one cell.");
        }
        Cell first = cells.get(0);
        for (Cell cell : cells) {
            if ((cell.depth() == null) != (first.depth() == null)) {
                throw new IllegalArgumentException(
                        "Either all cells of a report have a depth or none.");
            }
            if (!cell.scores().keySet().equals(first.scores().keySet())) {
                throw new IllegalArgumentException(
                        "All cells of a report have the same metrics, but one has "
                                + first.scores().keySet()
                                + " and another "
                                + cell.scores().keySet()
                                + ".");
            }
        }
    }

    /**
     * The scores at one length and depth.
     *
     * @param length the prompts' length in the report's unit
     * @param depth where the fact stood, from 0 to 1; null where each sample drew its own
     * @param tokens the mean number of tokens of a prompt
     * @param scores the scores by the name of their metric, the main one first
     */
    public record Cell(int length, Double depth, double tokens, Map<String, Score> scores) {

        /**
         * Copies the scores.
         *
         * @param length the prompts' length
         * @param depth where the fact stood, or null
         * @param tokens the mean number of tokens of a prompt
         * @param scores the scores by the name of their metric
         * @throws IllegalArgumentException if there is no score or the depth is not from 0 to 1
         */
        public Cell {
            if (depth != null) {
                ProbeSample.checkDepth(depth);
            }
            Map<String, Score> copy = new LinkedHashMap<>(scores);
            copy.forEach((metric, score) -> Objects.requireNonNull(score, metric));
            if (copy.isEmpty()) {
                throw new IllegalArgumentException("A cell of a report needs at least one score.");
            }
            scores = Collections.unmodifiableMap(copy);
        }
    }

    /**
     * A mean over samples.
     *
     * @param mean the mean score, from 0 to 1
     * @param low the lower end of its interval
     * @param high the upper end of its interval
     */
    public record Score(double mean, double low, double high) {}

    /**
     * Returns the names of the metrics.
     *
     * @return the keys of every cell's scores, the main one first
     */
    public List<String> metrics() {
        return List.copyOf(cells.get(0).scores().keySet());
    }

    /**
     * Returns whether the cells are a grid of length and depth rather than a curve.
     *
     * @return true if cells have a depth
     */
    public boolean hasDepths() {
        return cells.get(0).depth() != null;
    }

    /**
     * Writes the report as a JSON document.
     *
     * @return an object with the keys probe, model, samples, seed, unit and cells, a list of
     *     objects with the keys length, depth (where there is one), tokens and scores, an object by
     *     metric of objects with the keys mean, low and high
     * @throws IllegalArgumentException if a score is not a finite number, which JSON cannot say
     */
    public String toJson() {
        return ReportJson.GSON.toJson(this);
    }

    /**
     * Reads what {@link #toJson()} wrote.
     *
     * @param json the document
     * @return the report
     * @throws IllegalArgumentException if it is not JSON, or a key is missing, unknown or of the
     *     wrong type
     */
    public static ProbeReport fromJson(String json) {
        try {
            JsonObject report = ReportJson.GSON.fromJson(json, JsonObject.class);
            ReportJson.checkKeys("report", report, KEYS);
            for (JsonElement element : report.getAsJsonArray("cells")) {
                JsonObject cell = element.getAsJsonObject();
                Set<String> expected = new HashSet<>(CELL_KEYS);
                if (cell.has("depth")) {
                    expected.add("depth");
                }
                ReportJson.checkKeys("cell", cell, expected);
                for (JsonElement score : cell.getAsJsonObject("scores").asMap().values()) {
                    ReportJson.checkKeys("score", score.getAsJsonObject(), SCORE_KEYS);
                }
            }
            return ReportJson.GSON.fromJson(json, ProbeReport.class);
        } catch (RuntimeException e) {
            // Gson has no type of its own for what goes wrong between a document and a record.
            throw new IllegalArgumentException(
                    "This is not a report of a probe in JSON: " + ReportJson.reason(e), e);
        }
    }
}
