/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ssm;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.initializer.Initializer;

/**
 * The initial values that state space blocks need beside the usual ones (Gu and Dao, 2023, section
 * 3.6). Random ones follow the engine's seed.
 */
final class StateSpaceInitializers {

    private static final double SMALLEST_STEP = 0.001;
    private static final double LARGEST_STEP = 0.1;
    private static final double STEP_FLOOR = 1e-4;
    private static final double SMALLEST_RATE = 1;
    private static final double LARGEST_RATE = 16;

    private StateSpaceInitializers() {}

    /** A shape (D, N) whose rows are log(1), ..., log(N): A = -1, ..., -N in each channel. */
    static NDArray logOfStateIndex(NDManager manager, Shape shape, DataType dataType) {
        double[] values = new double[Math.toIntExact(shape.size())];
        int states = Math.toIntExact(shape.get(1));
        for (int i = 0; i < values.length; i++) {
            values[i] = Math.log(1 + i % states);
        }
        return create(manager, values, shape, dataType);
    }

    /**
     * The bias with which softplus gives step sizes whose logarithm is uniform between those of
     * 0.001 and 0.1.
     */
    static NDArray deltaBias(NDManager manager, Shape shape, DataType dataType) {
        double[] values = new double[Math.toIntExact(shape.size())];
        try (NDArray uniform = manager.randomUniform(0, 1, shape, DataType.FLOAT32)) {
            float[] draws = uniform.toFloatArray();
            double low = Math.log(SMALLEST_STEP);
            double high = Math.log(LARGEST_STEP);
            for (int i = 0; i < values.length; i++) {
                double step = Math.exp(low + draws[i] * (high - low));
                values[i] = inverseSoftplus(Math.max(step, STEP_FLOOR));
            }
        }
        return create(manager, values, shape, dataType);
    }

    /** The logarithms of numbers uniform between 1 and 16: A is uniform between -16 and -1. */
    static NDArray logOfUniform(NDManager manager, Shape shape, DataType dataType) {
        double[] values = new double[Math.toIntExact(shape.size())];
        try (NDArray uniform = manager.randomUniform(0, 1, shape, DataType.FLOAT32)) {
            float[] draws = uniform.toFloatArray();
            for (int i = 0; i < values.length; i++) {
                values[i] = Math.log(SMALLEST_RATE + draws[i] * (LARGEST_RATE - SMALLEST_RATE));
            }
        }
        return create(manager, values, shape, dataType);
    }

    /** Makes a parameter with its initial values. */
    static Parameter parameter(
            String name, Parameter.Type type, Shape shape, Initializer initializer) {
        return Parameter.builder()
                .setName(name)
                .setType(type)
                .optShape(shape)
                .optInitializer(initializer)
                .build();
    }

    private static double inverseSoftplus(double y) {
        return y + Math.log(-Math.expm1(-y));
    }

    private static NDArray create(
            NDManager manager, double[] values, Shape shape, DataType dataType) {
        try (NDArray exact = manager.create(values, shape)) {
            // The new array lies in memory that Java frees with it, which toType to the same type
            // keeps.
            return dataType == DataType.FLOAT64 ? exact.duplicate() : exact.toType(dataType, true);
        }
    }
}
