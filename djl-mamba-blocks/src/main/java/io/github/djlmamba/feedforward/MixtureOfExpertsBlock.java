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
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.ndarray.types.SparseFormat;
import ai.djl.nn.Parameter;
import ai.djl.nn.core.Embedding;
import ai.djl.training.initializer.Initializer;
import io.github.djlmamba.ops.Linear;
import io.github.djlmamba.state.EmptyState;
import io.github.djlmamba.state.MixerInput;
import io.github.djlmamba.state.MixerOutput;
import io.github.djlmamba.state.SequenceMixer;
import java.util.Arrays;
import java.util.List;
import org.apiguardian.api.API;

/**
 * A mixture of experts (Shazeer et al., 2017): each token passes k of E multilayer perceptrons,
 * which a router chooses, and perhaps one that all tokens share:
 *
 * <pre>
 *   y = latent_out(sum over the chosen e of weight_e expert_e(latent_in(x))) + shared(x)
 *   expert_e(v) = down_e f(up_e v), or down_e (f(gate_e v) up_e v)
 * </pre>
 *
 * <p>{@link ExpertRouting} says how experts are chosen and weighed. Without a latent size K the
 * projections latent_in and latent_out are left out, and K = M.
 *
 * <p>Shapes: x and y (B, L, M). Parameters: router.weight (E, M); correction (E), if there is one,
 * which has no gradient; up_weight (E, F, K), or gate_up_weight (E, 2 F, K) with the gate's rows
 * first; down_weight (E, K, F); latent_in.weight (K, M) and latent_out.weight (M, K) and their
 * biases; those of the shared expert. It carries nothing between tokens. The tokens of one expert
 * are multiplied together; those that no token chooses cost nothing when predicting. Predictions
 * are thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class MixtureOfExpertsBlock extends SequenceMixer {

    private static final byte VERSION = 1;

    private final MixtureOfExpertsOptions options;
    private final long width;
    private final Parameter correction;
    private final Parameter inWeight;
    private final Parameter outWeight;
    private final Projection router;
    private final Projection latentIn;
    private final Projection latentOut;
    private final SequenceMixer shared;

    /**
     * Makes a block.
     *
     * @param modelSize the size M of the vectors
     * @param options the settings
     * @param outputScale the factor on the initial weights of the last projections
     * @throws IllegalArgumentException if the model size is not positive
     */
    public MixtureOfExpertsBlock(
            long modelSize, MixtureOfExpertsOptions options, double outputScale) {
        super(VERSION, modelSize);
        this.options = options;
        boolean latent = options.latentSize() > 0;
        width = latent ? options.latentSize() : modelSize;
        long experts = options.experts();
        long hidden = options.hiddenSize();
        double deviation = options.initialDeviation();
        correction =
                options.routing().correction()
                        ? addParameter(
                                Parameter.builder()
                                        .setName("correction")
                                        .setType(Parameter.Type.OTHER)
                                        .optShape(new Shape(experts))
                                        .optInitializer(Initializer.ZEROS)
                                        .optRequiresGrad(false)
                                        .build())
                        : null;
        inWeight =
                weight(
                        options.gated() ? "gate_up_weight" : "up_weight",
                        new Shape(experts, options.gated() ? 2 * hidden : hidden, width),
                        Projection.weights(deviation, width, 1));
        outWeight =
                weight(
                        "down_weight",
                        new Shape(experts, width, hidden),
                        Projection.weights(deviation, hidden, latent ? 1 : outputScale));
        router = projection("router", modelSize, experts, false, 1);
        latentIn = latent ? projection("latent_in", modelSize, width, options.bias(), 1) : null;
        latentOut =
                latent
                        ? projection("latent_out", width, modelSize, options.bias(), outputScale)
                        : null;
        shared =
                options.shared() == null
                        ? null
                        : addChildBlock(
                                "shared", options.shared().newMixer(modelSize, outputScale));
    }

    /**
     * Returns the weights of all experts, which the router and other projections are not of.
     *
     * @return the parameters of what goes in and what comes out
     */
    public List<Parameter> matrices() {
        return List.of(inWeight, outWeight);
    }

    private Parameter weight(String name, Shape shape, Initializer initializer) {
        return addParameter(
                Parameter.builder()
                        .setName(name)
                        .setType(Parameter.Type.WEIGHT)
                        .optShape(shape)
                        .optInitializer(initializer)
                        .build());
    }

    private Projection projection(
            String name, long inputs, long outputs, boolean bias, double scale) {
        return addChildBlock(
                name,
                Projection.builder()
                        .setInputs(inputs)
                        .setOutputs(outputs)
                        .optBias(bias)
                        .optInitializer(
                                Projection.weights(options.initialDeviation(), inputs, scale))
                        .build());
    }

    /** {@inheritDoc} */
    @Override
    protected MixerOutput compute(MixerInput input) {
        NDArray x = input.x();
        continued(EmptyState.class, input.before(), x);
        NDArray output = x.getShape().size() == 0 ? x.add(x) : routed(input);
        if (shared != null) {
            output = output.add(shared.mix(input.with(x, input.before())).output());
        }
        return new MixerOutput(output, input.keepState() ? EmptyState.INSTANCE : null);
    }

    private NDArray routed(MixerInput input) {
        NDArray x = input.x();
        NDArray tokens = x.reshape(-1, modelSize());
        NDArray logits = router.project(input.parameterStore(), tokens, input.training());
        ExpertChoice choice = ExpertChoice.of(logits, input.value(correction), options);
        NDArray narrow =
                latentIn == null
                        ? tokens
                        : latentIn.project(input.parameterStore(), tokens, input.training());
        NDArray sorted = rows(narrow, choice.tokens(x.getManager()));
        NDArray outputs = experts(input, sorted, choice.ends());
        NDArray weights = choice.weights().expandDims(2);
        NDArray sum =
                rows(outputs, choice.places(x.getManager()))
                        .reshape(-1, choice.perToken(), width)
                        .mul(weights)
                        .sum(new int[] {1});
        NDArray output =
                latentOut == null
                        ? sum
                        : latentOut.project(input.parameterStore(), sum, input.training());
        return output.reshape(x.getShape());
    }

    /** Passes the rows of each expert, which lie side by side, through it. */
    private NDArray experts(MixerInput input, NDArray sorted, long[] ends) {
        int[] busy = busy(ends);
        // One split rather than slices, whose gradients would each have the size of all weights.
        NDList inWeights = input.training() ? split(input.value(inWeight)) : null;
        NDList outWeights = input.training() ? split(input.value(outWeight)) : null;
        long[] cuts = Arrays.stream(busy).limit(busy.length - 1).mapToLong(e -> ends[e]).toArray();
        NDList parts = cuts.length == 0 ? new NDList(sorted) : sorted.split(cuts, 0);
        NDList outputs = new NDList(busy.length);
        for (int i = 0; i < busy.length; i++) {
            NDArray in = matrix(input.value(inWeight), inWeights, busy[i]);
            NDArray out = matrix(input.value(outWeight), outWeights, busy[i]);
            NDArray hidden = Linear.of(parts.get(i), in).run();
            outputs.add(Linear.of(activated(hidden), out).run());
        }
        return outputs.size() == 1 ? outputs.get(0) : NDArrays.concat(outputs);
    }

    private NDArray activated(NDArray hidden) {
        if (!options.gated()) {
            return options.activation().apply(hidden);
        }
        NDList halves = hidden.split(new long[] {options.hiddenSize()}, 1);
        return options.activation().gated(halves.get(0), halves.get(1));
    }

    /** Gives the experts that have rows. */
    private static int[] busy(long[] ends) {
        int[] busy = new int[ends.length];
        int count = 0;
        for (int e = 0; e < ends.length; e++) {
            if (ends[e] > (e == 0 ? 0 : ends[e - 1])) {
                busy[count++] = e;
            }
        }
        return Arrays.copyOf(busy, count);
    }

    private static NDList split(NDArray weights) {
        long experts = weights.getShape().get(0);
        return experts == 1 ? new NDList(weights) : weights.split(experts, 0);
    }

    private static NDArray matrix(NDArray all, NDList each, int expert) {
        return each == null ? all.get(expert) : each.get(expert).squeeze(0);
    }

    private static NDArray rows(NDArray matrix, NDArray indices) {
        return Embedding.embedding(indices, matrix, SparseFormat.DENSE).singletonOrThrow();
    }

    /** {@inheritDoc} */
    @Override
    protected void initializeChildBlocks(NDManager manager, DataType dataType, Shape... shapes) {
        Shape tokens = shapes[0].slice(0, 2);
        router.initialize(manager, dataType, shapes[0]);
        if (latentIn != null) {
            latentIn.initialize(manager, dataType, shapes[0]);
            latentOut.initialize(manager, dataType, tokens.add(width));
        }
        if (shared != null) {
            shared.initialize(manager, dataType, shapes[0]);
        }
    }
}
