/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Model;
import ai.djl.inference.Predictor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** A long text of a pure state space model keeps memory and time per token flat. */
@EnabledOnOs(value = OS.LINUX, disabledReason = "reads the resident memory from /proc")
class LongGenerationTest {

    private static final int TOKENS = Boolean.getBoolean("djlmamba.test.long") ? 100_000 : 4_000;
    private static final int STRETCH = 1_000;

    /** How much of the process's memory may come and go with the JVM and the allocators. */
    private static final long SLACK = 24L << 20;

    @Test
    void memoryAndTimeStayFlat() throws Exception {
        try (Model model = GenerationModels.mamba();
                Predictor<GenerationRequest, TextStream> predictor =
                        GenerationModels.predictor(
                                model, GenerationRequest.class, TextStream.class)) {
            GenerationOptions options =
                    GenerationOptions.DEFAULTS.withTemperature(1).withTopK(50).withSeed(1);
            GenerationRequest request = GenerationRequest.of("In the beginning");
            // Compiles what is hot, and lets the allocators reach their size.
            predictor.predict(request.withOptions(options.withMaxNewTokens(2 * STRETCH)));
            try (TextStream stream =
                    predictor
                            .streamingPredict(request.withOptions(options.withMaxNewTokens(TOKENS)))
                            .getIterativeOutput()) {
                int stretches = TOKENS / STRETCH;
                double[] millis = new double[stretches];
                int[] arrays = new int[stretches];
                long[] resident = new long[stretches];
                for (int i = 0; i < stretches; i++) {
                    millis[i] = median(stream, (i + 1) * STRETCH);
                    arrays[i] =
                            i < stretches - 1 ? model.getNDManager().getManagedArrays().size() : 0;
                    resident[i] = residentBytes();
                }
                stream.result();
                for (int i = 1; i < stretches - 1; i++) {
                    assertEquals(arrays[0], arrays[i], "arrays after stretch " + i);
                }
                long grown = resident[stretches - 1] - resident[0];
                assertTrue(grown < SLACK, "resident memory has grown by " + grown + " bytes");
                assertTrue(
                        millis[stretches - 1] < 2 * millis[0],
                        "median milliseconds of a token: " + Arrays.toString(millis));
            }
        }
    }

    /** Reads on to a number of tokens, and gives the median time of one: others use the machine. */
    private static double median(TextStream stream, int tokens) {
        double[] times = new double[STRETCH];
        int count = 0;
        boolean more = true;
        while (more && stream.tokens() < tokens) {
            int before = stream.tokens();
            long begin = System.nanoTime();
            more = stream.hasNext();
            double millis = (System.nanoTime() - begin) / 1e6;
            if (more) {
                stream.next();
                times[count++] = millis / (stream.tokens() - before);
            }
        }
        double[] sorted = Arrays.copyOf(times, count);
        Arrays.sort(sorted);
        return sorted[count / 2];
    }

    /** The process's resident memory after a collection. */
    private static long residentBytes() throws IOException {
        System.gc();
        List<String> fields =
                Arrays.asList(Files.readString(Path.of("/proc/self/smaps_rollup")).split("\\s+"));
        return Long.parseLong(fields.get(fields.indexOf("Rss:") + 1)) << 10;
    }
}
