/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.benchmark;

import io.github.djlmamba.nativeops.NativeOps;
import io.github.djlmamba.ops.ReferenceOps;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.apiguardian.api.API;

/** Writes results as a table of plain text, and the ratios between them. */
@API(status = API.Status.EXPERIMENTAL)
public final class BenchmarkTable {

    private static final List<String> HEADING =
            List.of(
                    "name",
                    "provider",
                    "shape",
                    "threads",
                    "median ms",
                    "p10 ms",
                    "p90 ms",
                    "rate",
                    "unit",
                    "bound ms",
                    "fraction");

    private BenchmarkTable() {}

    /**
     * Renders results.
     *
     * @param results the results
     * @return a heading, a line for each result, and a line for each ratio; lines end in a line
     *     feed
     */
    public static String render(List<BenchmarkResult> results) {
        List<List<String>> rows = new ArrayList<>();
        rows.add(HEADING);
        for (BenchmarkResult result : results) {
            rows.add(
                    List.of(
                            result.name(),
                            result.provider(),
                            result.shape(),
                            Integer.toString(result.threads()),
                            number("%.3f", result.medianMs()),
                            number("%.3f", result.p10Ms()),
                            number("%.3f", result.p90Ms()),
                            number("%.2f", result.rate()),
                            unit(result.name()),
                            number("%.3f", result.bound()),
                            number("%.3f", result.fractionOfBound())));
        }
        StringBuilder text = new StringBuilder();
        appendAligned(text, rows);
        List<List<String>> ratios = ratios(results);
        if (!ratios.isEmpty()) {
            text.append('\n');
            appendAligned(text, ratios);
        }
        return text.toString();
    }

    private static void appendAligned(StringBuilder text, List<List<String>> rows) {
        int[] widths = new int[rows.get(0).size()];
        for (List<String> row : rows) {
            for (int column = 0; column < widths.length; column++) {
                widths[column] = Math.max(widths[column], row.get(column).length());
            }
        }
        for (List<String> row : rows) {
            StringBuilder line = new StringBuilder();
            for (int column = 0; column < widths.length; column++) {
                String cell = row.get(column);
                String padding = " ".repeat(widths[column] - cell.length());
                boolean number = !cell.isEmpty() && Character.isDigit(cell.charAt(0));
                line.append(column == 0 ? "" : "  ");
                line.append(number ? padding + cell : cell + padding);
            }
            text.append(line.toString().stripTrailing()).append('\n');
        }
    }

    /** The unit of a rate, as {@link BenchmarkResult} documents it. */
    private static String unit(String name) {
        if (name.equals("exp2") || name.startsWith("selective_scan ")) {
            return "Gexp/s";
        }
        if (name.startsWith("gemm")
                || name.startsWith("linear")
                || name.startsWith("causal_attention")
                || name.startsWith("state_space_dual ")) {
            return "GFLOP/s";
        }
        if (name.contains(": ")) {
            return "%";
        }
        boolean tokens =
                name.endsWith("training step")
                        || name.endsWith("prefill")
                        || name.endsWith("decode");
        return tokens ? "tokens/s" : "GB/s";
    }

    private static String number(String format, Double value) {
        return value == null ? "-" : String.format(Locale.ROOT, format, value);
    }

    /** What the requirements are stated in: how many times as long one call takes as another. */
    private static List<List<String>> ratios(List<BenchmarkResult> results) {
        List<List<String>> ratios = new ArrayList<>();
        for (BenchmarkResult result : results) {
            if (!result.provider().equals(NativeOps.NAME)) {
                continue;
            }
            String name = result.name();
            if (name.endsWith("forward (C++)") || name.endsWith("backward (C++)")) {
                String inJava = name.replace(" (C++)", "");
                addRatio(ratios, "Java / C++", result, find(results, result, inJava, false), false);
                continue;
            }
            if (name.endsWith(" backward")) {
                String forward = name.replace("backward", "forward");
                addRatio(
                        ratios,
                        "backward / forward",
                        result,
                        find(results, result, forward, false),
                        true);
            }
            addRatio(
                    ratios, "reference / native", result, find(results, result, name, true), false);
            boolean part = name.contains(": ");
            if (!part && result.shape().endsWith(OpBenchmark.BFLOAT16)) {
                addRatio(ratios, "float32 / bfloat16", result, inFloat32(results, result), false);
            }
        }
        return ratios;
    }

    private static void addRatio(
            List<List<String>> ratios,
            String what,
            BenchmarkResult result,
            BenchmarkResult other,
            boolean inverse) {
        if (other == null) {
            return;
        }
        double ratio = other.medianMs() / result.medianMs();
        ratios.add(
                List.of(
                        what,
                        result.name().replace(" (C++)", ""),
                        result.shape(),
                        result.threads() + (result.threads() == 1 ? " thread" : " threads"),
                        number("%.3f", inverse ? 1 / ratio : ratio)));
    }

    private static BenchmarkResult find(
            List<BenchmarkResult> results, BenchmarkResult like, String name, boolean reference) {
        String provider = reference ? ReferenceOps.NAME : NativeOps.NAME;
        return find(results, name, provider, like.shape(), like.threads());
    }

    private static BenchmarkResult inFloat32(List<BenchmarkResult> results, BenchmarkResult like) {
        String shape = like.shape().replace(OpBenchmark.BFLOAT16, "");
        return find(results, like.name(), like.provider(), shape, like.threads());
    }

    private static BenchmarkResult find(
            List<BenchmarkResult> results,
            String name,
            String provider,
            String shape,
            int threads) {
        return results.stream()
                .filter(
                        result ->
                                result.name().equals(name)
                                        && result.provider().equals(provider)
                                        && result.shape().equals(shape)
                                        && result.threads() == threads)
                .findFirst()
                .orElse(null);
    }
}
