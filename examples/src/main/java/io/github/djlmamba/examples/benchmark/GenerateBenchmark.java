/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.benchmark;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import io.github.djlmamba.language.Bfloat16Weights;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.language.LanguageModel.Positions;
import io.github.djlmamba.language.LanguageModelOutput;
import io.github.djlmamba.nativeops.NativeOps;
import io.github.djlmamba.ops.OpsProviders;
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.ops.ReferenceOps;
import io.github.djlmamba.state.MixerState;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Times a language model with random weights: the prefill of a prompt, beside its products of
 * matrices at the best rate of such a product; and greedy decoding, beside the reading of the
 * weights, which each token needs once; with weights in float32 and in bfloat16.
 *
 * @param checkpoint the model
 * @param promptLength the tokens of the prompt
 * @param newTokens the tokens that are decoded each time
 */
record GenerateBenchmark(RandomCheckpoint checkpoint, long promptLength, int newTokens)
        implements Benchmark {

    private static final long CHECKED_LENGTH = 24;
    private static final String PREFILL = "prefill";
    private static final String DECODE = "decode";

    @Override
    public String title() {
        return checkpoint.name() + ' ' + PREFILL + " and " + DECODE;
    }

    /** Compares the logits of a short prompt, token by token, with those of the reference ops. */
    @Override
    public void check(NDManager parent) {
        try (NDManager manager = parent.newSubManager()) {
            LanguageModel model = checkpoint.make(manager).model();
            NDArray ids = prompt(manager, model, Math.min(promptLength, CHECKED_LENGTH));
            OpsProviders.force(ReferenceOps.NAME);
            NDArray expected = logits(model, ids);
            OpsProviders.force(NativeOps.NAME);
            NDList actual = new NDList(logits(model, ids), byTokens(model, ids));
            NDList twice = new NDList(expected, expected.get(":, {}:", ids.size(1) - 1));
            Agreement.check(title(), twice, actual, 1e-3);
            Bfloat16Weights.store(model);
            NDArray rounded = logits(model, ids);
            Agreement.check(title(), new NDList(expected), new NDList(rounded), 5e-2);
        } finally {
            OpsProviders.force(null);
        }
    }

    private static NDArray logits(LanguageModel model, NDArray ids) {
        return run(model, ids, null, Positions.ALL, false).logits();
    }

    private static NDArray byTokens(LanguageModel model, NDArray ids) {
        LanguageModelOutput output = null;
        for (long t = 0; t < ids.size(1); t++) {
            MixerState state = output == null ? null : output.state();
            NDArray token = ids.get(":, {}:{}", t, t + 1);
            output = run(model, token, state, Positions.LAST, true);
        }
        return output.logits();
    }

    private static LanguageModelOutput run(
            LanguageModel model,
            NDArray ids,
            MixerState state,
            Positions positions,
            boolean keepState) {
        ParameterStore store = new ParameterStore(ids.getManager(), false);
        return model.run(store, ids, state, positions, keepState, false);
    }

    private static NDArray prompt(NDManager manager, LanguageModel model, long length) {
        return manager.randomInteger(
                0, model.options().vocabularySize(), new Shape(1, length), DataType.INT64);
    }

    @Override
    public List<BenchmarkResult> run(NDManager parent, int threads, Efforts efforts) {
        List<BenchmarkResult> results = new ArrayList<>();
        OpsProviders.force(NativeOps.NAME);
        try (NDManager manager = parent.newSubManager()) {
            LanguageModel model = checkpoint.make(manager).model();
            List<MachineLoad> products = MachineLoad.products(manager);
            NDArray ids = prompt(manager, model, promptLength);
            Rounds rounds = new Rounds();
            products.forEach(load -> rounds.add(load.key(), load.timing()));
            rounds.add(PREFILL, new Prefill(model, ids)::time);
            Map<String, Times> times = rounds.run(efforts.slow());
            Map<MachineLoad, Times> rates = new LinkedHashMap<>();
            products.forEach(
                    load -> {
                        if (!times.get(load.key()).isEmpty()) {
                            rates.put(load, times.get(load.key()));
                            results.add(
                                    BenchmarkResult.ofLoad(load, threads, times.get(load.key())));
                        }
                    });
            results.add(
                    BenchmarkResult.of(
                            checkpoint.name() + ' ' + PREFILL,
                            NativeOps.NAME,
                            "B1 L" + promptLength,
                            threads,
                            times.get(PREFILL),
                            promptLength,
                            operations(model) / 1e9 / MachineLoad.bestPerMs(threads, rates)));
            decoding(model, ids, Precision.FLOAT32, threads, efforts, results);
            Bfloat16Weights.store(model);
            decoding(model, ids, Precision.BFLOAT16, threads, efforts, results);
        } finally {
            OpsProviders.force(null);
        }
        return results;
    }

    /** The operations of the products of a prompt; the head's are for its last token alone. */
    private double operations(LanguageModel model) {
        long embedding = model.options().vocabularySize() * model.options().stack().modelSize();
        double weights = 0;
        for (Parameter weight : Bfloat16Weights.of(model)) {
            weights += weight.getShape().size();
        }
        double inLayers = weights - embedding * (model.options().tiedEmbeddings() ? 1 : 2);
        return 2 * (inLayers * promptLength + embedding);
    }

    private void decoding(
            LanguageModel model,
            NDArray ids,
            Precision precision,
            int threads,
            Efforts efforts,
            List<BenchmarkResult> results) {
        long bytes = bytesOfToken(model);
        MachineLoad read = MachineLoad.read(bytes);
        try (NDManager manager = ids.getManager().newSubManager()) {
            NDArray prompt = ids.duplicate();
            prompt.attach(manager);
            Decode decode = new Decode(model, prompt, newTokens);
            Map<String, Times> times =
                    new Rounds()
                            .add(read.key(), read.timing())
                            .add(DECODE, decode::time)
                            .run(efforts.slow());
            Times rate = times.get(read.key());
            results.add(BenchmarkResult.ofLoad(read, threads, rate));
            String weights = precision == Precision.FLOAT32 ? "" : OpBenchmark.BFLOAT16;
            results.add(
                    BenchmarkResult.of(
                            checkpoint.name() + ' ' + DECODE,
                            NativeOps.NAME,
                            "B1 after L" + promptLength + ", " + newTokens + " tokens" + weights,
                            threads,
                            times.get(DECODE),
                            newTokens,
                            newTokens * rate.undisturbedMs()));
        }
    }

    /** The bytes of the parameters that a token needs: of an embedding of its own, one row. */
    private static long bytesOfToken(LanguageModel model) {
        long bytes = 0;
        for (Parameter parameter : model.getParameters().values()) {
            boolean rowOnly =
                    !model.options().tiedEmbeddings()
                            && parameter == model.getDirectParameters().get("embedding");
            int each = parameter.getArray().getDataType() == DataType.UNKNOWN ? 2 : 4;
            bytes += rowOnly ? 0 : each * parameter.getShape().size();
        }
        return bytes;
    }

    /** The scores after a prompt, with the state that it leaves. */
    private static final class Prefill extends Stopwatch<NDManager> {

        private final LanguageModel model;
        private final NDArray ids;

        Prefill(LanguageModel model, NDArray ids) {
            this.model = model;
            this.ids = ids;
        }

        @Override
        NDManager prepare() {
            return ids.getManager().newSubManager();
        }

        @Override
        void call(NDManager manager) {
            LanguageModelOutput output = run(model, ids, null, Positions.LAST, true);
            output.logits().attach(manager);
            output.state().attach(manager);
        }

        @Override
        void release(NDManager manager) {
            manager.close();
        }
    }

    /** Greedy decoding after a prompt whose state is there. */
    private static final class Decode extends Stopwatch<NDManager> {

        private final LanguageModel model;
        private final NDArray ids;
        private final int tokens;
        private LanguageModelOutput prefix;

        Decode(LanguageModel model, NDArray ids, int tokens) {
            this.model = model;
            this.ids = ids;
            this.tokens = tokens;
        }

        @Override
        NDManager prepare() {
            if (prefix == null) {
                prefix = run(model, ids, null, Positions.LAST, true);
            }
            return ids.getManager().newSubManager();
        }

        @Override
        void call(NDManager manager) {
            LanguageModelOutput output = prefix;
            for (int t = 0; t < tokens; t++) {
                NDArray next =
                        manager.create(
                                new long[] {best(output.logits().toFloatArray())}, new Shape(1, 1));
                LanguageModelOutput after = run(model, next, output.state(), Positions.LAST, true);
                next.close();
                if (output != prefix) {
                    output.logits().close();
                    output.state().close();
                }
                output = after;
            }
        }

        private static int best(float[] scores) {
            int best = 0;
            for (int i = 1; i < scores.length; i++) {
                best = scores[i] > scores[best] ? i : best;
            }
            return best;
        }

        @Override
        void release(NDManager manager) {
            manager.close();
        }
    }
}
