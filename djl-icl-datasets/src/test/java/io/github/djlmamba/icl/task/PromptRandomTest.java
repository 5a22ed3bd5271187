/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class PromptRandomTest {

    private static final long GOLDEN_GAMMA = 0x9E3779B97F4A7C15L;

    @Test
    void promptKStartsFromOutputKOfSplitMix64() {
        for (long seed : new long[] {0, 1, -1, 42, Long.MIN_VALUE, Long.MAX_VALUE}) {
            // The first output of the JDK's SplitMix64 is the mix of its seed plus the gamma.
            long state = new SplittableRandom(seed - GOLDEN_GAMMA).nextLong();
            SplittableRandom outputs = new SplittableRandom(state);
            for (int index = 0; index < 100; index++) {
                assertEquals(
                        new Random(outputs.nextLong()).nextLong(),
                        PromptRandom.of(seed, index).nextLong());
            }
        }
    }

    @Test
    void derivedSeedsDifferByStreamAndBySeed() {
        assertEquals(0x1dd3c56f3b42d718L, PromptRandom.deriveSeed(7, "training"));
        assertNotEquals(
                PromptRandom.deriveSeed(7, "training"), PromptRandom.deriveSeed(7, "bootstrap"));
        Set<Long> seeds = new HashSet<>();
        for (long seed = 0; seed < 1000; seed++) {
            seeds.add(PromptRandom.deriveSeed(seed, "training"));
        }
        assertEquals(1000, seeds.size());
    }
}
