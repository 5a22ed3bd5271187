/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.ndarray.types.DataType;

/** What holds for an op that takes activations in bfloat16, one case at a time. */
public final class Bfloat16Checks {

    /** The tolerance of the reference implementation's tests in bfloat16. */
    private static final Tolerance VALUES = new Tolerance(3e-2, 5e-2, 1e-3);

    /** The same for gradients, whose cotangents are rounded, too. */
    private static final Tolerance GRADIENTS = new Tolerance(5e-2, 5e-2, 1e-2);

    private Bfloat16Checks() {}

    /** Skips the test where nothing offers bfloat16. */
    public static void assumeAvailable() {
        boolean available = true;
        try {
            OpsProviders.reducedPrecision();
        } catch (IllegalStateException e) {
            available = false;
        }
        assumeTrue(available, "no provider of ops offers bfloat16");
    }

    /** Values and gradients are those of the loops over the rounded inputs. */
    public static void valuesAndGradients(OpsProvider provider, OpCase opCase) {
        opCase.roundToBfloat16();
        OpChecks.forward(provider, opCase, DataType.UNKNOWN, VALUES);
        OpChecks.gradients(provider, opCase, DataType.UNKNOWN, name -> GRADIENTS);
    }
}
