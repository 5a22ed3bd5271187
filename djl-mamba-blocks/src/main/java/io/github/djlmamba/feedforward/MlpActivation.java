/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.feedforward;

import ai.djl.ndarray.NDArray;
import ai.djl.nn.Activation;
import io.github.djlmamba.ops.GatedProduct;
import io.github.djlmamba.ops.Scalars;
import org.apiguardian.api.API;

/**
 * The function between the two projections of an {@link MlpBlock}, or of the gate of a {@link
 * GatedMlpBlock}. Thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public enum MlpActivation {

    /** x P(X at most x) for a standard normal X (Hendrycks and Gimpel, 2016). */
    GELU {
        @Override
        public NDArray apply(NDArray x) {
            return Activation.gelu(x);
        }
    },

    /**
     * The approximation of {@link #GELU} that GPT-2 uses: x (1 + tanh(u)) / 2 with u = sqrt(2 / pi)
     * (x + 0.044715 x^3).
     */
    GELU_TANH {
        @Override
        public NDArray apply(NDArray x) {
            // (1 + tanh(u)) / 2 = sigmoid(2 u), which keeps fewer arrays for the gradient.
            try (NDArray linear = Scalars.like(x, 2 * ROOT_2_OVER_PI);
                    NDArray cubic = Scalars.like(x, 2 * ROOT_2_OVER_PI * CUBIC);
                    NDArray factor = x.square().muli(cubic).addi(linear);
                    NDArray twiceU = factor.mul(x);
                    NDArray gate = Activation.sigmoid(twiceU)) {
                return x.mul(gate);
            }
        }
    },

    /** max(x, 0). */
    RELU {
        @Override
        public NDArray apply(NDArray x) {
            return Activation.relu(x);
        }
    },

    /** max(x, 0) squared (So et al., 2021, "Primer", section 4). */
    SQUARED_RELU {
        @Override
        public NDArray apply(NDArray x) {
            try (NDArray positive = Activation.relu(x)) {
                return positive.square();
            }
        }
    },

    /** x sigmoid(x), also called swish. */
    SILU {
        @Override
        public NDArray gated(NDArray gate, NDArray x) {
            return GatedProduct.of(gate, x).run();
        }

        @Override
        public NDArray apply(NDArray x) {
            try (NDArray gate = Activation.sigmoid(x)) {
                return x.mul(gate);
            }
        }
    };

    private static final double ROOT_2_OVER_PI = Math.sqrt(2 / Math.PI);
    private static final double CUBIC = 0.044715;

    /**
     * Applies the function to each element.
     *
     * @param x any floating array
     * @return a new array of the same shape, in x's manager
     */
    public abstract NDArray apply(NDArray x);

    /**
     * Multiplies by the function of a gate (Shazeer, 2020, "GLU Variants Improve Transformer").
     *
     * @param gate what the function is applied to
     * @param x what is multiplied, of the same shape
     * @return a new array of that shape, in the gate's manager
     */
    public NDArray gated(NDArray gate, NDArray x) {
        try (NDArray factor = apply(gate)) {
            return factor.mul(x);
        }
    }
}
