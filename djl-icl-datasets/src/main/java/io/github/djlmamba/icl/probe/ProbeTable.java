/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.probe;

import io.github.djlmamba.icl.internal.TextTable;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.apiguardian.api.API;

/** Writes the report of a probe as plain text. */
@API(status = API.Status.EXPERIMENTAL)
public final class ProbeTable {

    private ProbeTable() {}

    /**
     * Renders a report.
     *
     * @param report the report
     * @return a line that says what was measured; then a row for each length with the intervals of
     *     each metric, or, where the report has depths, for each metric a grid of means with a row
     *     for each depth and a column for each length; lines end in a line feed
     */
    public static String render(ProbeReport report) {
        StringBuilder text = new StringBuilder();
        text.append(
                String.format(
                        Locale.ROOT,
                        "%s, %s: means of %d samples, seed %d\n",
                        report.probe(),
                        report.model(),
                        report.samples(),
                        report.seed()));
        if (report.hasDepths()) {
            report.metrics().forEach(metric -> appendGrid(text, report, metric));
        } else {
            TextTable.append(text, curve(report));
        }
        return text.toString();
    }

    private static List<List<String>> curve(ProbeReport report) {
        List<List<String>> rows = new ArrayList<>();
        boolean inTokens = report.unit().equals("tokens");
        List<String> heading = new ArrayList<>(List.of(report.unit()));
        if (!inTokens) {
            heading.add("tokens");
        }
        report.metrics().forEach(metric -> heading.addAll(List.of(metric, "5%", "95%")));
        rows.add(heading);
        for (ProbeReport.Cell cell : report.cells()) {
            List<String> row = new ArrayList<>(List.of(Integer.toString(cell.length())));
            if (!inTokens) {
                row.add(String.format(Locale.ROOT, "%.0f", cell.tokens()));
            }
            for (ProbeReport.Score score : cell.scores().values()) {
                row.addAll(
                        List.of(number(score.mean()), number(score.low()), number(score.high())));
            }
            rows.add(row);
        }
        return rows;
    }

    private static void appendGrid(StringBuilder text, ProbeReport report, String metric) {
        List<Integer> lengths =
                report.cells().stream().map(ProbeReport.Cell::length).distinct().toList();
        List<Double> depths =
                report.cells().stream().map(ProbeReport.Cell::depth).distinct().toList();
        List<List<String>> rows = new ArrayList<>();
        List<String> heading = new ArrayList<>(List.of("depth"));
        lengths.forEach(length -> heading.add(Integer.toString(length)));
        rows.add(heading);
        for (Double depth : depths) {
            List<String> row = new ArrayList<>(List.of(String.format(Locale.ROOT, "%.2f", depth)));
            for (Integer length : lengths) {
                row.add(
                        report.cells().stream()
                                .filter(cell -> cell.length() == length)
                                .filter(cell -> cell.depth().equals(depth))
                                .findFirst()
                                .map(cell -> number(cell.scores().get(metric).mean()))
                                .orElse("-"));
            }
            rows.add(row);
        }
        text.append('\n')
                .append(metric)
                .append(" by depth and ")
                .append(report.unit())
                .append('\n');
        TextTable.append(text, rows);
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, "%.4f", value);
    }
}
