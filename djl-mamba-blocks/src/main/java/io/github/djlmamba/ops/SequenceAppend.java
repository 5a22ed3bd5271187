/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import org.apiguardian.api.API;

/**
 * A sequence followed by more of it: the growth of a state without copying all of it each time.
 *
 * <p>Shapes: past (B, T, ...), more (B, L, ...), the result (B, T + L, ...), in more's manager.
 * Past remains what it was, and may be appended to again.
 *
 * <p>The native form leaves room behind its results. Where past is such a result, or the end of
 * one, and nothing has been appended to it yet, more goes into that room and the result is a view
 * of the same memory; else past is copied, into memory with half as much room again. The memory is
 * freed with the last array that lies in it. While a gradient is recorded, arrays are joined as
 * usual. Activations may be bfloat16. Immutable and thread safe, also where several threads append
 * to one array.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class SequenceAppend {

    private final NDArray past;
    private final NDArray more;

    private SequenceAppend(NDArray past, NDArray more) {
        this.past = past;
        this.more = more;
    }

    /**
     * Names the inputs.
     *
     * @param past what there is, of shape (B, T, ...)
     * @param more what follows, of shape (B, L, ...)
     * @return the op
     */
    public static SequenceAppend of(NDArray past, NDArray more) {
        return new SequenceAppend(past, more);
    }

    /**
     * Returns what there is.
     *
     * @return the past, of shape (B, T, ...)
     */
    public NDArray past() {
        return past;
    }

    /**
     * Returns what follows.
     *
     * @return the rest, of shape (B, L, ...)
     */
    public NDArray more() {
        return more;
    }

    /**
     * Checks the inputs and runs the op on the provider for them.
     *
     * @return the longer sequence, in more's manager; its memory may be shared with past
     * @throws IllegalArgumentException if a shape, type or device does not fit
     * @throws IllegalStateException if an array is closed
     */
    public NDArray run() {
        check();
        return OpsProviders.forArrays(past.getDevice(), past.getDataType()).sequenceAppend(this);
    }

    /**
     * Checks the inputs without running anything.
     *
     * @throws IllegalArgumentException if a shape, type or device does not fit
     * @throws IllegalStateException if an array is closed
     */
    public void check() {
        ArgumentCheck check = new ArgumentCheck("sequence append", true);
        check.array("past", past);
        if (past.getShape().dimension() < 2) {
            throw check.failure("past", "has shape " + past.getShape() + "; expected (B, T, ...)");
        }
        check.array("more", more);
        long[] expected = past.getShape().getShape().clone();
        expected[1] = more.getShape().dimension() > 1 ? more.getShape().get(1) : -1;
        check.array("more", more, "(B, L, ...), with all but L as in past", expected);
        expected[1] += past.getShape().get(1);
        expected[0] *= 2;
        check.elements("the result, with the room behind it,", expected);
    }

    /**
     * Joins the arrays by a copy of both.
     *
     * @return the longer sequence, in more's manager
     */
    public NDArray naive() {
        return NaiveForm.compute(
                        more,
                        more.getManager(),
                        1,
                        wide -> new NDList(wide.apply(past).concat(wide.apply(more), 1)))
                .singletonOrThrow();
    }
}
