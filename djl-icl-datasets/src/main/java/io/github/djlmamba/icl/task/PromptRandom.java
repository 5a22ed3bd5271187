/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.task;

import java.util.Random;
import org.apiguardian.api.API;

/**
 * Random numbers that are the same on every machine, JDK and number of threads.
 *
 * <p>Each prompt has a {@link Random} of its own. Its algorithm is part of the Java specification,
 * down to the rejection loop of {@code nextGaussian} and the {@link StrictMath} functions in it,
 * unlike those of the other generators, whose Gaussians may change from one JDK to the next. A
 * linear congruential generator gives visibly related streams for related seeds, so its seed is not
 * the prompt's index but an output of SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable
 * pseudorandom number generators"): the prompt with index k of seed s starts from output k of a
 * SplitMix64 whose state is the mixed s.
 *
 * <p>{@link Random} keeps 48 bits of its seed: among 32 million prompts, a run of 500,000 steps of
 * 64, a pair or two are expected to be equal.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class PromptRandom {

    private static final long GOLDEN_GAMMA = 0x9E3779B97F4A7C15L;

    private PromptRandom() {}

    /**
     * Returns the generator of one prompt.
     *
     * @param seed any number
     * @param index the prompt's index
     * @return a new generator, a pure function of both arguments
     */
    public static Random of(long seed, long index) {
        return new Random(mix(mix(seed) + GOLDEN_GAMMA * (index + 1)));
    }

    /**
     * Returns the seed of an independent stream of numbers, so that, say, training and evaluation
     * under one seed share no prompt.
     *
     * @param seed any number
     * @param stream the stream's name
     * @return a seed, a pure function of both arguments
     */
    public static long deriveSeed(long seed, String stream) {
        long state = mix(seed);
        for (int i = 0; i < stream.length(); i++) {
            state = mix(state + GOLDEN_GAMMA * (stream.charAt(i) + 1L));
        }
        return state;
    }

    private static long mix(long value) {
        long z = value;
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }
}
