/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.evaluation;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.github.djlmamba.icl.internal.ReportJson;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.apiguardian.api.API;

/**
 * The result of an evaluation: the error of a model and of the baselines by the number of examples
 * seen. Immutable.
 *
 * @param task the task's name
 * @param model the model's name
 * @param dims the dimensions of an x, d
 * @param points the examples of a prompt, N
 * @param prompts the number of prompts that the means are over
 * @param seed the seed of the prompts
 * @param metric the metric's name
 * @param curve one entry for each position that is scored, in order
 */
@API(status = API.Status.EXPERIMENTAL)
public record IclReport(
        String task,
        String model,
        int dims,
        int points,
        int prompts,
        long seed,
        String metric,
        List<Entry> curve) {

    private static final Set<String> KEYS =
            Set.of("task", "model", "dims", "points", "prompts", "seed", "metric", "curve");

    private static final Set<String> ENTRY_KEYS = Set.of("i", "model", "low", "high", "baselines");

    /**
     * Copies the curve.
     *
     * @param task the task's name
     * @param model the model's name
     * @param dims the dimensions of an x, d
     * @param points the examples of a prompt, N
     * @param prompts the number of prompts
     * @param seed the seed of the prompts
     * @param metric the metric's name
     * @param curve one entry for each position that is scored
     */
    public IclReport {
        Objects.requireNonNull(task, "task");
        Objects.requireNonNull(model, "model");
        Objects.requireNonNull(metric, "metric");
        curve = List.copyOf(curve);
    }

    /**
     * The error after a number of examples.
     *
     * @param i the number of examples seen before, from 0
     * @param model the model's mean error
     * @param low the lower end of its interval
     * @param high the upper end of its interval
     * @param baselines the baselines' mean errors by their names, in order
     */
    public record Entry(
            int i, double model, double low, double high, Map<String, Double> baselines) {

        /**
         * Copies the baselines.
         *
         * @param i the number of examples seen before
         * @param model the model's mean error
         * @param low the lower end of its interval
         * @param high the upper end of its interval
         * @param baselines the baselines' mean errors by their names
         */
        public Entry {
            Map<String, Double> copy = new LinkedHashMap<>(baselines);
            copy.forEach((name, value) -> Objects.requireNonNull(value, name));
            baselines = Collections.unmodifiableMap(copy);
        }
    }

    /**
     * Writes the report as a JSON document.
     *
     * @return an object with the keys task, model, dims, points, prompts, seed, metric and curve, a
     *     list of objects with the keys i, model, low, high and baselines, an object of numbers by
     *     name
     * @throws IllegalArgumentException if an error is not a finite number, which JSON cannot say
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
    public static IclReport fromJson(String json) {
        try {
            JsonObject report = ReportJson.GSON.fromJson(json, JsonObject.class);
            ReportJson.checkKeys("report", report, KEYS);
            for (JsonElement entry : report.getAsJsonArray("curve")) {
                ReportJson.checkKeys("entry of the curve", entry.getAsJsonObject(), ENTRY_KEYS);
            }
            return ReportJson.GSON.fromJson(json, IclReport.class);
        } catch (RuntimeException e) {
            // Gson has no type of its own for what goes wrong between a document and a record.
            throw new IllegalArgumentException(
                    "This is not a report of an evaluation in JSON: " + ReportJson.reason(e), e);
        }
    }
}
