/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import ai.djl.Device;
import ai.djl.ndarray.types.DataType;
import org.apiguardian.api.API;

/**
 * The provider that runs every op in its naive form, on ordinary NDArray operations.
 *
 * <p>It works wherever DJL's PyTorch engine does and is what every other provider is tested
 * against. Thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class ReferenceOps implements OpsProvider {

    /** The name of this provider. */
    public static final String NAME = "reference";

    /** {@inheritDoc} */
    @Override
    public String name() {
        return NAME;
    }

    /** {@inheritDoc} */
    @Override
    public int priority() {
        return 0;
    }

    /** {@inheritDoc} */
    @Override
    public boolean supports(Device device, DataType dataType) {
        return true;
    }

    /** {@inheritDoc} */
    @Override
    public String description() {
        return "reference: naive ops on NDArray operations";
    }
}
