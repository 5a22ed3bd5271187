/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.probe;

import java.util.List;
import java.util.OptionalDouble;
import org.apiguardian.api.API;

/**
 * A family of prompts that hold one fact to be found again, in any length.
 *
 * <p>Sample k of a seed is a pure function of the probe's settings, the seed, k, the length and the
 * depth: it is the same on every machine, in any batch and on any number of threads.
 * Implementations are immutable and safe for use by several threads, as long as their token counter
 * is.
 */
@API(status = API.Status.EXPERIMENTAL)
public interface Probe {

    /** The largest length, in tokens or in entries, that a probe can be asked for. */
    int MAX_LENGTH = 1 << 24;

    /**
     * Returns the probe's name.
     *
     * @return lower-case words joined by hyphens
     */
    String name();

    /**
     * Returns what lengths are counted in.
     *
     * @return a noun in the plural, such as "tokens"
     */
    String lengthUnit();

    /**
     * Returns how answers are scored.
     *
     * @return the metrics, the main one first
     */
    List<ProbeMetric> metrics();

    /**
     * Returns how many tokens suffice for an answer, whatever the tokenizer.
     *
     * @return a number of tokens, at least 1
     */
    int maxNewTokens();

    /**
     * Draws a sample.
     *
     * @param seed any number
     * @param index the sample's index, k, not negative
     * @param length the prompt's size in {@link #lengthUnit()}
     * @param depth where in the text the fact stands, from 0, the start, to 1, the end; each sample
     *     draws its own where it is empty
     * @return the sample
     * @throws IllegalArgumentException if an argument is out of range, or no prompt is as short or
     *     as long as that
     */
    ProbeSample sample(long seed, long index, int length, OptionalDouble depth);
}
