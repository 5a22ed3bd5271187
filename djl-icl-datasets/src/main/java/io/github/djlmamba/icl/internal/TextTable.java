/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.internal;

import java.util.List;
import org.apiguardian.api.API;

/** Aligns the cells of a table of plain text. */
@API(status = API.Status.INTERNAL)
public final class TextTable {

    private TextTable() {}

    /**
     * Appends rows whose cells are aligned to the right, two spaces between columns.
     *
     * @param text what the rows are appended to; each ends in a line feed
     * @param rows rows of equally many cells, the heading among them
     */
    public static void append(StringBuilder text, List<List<String>> rows) {
        int[] widths = new int[rows.get(0).size()];
        for (List<String> row : rows) {
            for (int column = 0; column < widths.length; column++) {
                widths[column] = Math.max(widths[column], row.get(column).length());
            }
        }
        for (List<String> row : rows) {
            for (int column = 0; column < widths.length; column++) {
                text.append(column == 0 ? "" : "  ");
                text.append(" ".repeat(widths[column] - row.get(column).length()));
                text.append(row.get(column));
            }
            text.append('\n');
        }
    }
}
