/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.benchmark;

import com.google.gson.FieldNamingPolicy;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import java.util.List;
import org.apiguardian.api.API;

/**
 * What was measured of one call. Immutable.
 *
 * <p>The unit of the rate follows from what is measured: 10^9 exponentials a second for exp2 and
 * the scan (one for each entry of (B, L, D, N)), 10^9 bytes read and written a second for copy, the
 * convolution and the Adam step, 10^9 operations a second for products and linear, tokens a second
 * for a training step, a prefill and decoding, 10^9 bytes a second for what reads memory or a file,
 * and per cent of the whole for a part of it.
 *
 * @param name what was called
 * @param provider what ran it: an ops provider, or a library for the rates of the machine
 * @param shape the sizes, each after its letter
 * @param threads the threads it ran on
 * @param medianMs the median of the times, in milliseconds
 * @param p10Ms the time that a tenth of the calls stayed below, in milliseconds
 * @param p90Ms the time that nine tenths of the calls stayed below, in milliseconds
 * @param rate the work by the median time; by p10Ms for the rates of the machine
 * @param bound the milliseconds that the machine's rate allows, measured in the same run; null
 *     where no rate bounds the whole call
 * @param fractionOfBound bound / medianMs; null without a bound
 */
@API(status = API.Status.EXPERIMENTAL)
public record BenchmarkResult(
        String name,
        String provider,
        String shape,
        int threads,
        double medianMs,
        double p10Ms,
        double p90Ms,
        double rate,
        Double bound,
        Double fractionOfBound) {

    private static final Gson GSON =
            new GsonBuilder()
                    .setFieldNamingPolicy(FieldNamingPolicy.LOWER_CASE_WITH_UNDERSCORES)
                    .setPrettyPrinting()
                    .serializeNulls()
                    .create();

    /**
     * Summarises times.
     *
     * @param name what was called
     * @param provider what ran it
     * @param shape the sizes
     * @param threads the threads
     * @param times the times
     * @param work the work of a call, in the unit of the rate times seconds
     * @param bound the bound in milliseconds, or null
     * @return the result
     */
    static BenchmarkResult of(
            String name,
            String provider,
            String shape,
            int threads,
            Times times,
            double work,
            Double bound) {
        double seconds = times.quantileMs(0.5) / 1e3;
        return summary(name, provider, shape, threads, times, work / seconds, bound);
    }

    /**
     * Summarises the times of what the machine does as fast as it can. The rate is the one without
     * disturbance, which bounds the ops; the fraction says how near to it the median came.
     *
     * @param load what the machine did
     * @param threads the threads
     * @param times the times
     * @return the result
     */
    static BenchmarkResult ofLoad(MachineLoad load, int threads, Times times) {
        double bound = times.undisturbedMs();
        double rate = load.work().apply(threads) / (bound / 1e3);
        return summary(load.name(), load.provider(), load.shape(), threads, times, rate, bound);
    }

    private static BenchmarkResult summary(
            String name,
            String provider,
            String shape,
            int threads,
            Times times,
            double rate,
            Double bound) {
        double median = times.quantileMs(0.5);
        return new BenchmarkResult(
                name,
                provider,
                shape,
                threads,
                median,
                times.quantileMs(0.1),
                times.quantileMs(0.9),
                rate,
                bound,
                bound == null ? null : bound / median);
    }

    /**
     * Writes results as a JSON document, a list of objects.
     *
     * @param results the results
     * @return the document
     */
    public static String toJson(List<BenchmarkResult> results) {
        return GSON.toJson(results);
    }
}
