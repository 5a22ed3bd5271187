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
import ai.djl.nn.Activation;
import org.apiguardian.api.API;

/**
 * The product with a SiLU gate in a gated feed-forward layer (Shazeer, 2020, "GLU Variants Improve
 * Transformer"), in one pass:
 *
 * <pre>
 *   output = silu(gate) x,   silu(z) = z / (1 + exp(-z))
 * </pre>
 *
 * <p>Shapes: gate, x and the output (..., M). The last axis of each should be contiguous; others
 * may have any stride, as the halves of one projection do. Activations may be bfloat16. Immutable
 * and thread safe; the arrays it names are not copied.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class GatedProduct {

    private final NDArray gate;
    private final NDArray x;

    private GatedProduct(NDArray gate, NDArray x) {
        this.gate = gate;
        this.x = x;
    }

    /**
     * Names the inputs.
     *
     * @param gate what passes through SiLU, of shape (..., M)
     * @param x what is multiplied, of the same shape
     * @return the op
     */
    public static GatedProduct of(NDArray gate, NDArray x) {
        return new GatedProduct(gate, x);
    }

    /**
     * Returns what passes through SiLU.
     *
     * @return the gate
     */
    public NDArray gate() {
        return gate;
    }

    /**
     * Returns what is multiplied.
     *
     * @return x
     */
    public NDArray x() {
        return x;
    }

    /**
     * Checks the inputs and runs the op on the provider for them.
     *
     * @return the product, in the gate's manager
     * @throws IllegalArgumentException if a shape, type or device does not fit
     * @throws IllegalStateException if an array is closed
     */
    public NDArray run() {
        check();
        return OpsProviders.forArrays(gate.getDevice(), gate.getDataType()).gatedProduct(this);
    }

    /**
     * Checks the inputs without running anything.
     *
     * @throws IllegalArgumentException if a shape, type or device does not fit
     * @throws IllegalStateException if an array is closed
     */
    public void check() {
        ArgumentCheck check = new ArgumentCheck("gated product", true);
        check.array("gate", gate);
        check.array("x", x, "(..., M), as in the gate", gate.getShape().getShape());
    }

    /**
     * Computes the op by NDArray operations.
     *
     * @return the product, in the gate's manager
     */
    public NDArray naive() {
        return NaiveForm.compute(
                        gate,
                        gate.getManager(),
                        1,
                        wide -> {
                            NDArray z = wide.apply(gate);
                            // Not Activation.swish: see Scalars.
                            return new NDList(z.mul(Activation.sigmoid(z)).mul(wide.apply(x)));
                        })
                .singletonOrThrow();
    }
}
