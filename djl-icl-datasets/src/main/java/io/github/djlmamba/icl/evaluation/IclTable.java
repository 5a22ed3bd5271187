/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.evaluation;

import io.github.djlmamba.icl.internal.TextTable;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.apiguardian.api.API;

/** Writes a report as a table of plain text. */
@API(status = API.Status.EXPERIMENTAL)
public final class IclTable {

    private IclTable() {}

    /**
     * Renders a report.
     *
     * @param report the report
     * @return a line that says what was measured, a heading, and one line for each position; lines
     *     end in a line feed
     */
    public static String render(IclReport report) {
        List<List<String>> rows = new ArrayList<>();
        List<String> baselines =
                report.curve().isEmpty()
                        ? List.of()
                        : List.copyOf(report.curve().get(0).baselines().keySet());
        List<String> heading = new ArrayList<>(List.of("i", report.model(), "5%", "95%"));
        heading.addAll(baselines);
        rows.add(heading);
        for (IclReport.Entry entry : report.curve()) {
            List<String> row = new ArrayList<>();
            row.add(Integer.toString(entry.i()));
            row.add(number(entry.model()));
            row.add(number(entry.low()));
            row.add(number(entry.high()));
            baselines.forEach(name -> row.add(number(entry.baselines().get(name))));
            rows.add(row);
        }
        StringBuilder text = new StringBuilder();
        text.append(
                String.format(
                        Locale.ROOT,
                        "%s after i examples: task %s, d = %d, %d prompts, seed %d\n",
                        report.metric(),
                        report.task(),
                        report.dims(),
                        report.prompts(),
                        report.seed()));
        TextTable.append(text, rows);
        return text.toString();
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, "%.4f", value);
    }
}
