/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.state;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What the states of every mixer and every stack must hold to. */
class MixerStateTest extends AbstractMixerTest {

    @ParameterizedTest(name = "{0}")
    @MethodSource("mixers")
    void wholePrefixAndTokensAgree(String name, Supplier<SequenceMixer> builder) {
        SequenceMixer mixer = initialized(builder);
        NDArray x = input(SHAPE);
        NDArray whole = whole(mixer, x);
        assertTrue(whole.abs().max().getFloat() > 1e-3, "the output is not all zero");
        assertClose(whole, inChunks(mixer, x, 5, 4), 1e-5f);
        assertClose(whole, inChunks(mixer, x, 1, 4, 2, 2), 1e-5f);
        assertClose(whole, inChunks(mixer, x, 1, 1, 1, 1, 1, 1, 1, 1, 1), 1e-5f);
        assertClose(whole, inChunks(mixer, x, 0, 5, 0, 4, 0), 1e-5f);
    }

    private NDArray inChunks(SequenceMixer mixer, NDArray x, long... lengths) {
        NDList outputs = new NDList();
        MixerState state = null;
        long start = 0;
        for (long length : lengths) {
            NDArray chunk = x.get(":, {}:{}", start, start + length);
            MixerOutput result = mixer.mix(parameters, chunk, state, true, false);
            if (state != null) {
                state.close();
            }
            outputs.add(result.output());
            state = result.state();
            start += length;
        }
        assertEquals(x.getShape().get(1), start);
        return NDArrays.concat(outputs, 1);
    }

    /** A batch of sequences of different lengths is continued as each would be by itself. */
    @ParameterizedTest(name = "{0}")
    @MethodSource("mixers")
    void joinedStatesContinueAsEachByItself(String name, Supplier<SequenceMixer> builder) {
        SequenceMixer mixer = initialized(builder);
        // Rows, and how many of their tokens have been seen; two rows share a prefix call.
        long[][] prefixes = {{1, 3}, {2, 5}, {1, 0}, {1, 8}, {1, 3}};
        int rows = 6;
        int more = 7;
        List<NDArray> inputs = new ArrayList<>();
        List<NDArray> expected = new ArrayList<>();
        List<MixerState> states = new ArrayList<>();
        for (long[] prefix : prefixes) {
            NDArray x = input(new Shape(prefix[0], prefix[1] + more, M));
            NDArray whole = whole(mixer, x);
            for (int row = 0; row < prefix[0]; row++) {
                inputs.add(x.get("{}:{}, {}:", row, row + 1, prefix[1]));
                expected.add(whole.get("{}:{}, {}:", row, row + 1, prefix[1]));
            }
            NDArray seen = x.get(":, :{}", prefix[1]);
            states.add(mixer.mix(parameters, seen, null, true, false).state());
        }
        NDArray x = NDArrays.concat(new NDList(inputs), 0);
        NDArray whole = NDArrays.concat(new NDList(expected), 0);
        MixerState joined = states.get(0).join(states.subList(1, states.size()));
        states.forEach(MixerState::close);
        MixerState rebuilt = joined.with(joined.arrays(), joined.positions());
        assertClose(whole, mixer.mix(parameters, x, rebuilt, false, false).output(), 1e-5f);
        assertClose(whole, continued(mixer, x, joined), 1e-5f);

        for (int[] selected : new int[][] {{0, 2, 5}, {3, 1}, {4, 4, 0, 3}, {5}, {}}) {
            NDList chosen = new NDList();
            NDList outputs = new NDList();
            for (int row : selected) {
                chosen.add(x.get("{}:{}", row, row + 1));
                outputs.add(whole.get("{}:{}", row, row + 1));
            }
            MixerState part = joined.select(selected);
            NDArray rest =
                    selected.length == 0
                            ? input(new Shape(0, more, M))
                            : NDArrays.concat(chosen, 0);
            NDArray output = continued(mixer, rest, part);
            assertEquals(selected.length, output.getShape().get(0));
            if (selected.length > 0) {
                assertClose(NDArrays.concat(outputs, 0), output, 1e-5f);
            }
        }
        assertEquals(rows, x.getShape().get(0));
    }

    /** Sequences that leave and join a batch while it goes on. */
    @ParameterizedTest(name = "{0}")
    @MethodSource("mixers")
    void sequencesMayLeaveAndJoin(String name, Supplier<SequenceMixer> builder) {
        SequenceMixer mixer = initialized(builder);
        NDArray x = input(new Shape(3, 9, M));
        NDArray whole = whole(mixer, x);
        MixerState first = mixer.mix(parameters, x.get("0:2, :6"), null, true, false).state();
        MixerState second = mixer.mix(parameters, x.get("2:3, :2"), null, true, false).state();
        MixerState both = second.join(List.of(first.select(1)));
        NDArray next = x.get("2:3, 2:4").concat(x.get("1:2, 6:8"), 0);
        MixerOutput output = mixer.mix(parameters, next, both, true, false);
        assertClose(whole.get("2:3, 2:4").concat(whole.get("1:2, 6:8"), 0), output.output(), 1e-5f);
        NDArray last = x.get("2:3, 4:9");
        assertClose(whole.get("2:3, 4:9"), continued(mixer, last, output.state().select(0)), 1e-5f);
    }

    /** The outputs for more tokens, one by one. */
    private NDArray continued(SequenceMixer mixer, NDArray x, MixerState state) {
        NDList outputs = new NDList();
        MixerState before = state;
        for (long t = 0; t < x.getShape().get(1); t++) {
            NDArray token = x.get(":, {}:{}", t, t + 1);
            MixerOutput result = mixer.mix(parameters, token, before, true, false);
            outputs.add(result.output());
            before = result.state();
        }
        return NDArrays.concat(outputs, 1);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("mixers")
    void selectingAndJoiningLeaveNothingBehind(String name, Supplier<SequenceMixer> builder) {
        SequenceMixer mixer = initialized(builder);
        try (NDManager requests = NDManager.newBaseManager()) {
            NDArray x = requests.ones(new Shape(2, 5, M));
            NDArray y = requests.ones(new Shape(1, 3, M));
            MixerState first = mixer.mix(parameters, x, null, true, false).state();
            MixerState second = mixer.mix(parameters, y, null, true, false).state();
            int arrays = first.arrays().size();
            int held = requests.getManagedArrays().size();
            MixerState joined = first.join(List.of(second));
            assertEquals(held + arrays, requests.getManagedArrays().size());
            joined.select(2);
            assertEquals(held + 2 * arrays, requests.getManagedArrays().size());
        }
    }
}
