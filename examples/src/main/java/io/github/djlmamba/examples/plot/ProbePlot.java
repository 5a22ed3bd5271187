/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.plot;

import io.github.djlmamba.icl.probe.ProbeReport;
import java.awt.BasicStroke;
import java.awt.Color;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.HeatMapChart;
import org.knowm.xchart.HeatMapChartBuilder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.internal.chartpart.Chart;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.lines.SeriesLines;
import org.knowm.xchart.style.markers.SeriesMarkers;

/**
 * Draws a model's scores on a probe: curves over the length, or a heat map of length and depth
 * where the report has depths.
 */
public final class ProbePlot {

    private static final float[] DASHES = {4f, 4f};

    /** Colours that readers who do not tell red from green can tell apart (Okabe and Ito, 2008). */
    private static final Color[] COLORS = {
        Color.BLACK, new Color(0xd55e00), new Color(0x0072b2), new Color(0x009e73)
    };

    /** Numbers in black must be readable on each. */
    private static final Color[] HEAT = {new Color(0xf0f0f0), new Color(0x56b4e9)};

    private ProbePlot() {}

    /**
     * Writes the plot of a report as a PNG.
     *
     * @param report the report
     * @param file the file to write
     * @throws IOException if it cannot be written
     */
    public static void write(ProbeReport report, Path file) throws IOException {
        Chart<?, ?> chart = report.hasDepths() ? heatMap(report) : curves(report);
        BitmapEncoder.saveBitmapWithDPI(
                chart, file.toString(), BitmapEncoder.BitmapFormat.PNG, 144);
    }

    private static String title(ProbeReport report) {
        return report.probe() + ", " + report.model() + ", " + report.samples() + " samples";
    }

    private static XYChart curves(ProbeReport report) {
        XYChart chart =
                new XYChartBuilder()
                        .width(800)
                        .height(500)
                        .title(title(report))
                        .xAxisTitle(report.unit())
                        .yAxisTitle("score, with 5-95% interval")
                        .build();
        chart.getStyler()
                .setChartBackgroundColor(Color.WHITE)
                .setLegendPosition(Styler.LegendPosition.OutsideS)
                .setLegendLayout(Styler.LegendLayout.Horizontal);
        chart.getStyler().setPlotGridLinesColor(new Color(0xe0e0e0));
        chart.getStyler().setYAxisMin(0.0).setYAxisMax(1.0).setXAxisMin(0.0);
        List<ProbeReport.Cell> cells = report.cells();
        double[] lengths = cells.stream().mapToDouble(ProbeReport.Cell::length).toArray();
        for (String metric : report.metrics()) {
            Color color = COLORS[report.metrics().indexOf(metric) % COLORS.length];
            // An interval of a share is not symmetric, which error bars of the library are.
            addBound(chart, metric + " 5%", lengths, cells, metric, ProbeReport.Score::low, color);
            addBound(
                    chart, metric + " 95%", lengths, cells, metric, ProbeReport.Score::high, color);
            XYSeries series =
                    chart.addSeries(
                            metric, lengths, values(cells, metric, ProbeReport.Score::mean));
            series.setMarker(SeriesMarkers.CIRCLE);
            series.setMarkerColor(color);
            series.setLineColor(color);
            series.setLineStyle(SeriesLines.SOLID);
            series.setLineWidth(2.5f);
        }
        return chart;
    }

    private static void addBound(
            XYChart chart,
            String name,
            double[] lengths,
            List<ProbeReport.Cell> cells,
            String metric,
            ToDoubleFunction<ProbeReport.Score> bound,
            Color color) {
        XYSeries series = chart.addSeries(name, lengths, values(cells, metric, bound));
        series.setMarker(SeriesMarkers.NONE);
        series.setLineColor(color);
        series.setLineStyle(
                new BasicStroke(1f, BasicStroke.CAP_BUTT, BasicStroke.JOIN_ROUND, 1f, DASHES, 0f));
        series.setShowInLegend(false);
    }

    private static double[] values(
            List<ProbeReport.Cell> cells,
            String metric,
            ToDoubleFunction<ProbeReport.Score> value) {
        return cells.stream()
                .mapToDouble(cell -> value.applyAsDouble(cell.scores().get(metric)))
                .toArray();
    }

    private static HeatMapChart heatMap(ProbeReport report) {
        String metric = report.metrics().get(0);
        HeatMapChart chart =
                new HeatMapChartBuilder()
                        .width(800)
                        .height(500)
                        .title(title(report) + ", " + metric)
                        .xAxisTitle(report.unit())
                        .yAxisTitle("depth")
                        .build();
        chart.getStyler()
                .setRangeColors(HEAT)
                .setMin(0)
                .setMax(1)
                .setShowValue(true)
                .setHeatMapValueDecimalPattern("0.00")
                .setDrawBorder(true);
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        List<Integer> lengths =
                report.cells().stream().map(ProbeReport.Cell::length).distinct().sorted().toList();
        // The axis goes upwards, and the start of the text belongs to the top.
        List<Double> depths =
                report.cells().stream()
                        .map(ProbeReport.Cell::depth)
                        .distinct()
                        .sorted((a, b) -> Double.compare(b, a))
                        .toList();
        List<Number[]> heat = new ArrayList<>();
        for (ProbeReport.Cell cell : report.cells()) {
            heat.add(
                    new Number[] {
                        lengths.indexOf(cell.length()),
                        depths.indexOf(cell.depth()),
                        cell.scores().get(metric).mean()
                    });
        }
        chart.addSeries(
                metric,
                lengths.stream().map(String::valueOf).toList(),
                depths.stream().map(depth -> String.format(Locale.ROOT, "%.2f", depth)).toList(),
                heat);
        return chart;
    }
}
