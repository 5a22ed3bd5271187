/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.language;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import io.github.djlmamba.feedforward.MixtureOfExpertsBlock;
import io.github.djlmamba.feedforward.Projection;
import io.github.djlmamba.ops.Precision;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Set;
import org.apiguardian.api.API;

/**
 * Stores the weights of a model's projections, experts and embedding in bfloat16, which halves its
 * memory and what a token has to read, while activations, states, sums and all other parameters
 * stay float32. A model so stored predicts; it is not for training, nor can DJL save it. Predictors
 * and parameter stores made before hold the parameters of before: make them afterwards.
 *
 * <p>Needs a provider of ops that offers bfloat16. Thread safe as long as nobody uses the model
 * meanwhile.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class Bfloat16Weights {

    private Bfloat16Weights() {}

    /**
     * Returns the parameters that may be stored in bfloat16.
     *
     * @param block a model
     * @return the weights of the projections and experts in it and the embeddings, compared by
     *     identity
     */
    public static Set<Parameter> of(Block block) {
        Set<Parameter> weights = Collections.newSetFromMap(new IdentityHashMap<>());
        collect(block, weights);
        return weights;
    }

    private static void collect(Block block, Set<Parameter> weights) {
        if (block instanceof Projection projection) {
            weights.add(projection.weight());
        } else if (block instanceof MixtureOfExpertsBlock experts) {
            weights.addAll(experts.matrices());
        } else if (block instanceof LanguageModel model) {
            weights.add(model.getDirectParameters().get("embedding"));
        }
        block.getChildren().values().forEach(child -> collect(child, weights));
    }

    /**
     * Rounds those parameters of a model to bfloat16, one after the other.
     *
     * @param block an initialised model
     * @throws IllegalStateException if no provider of ops offers bfloat16, or the model is not
     *     initialised
     */
    public static void store(Block block) {
        for (Parameter parameter : new ArrayList<>(of(block))) {
            store(parameter);
        }
    }

    /**
     * Rounds a parameter to bfloat16.
     *
     * @param parameter one of {@link #of}, initialised; the model's memory holds both forms of this
     *     parameter for a moment
     * @throws IllegalStateException if no provider of ops offers bfloat16, or the parameter is not
     *     initialised
     */
    public static void store(Parameter parameter) {
        if (!parameter.isInitialized()) {
            throw new IllegalStateException(
                    "the parameter "
                            + parameter.getName()
                            + " is not initialised; load or initialise the model before its weights"
                            + " are stored in bfloat16");
        }
        NDArray wide = parameter.getArray();
        if (wide.getDataType() == DataType.UNKNOWN) {
            return;
        }
        NDManager manager = wide.getManager();
        wide.setRequiresGradient(false);
        NDArray narrow = Precision.BFLOAT16.cast(wide);
        narrow.attach(manager);
        parameter.close();
        parameter.setShape(null);
        parameter.setArray(narrow);
        parameter.freeze(true);
    }
}
