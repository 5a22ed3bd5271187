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
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/**
 * One call of a differentiable op: its inputs by name, how providers run it, and the same
 * computation and its gradient as plain loops in double.
 */
public abstract class OpCase {

    /** The inputs that are parameters or states in the ops that take bfloat16. */
    private static final Set<String> PARAMETERS =
            Set.of("a", "skip", "deltaBias", "weight", "bias", "initialState");

    private final Map<String, Sample> inputs = new LinkedHashMap<>();

    /** The inputs by name, in the order in which the op names them. */
    public final Map<String, Sample> inputs() {
        return inputs;
    }

    /** The names of the op's results. */
    public abstract List<String> results();

    /** The shapes of the op's results. */
    public abstract List<Shape> shapes();

    /** Checks the arrays and runs the op on a provider. */
    public abstract List<NDArray> run(OpsProvider provider, Map<String, NDArray> arrays);

    /** Runs the op's naive form. */
    public abstract List<NDArray> naive(Map<String, NDArray> arrays);

    /** Computes the op by plain loops over other values of the inputs. */
    public abstract List<double[]> forward(Map<String, double[]> values);

    /**
     * Computes the gradient of the sum over the results of cotangent . result by plain loops over
     * the inputs.
     */
    public abstract Map<String, double[]> backward(List<double[]> cotangents);

    /** The values of the inputs. */
    public final Map<String, double[]> values() {
        Map<String, double[]> values = new LinkedHashMap<>();
        inputs.forEach((name, sample) -> values.put(name, sample.values()));
        return values;
    }

    /**
     * Creates the arrays of the inputs; those named need a gradient. The type is that of
     * activations, where the unknown one stands for bfloat16.
     */
    public final Map<String, NDArray> arrays(NDManager manager, DataType type, Set<String> leaves) {
        Map<String, NDArray> arrays = new LinkedHashMap<>();
        inputs.forEach(
                (name, sample) -> {
                    DataType own = PARAMETERS.contains(name) ? parameterType(type) : type;
                    arrays.put(
                            name,
                            leaves.contains(name)
                                    ? sample.leaf(manager, own)
                                    : sample.array(manager, own));
                });
        return arrays;
    }

    /** The type of parameters and states beside activations of a type. */
    static DataType parameterType(DataType activations) {
        return activations == DataType.UNKNOWN ? DataType.FLOAT32 : activations;
    }

    /** Rounds the values of the inputs to what bfloat16 holds. */
    public final void roundToBfloat16() {
        inputs.replaceAll((name, sample) -> sample.roundedToBfloat16());
    }

    /** Draws a weight for every entry of every result. */
    public final List<double[]> cotangents() {
        Random random = new Random(toString().hashCode() + 1L);
        List<double[]> cotangents = new ArrayList<>();
        for (Shape shape : shapes()) {
            cotangents.add(Sample.draw(shape, Layout.CONTIGUOUS, random::nextGaussian).values());
        }
        return cotangents;
    }

    /** Describes the case; its random values follow from this text, so that it can be repeated. */
    @Override
    public abstract String toString();
}
