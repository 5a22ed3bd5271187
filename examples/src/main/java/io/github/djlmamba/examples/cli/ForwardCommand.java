/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.djl.training.loss.Loss;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.ops.OpsProviders;
import io.github.djlmamba.zoo.huggingface.HuggingFaceCheckpoint;
import io.github.djlmamba.zoo.huggingface.StoredTensor;
import io.github.djlmamba.zoo.safetensors.SafetensorsFile;
import io.github.djlmamba.zoo.safetensors.SafetensorsWriter;
import io.github.djlmamba.zoo.safetensors.TensorEntry;
import io.github.djlmamba.zoo.safetensors.TensorType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Runs a language model over stored tokens, and back. */
@Command(
        name = "forward",
        description = {
            "Read input_ids (B, L), write logits (B, L, V) and loss (1), the mean cross-entropy of the next tokens.",
            "With --gradients also grad.NAME for each tensor of the checkpoint, in its own shape."
        },
        mixinStandardHelpOptions = true)
final class ForwardCommand implements Callable<Integer> {

    private static final String INPUT = "input_ids";

    @Option(
            names = "--model",
            required = true,
            paramLabel = "DIR",
            description = "The folder of a Hugging Face model: config.json and model.safetensors.")
    private Path model;

    @Option(names = "--input", required = true, description = "The safetensors file to read.")
    private Path input;

    @Option(names = "--output", required = true, description = "The safetensors file to write.")
    private Path output;

    @Option(names = "--gradients", description = "Write the gradients of the loss, too.")
    private boolean gradients;

    @Option(
            names = "--ops",
            paramLabel = "NAME",
            description = "The provider of ops, native or reference. Default: the best.")
    private String ops;

    /** {@inheritDoc} */
    @Override
    public Integer call() throws Exception {
        if (ops != null) {
            OpsProviders.force(ops);
        }
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray ids = ids(manager);
            HuggingFaceCheckpoint checkpoint = HuggingFaceCheckpoint.load(model, manager);
            SafetensorsWriter.Builder writer = SafetensorsWriter.builder();
            run(checkpoint, ids, writer);
            writer.build().write(output);
        } finally {
            if (ops != null) {
                OpsProviders.force(null);
            }
        }
        return 0;
    }

    private NDArray ids(NDManager manager) throws Exception {
        try (SafetensorsFile file = SafetensorsFile.open(input)) {
            TensorEntry entry = file.entries().get(INPUT);
            if (entry == null) {
                throw new IOException(
                        input
                                + " holds no array \""
                                + INPUT
                                + "\"; it holds "
                                + String.join(", ", file.entries().keySet()));
            }
            Shape shape = entry.shape();
            if (entry.type().isFloating()
                    || shape.dimension() != 2
                    || shape.get(0) < 1
                    || shape.get(1) < 2) {
                throw new IOException(
                        INPUT
                                + " in "
                                + input
                                + " is "
                                + entry.type()
                                + " of shape "
                                + shape
                                + "; expected I64 of shape (B, L) with one sequence or more, of"
                                + " two tokens or more");
            }
            return file.read(INPUT, manager, DataType.INT64);
        }
    }

    private void run(
            HuggingFaceCheckpoint checkpoint, NDArray ids, SafetensorsWriter.Builder writer) {
        LanguageModel block = checkpoint.model();
        if (!gradients) {
            NDArray logits = logits(block, ids, false);
            write(logits, loss(logits, ids), writer);
            return;
        }
        block.freezeParameters(false);
        try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
            NDArray logits = logits(block, ids, true);
            NDArray loss = loss(logits, ids);
            collector.backward(loss);
            write(logits, loss, writer);
        }
        for (StoredTensor tensor : checkpoint.tensors()) {
            writer.addTensor(
                    "grad." + tensor.name(),
                    TensorType.F32,
                    tensor.shape(),
                    scope -> gradient(tensor, scope));
        }
    }

    private static NDArray logits(LanguageModel block, NDArray ids, boolean training) {
        ParameterStore store = new ParameterStore(ids.getManager(), false);
        return block.forward(store, new NDList(ids), training).singletonOrThrow();
    }

    private static NDArray loss(NDArray logits, NDArray ids) {
        NDArray scores = logits.get(":, :-1").reshape(-1, logits.getShape().get(2));
        return Loss.softmaxCrossEntropyLoss()
                .evaluate(new NDList(ids.get(":, 1:").flatten()), new NDList(scores));
    }

    private static void write(NDArray logits, NDArray loss, SafetensorsWriter.Builder writer) {
        writer.addTensor("logits", logits.stopGradient());
        writer.addTensor("loss", loss.stopGradient().reshape(1));
    }

    private static NDArray gradient(StoredTensor tensor, NDManager scope) {
        NDArray gradient = tensor.parameter().getArray().getGradient();
        gradient.attach(scope);
        NDArray part = tensor.part(gradient);
        part.attach(scope);
        return part;
    }
}
