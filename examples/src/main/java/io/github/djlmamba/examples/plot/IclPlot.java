/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.plot;

import io.github.djlmamba.icl.evaluation.IclReport;
import java.awt.BasicStroke;
import java.awt.Color;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.lines.SeriesLines;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Draws a model's error per number of examples beside the baselines. */
public final class IclPlot {

    private static final float[] DASHES = {6f, 5f};

    /** Colours that readers who do not tell red from green can tell apart (Okabe and Ito, 2008). */
    private static final Color[] COLORS = {
        new Color(0x999999), new Color(0xe69f00), new Color(0x56b4e9), new Color(0xd55e00)
    };

    private IclPlot() {}

    /**
     * Writes the plot of a report as a PNG.
     *
     * @param report the report
     * @param file the file to write
     * @throws IOException if it cannot be written
     */
    public static void write(IclReport report, Path file) throws IOException {
        BitmapEncoder.saveBitmapWithDPI(
                chart(report), file.toString(), BitmapEncoder.BitmapFormat.PNG, 144);
    }

    private static XYChart chart(IclReport report) {
        XYChart chart =
                new XYChartBuilder()
                        .width(800)
                        .height(500)
                        .title(
                                report.task()
                                        + ", d = "
                                        + report.dims()
                                        + ", "
                                        + report.prompts()
                                        + " prompts")
                        .xAxisTitle("examples seen")
                        .yAxisTitle(report.metric())
                        .build();
        chart.getStyler()
                .setChartBackgroundColor(Color.WHITE)
                .setLegendPosition(Styler.LegendPosition.OutsideS)
                .setLegendLayout(Styler.LegendLayout.Horizontal)
                .setSeriesColors(COLORS);
        chart.getStyler().setPlotGridLinesColor(new Color(0xe0e0e0));
        chart.getStyler().setYAxisMin(0.0).setYAxisMax(1.4).setErrorBarsColorSeriesColor(true);
        List<IclReport.Entry> curve = report.curve();
        double[] i = curve.stream().mapToDouble(IclReport.Entry::i).toArray();
        if (curve.isEmpty()) {
            return chart;
        }
        for (String name : curve.get(0).baselines().keySet()) {
            double[] values =
                    curve.stream().mapToDouble(entry -> entry.baselines().get(name)).toArray();
            XYSeries series = chart.addSeries(name, i, values);
            series.setMarker(SeriesMarkers.NONE);
            series.setLineStyle(
                    new BasicStroke(
                            1.5f, BasicStroke.CAP_BUTT, BasicStroke.JOIN_ROUND, 1f, DASHES, 0f));
        }
        double[] model = curve.stream().mapToDouble(IclReport.Entry::model).toArray();
        double[] halfWidths =
                curve.stream().mapToDouble(entry -> (entry.high() - entry.low()) / 2).toArray();
        XYSeries series = chart.addSeries(report.model(), i, model, halfWidths);
        series.setMarker(SeriesMarkers.CIRCLE);
        series.setMarkerColor(Color.BLACK);
        series.setLineColor(Color.BLACK);
        series.setLineStyle(SeriesLines.SOLID);
        series.setLineWidth(2.5f);
        return chart;
    }
}
