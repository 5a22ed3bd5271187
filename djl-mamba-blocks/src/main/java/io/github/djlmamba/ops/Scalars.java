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
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import org.apiguardian.api.API;

/**
 * Numbers as arrays that a gradient may hold on to.
 *
 * <p>{@code array.mul(Number)}, and likewise the division and power by a number, keep the number
 * for the backward pass in memory of the JVM that may be collected before: what is then multiplied
 * is whatever lies there. In an expression that may be differentiated multiply by a scalar made
 * here. Thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class Scalars {

    private Scalars() {}

    /**
     * Returns a number as an array without axes.
     *
     * @param like an array whose manager, device and type the result shares; beside a bfloat16 one
     *     it is float32, which leaves the results of operations with it bfloat16
     * @param value the number
     * @return the array
     */
    public static NDArray like(NDArray like, double value) {
        DataType type = like.getDataType();
        return like.getManager()
                .ones(
                        new Shape(),
                        type == DataType.UNKNOWN ? DataType.FLOAT32 : type,
                        like.getDevice())
                .muli(value);
    }
}
