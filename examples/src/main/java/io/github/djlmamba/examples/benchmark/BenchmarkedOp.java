/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.benchmark;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import java.util.Map;

/** A differentiable op with the sizes to time it at. */
interface BenchmarkedOp {

    /** Returns the op's name, that of its schema. */
    String name();

    /** Returns the sizes, each after its letter. */
    String shape();

    /** Returns the same op at sizes at which the naive form in double takes no time. */
    BenchmarkedOp reduced();

    /** Makes random inputs of the op, all of which are there, in the given manager. */
    NDList newInputs(NDManager manager, DataType type);

    /**
     * Returns whether an input is an activation, which is bfloat16 where the op is timed in that.
     */
    boolean isActivation(int index);

    /** Returns the shape of the output. */
    Shape outputShape();

    /** Runs the op as a user does; the output comes first. */
    NDList run(NDList inputs);

    /**
     * Times the op called from C++, in nanoseconds: forward, or backward where there is an output
     * gradient. Empty for an op that is not timed so.
     */
    default long[] timeNative(NDList inputs, NDArray outputGradient, int repetitions) {
        return new long[0];
    }

    /** Returns what the machine is timed at beside the op. */
    List<MachineLoad> loads(NDList inputs, NDArray outputGradient);

    /** Returns the milliseconds that the machine's rates allow for a pass. */
    double boundMs(boolean backward, int threads, Map<MachineLoad, Times> rates);

    /** Returns the work of a pass, in the unit of the rate times seconds. */
    double work(boolean backward);
}
