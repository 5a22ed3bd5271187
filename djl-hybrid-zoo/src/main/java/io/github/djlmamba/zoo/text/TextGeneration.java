/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.nn.Block;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.translate.ArgumentsUtil;
import ai.djl.translate.Translator;
import ai.djl.util.JsonUtils;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import io.github.djlmamba.language.LanguageModel;
import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.function.Function;
import org.apiguardian.api.API;

/**
 * What text generation needs to know of a model: its codec, its end-of-sequence tokens and the
 * options where a request has none. Immutable and thread safe.
 *
 * @param codec what turns text into tokens and back; null where the model takes ids alone
 * @param endOfSequence the tokens that end a sequence
 * @param options the options where a request has none
 */
@API(status = API.Status.EXPERIMENTAL)
public record TextGeneration(TextCodec codec, Set<Long> endOfSequence, GenerationOptions options) {

    /** The argument that names the codec: bytes, huggingface or none. */
    public static final String TOKENIZER = "tokenizer";

    /** The argument with the end-of-sequence tokens, a comma between them. */
    public static final String END_OF_SEQUENCE = "endOfSequence";

    static final List<Class<?>> INPUTS =
            List.of(GenerationRequest.class, String.class, long[].class);

    static final List<Class<?>> OUTPUTS =
            List.of(
                    GenerationResult.class,
                    TextStream.class,
                    PromptState.class,
                    String.class,
                    long[].class);

    private static final String GENERATION_CONFIG = "generation_config.json";
    private static final String CONFIG = "config.json";
    private static final String EOS_KEY = "eos_token_id";

    /**
     * Checks and copies the components.
     *
     * @throws NullPointerException if one other than the codec is null
     */
    public TextGeneration {
        endOfSequence = Set.copyOf(endOfSequence);
        Objects.requireNonNull(options, "options");
    }

    /**
     * Finds out what there is to know of a model.
     *
     * <p>The codec is what the argument {@value #TOKENIZER} says, else that of a tokenizer.json in
     * the model's folder, else none. The end-of-sequence tokens are those of the argument {@value
     * #END_OF_SEQUENCE}, else those of generation_config.json or config.json. The arguments
     * maxNewTokens, temperature, topK, topP, minP, repetitionPenalty and seed change the options.
     *
     * @param model the model, around a {@link LanguageModel}; a tokenizer is closed with it
     * @param arguments the arguments
     * @return what there is to know
     * @throws IOException if a file cannot be read
     * @throws MalformedModelException if a file is not what its name says
     * @throws IllegalArgumentException if the block is no language model, or an argument is out of
     *     range
     */
    public static TextGeneration of(Model model, Map<String, ?> arguments)
            throws IOException, MalformedModelException {
        languageModel(model);
        Path folder = model.getModelPath();
        return new TextGeneration(
                codec(model, folder, arguments),
                endOfSequence(folder, arguments),
                options(arguments));
    }

    /**
     * Returns what a loaded model's own translator knows of it, to make translators of other types.
     *
     * @param model the model
     * @return what there is to know
     * @throws IllegalArgumentException if its translator is not one of text generation
     */
    public static TextGeneration of(ZooModel<?, ?> model) {
        if (!(model.getTranslator() instanceof Holder)) {
            throw new IllegalArgumentException(
                    "text generation: the model "
                            + model.getName()
                            + " was not loaded for it; load it with one of the types of"
                            + " TextGenerationTranslatorFactory");
        }
        return ((Holder) model.getTranslator()).generation();
    }

    /** A translator that was made from this. */
    interface Holder {

        TextGeneration generation();
    }

    /**
     * Makes a translator, with which {@code model.newPredictor} makes a predictor.
     *
     * @param input GenerationRequest, String or long[]
     * @param output GenerationResult, TextStream, PromptState, String or long[]
     * @return the translator
     * @throws IllegalArgumentException if the types are others
     * @param <I> the type of the input
     * @param <O> the type of the output
     */
    @SuppressWarnings("unchecked") // the branches fix O
    public <I, O> Translator<I, O> translator(Class<I> input, Class<O> output) {
        if (!INPUTS.contains(input) || !OUTPUTS.contains(output)) {
            throw new IllegalArgumentException(
                    "text generation translates GenerationRequest, String or long[] to"
                            + " GenerationResult, TextStream, PromptState, String or long[], not "
                            + input.getName()
                            + " to "
                            + output.getName());
        }
        Function<I, GenerationRequest> requests = TextGeneration::request;
        if (output == TextStream.class) {
            return (Translator<I, O>) new TextStreamTranslator<>(this, requests);
        }
        if (output == PromptState.class) {
            return (Translator<I, O>) new PromptStateTranslator<>(this, requests);
        }
        Function<GeneratedSequence, Object> results =
                output == GenerationResult.class
                        ? GeneratedSequence::result
                        : output == String.class
                                ? sequence -> sequence.result().text()
                                : GeneratedSequence::ids;
        return (Translator<I, O>)
                new GenerationTranslator<>(this, requests, results, output == String.class);
    }

    private static GenerationRequest request(Object input) {
        if (input instanceof String) {
            return GenerationRequest.of((String) input);
        }
        return input instanceof long[]
                ? GenerationRequest.ofIds((long[]) input)
                : (GenerationRequest) input;
    }

    /** Returns the block of a model. */
    static LanguageModel languageModel(Model model) {
        Block block = model.getBlock();
        if (!(block instanceof LanguageModel)) {
            throw new IllegalArgumentException(
                    "text generation needs a LanguageModel, but the model "
                            + model.getName()
                            + " is around a "
                            + (block == null ? "null" : block.getClass().getSimpleName()));
        }
        return (LanguageModel) block;
    }

    private static TextCodec codec(Model model, Path folder, Map<String, ?> arguments)
            throws IOException, MalformedModelException {
        boolean file = folder != null && Files.isRegularFile(folder.resolve(HuggingFaceCodec.FILE));
        String name =
                ArgumentsUtil.stringValue(arguments, TOKENIZER, file ? "huggingface" : "none");
        switch (name) {
            case "bytes":
                return ByteCodec.INSTANCE;
            case "none":
                return null;
            case "huggingface":
                if (folder == null) {
                    throw new IllegalArgumentException(
                            "text generation: the model has no folder to read tokenizer.json from");
                }
                HuggingFaceCodec codec = HuggingFaceCodec.open(folder);
                model.getNDManager().attachInternal(UUID.randomUUID().toString(), codec);
                return codec;
            default:
                throw new IllegalArgumentException(
                        "text generation: the tokenizer is \""
                                + name
                                + "\"; expected bytes, huggingface or none");
        }
    }

    private static Set<Long> endOfSequence(Path folder, Map<String, ?> arguments)
            throws IOException, MalformedModelException {
        String argument = ArgumentsUtil.stringValue(arguments, END_OF_SEQUENCE);
        if (argument != null) {
            Set<Long> ids = new HashSet<>();
            for (String part : argument.split(",")) {
                if (!part.isBlank()) {
                    ids.add(id(part.strip(), "the argument " + END_OF_SEQUENCE));
                }
            }
            return ids;
        }
        for (String name : List.of(GENERATION_CONFIG, CONFIG)) {
            Path file = folder == null ? null : folder.resolve(name);
            if (file != null && Files.isRegularFile(file)) {
                Set<Long> ids = endOfSequence(file);
                if (ids != null) {
                    return ids;
                }
            }
        }
        return Set.of();
    }

    /** The ids that a file has, or null where it has none. */
    private static Set<Long> endOfSequence(Path file) throws IOException, MalformedModelException {
        try (Reader reader = Files.newBufferedReader(file)) {
            JsonObject config = JsonUtils.GSON.fromJson(reader, JsonObject.class);
            JsonElement value = config == null ? null : config.get(EOS_KEY);
            if (value == null || value.isJsonNull()) {
                return null;
            }
            Set<Long> ids = new HashSet<>();
            for (JsonElement element :
                    value.isJsonArray() ? value.getAsJsonArray() : List.of(value)) {
                ids.add(id(element.getAsString(), EOS_KEY));
            }
            return ids;
        } catch (JsonParseException | IllegalStateException | IllegalArgumentException e) {
            throw new MalformedModelException(
                    file + ": cannot tell the end-of-sequence tokens: " + e.getMessage(), e);
        }
    }

    private static long id(String text, String where) {
        // Numbers of a model's metadata come as floating ones.
        String digits = text.endsWith(".0") ? text.substring(0, text.length() - 2) : text;
        try {
            return Long.parseLong(digits);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(
                    "text generation: " + where + " holds \"" + text + "\"; expected an id", e);
        }
    }

    private static GenerationOptions options(Map<String, ?> arguments) {
        GenerationOptions defaults = GenerationOptions.DEFAULTS;
        return defaults.withMaxNewTokens(
                        ArgumentsUtil.intValue(arguments, "maxNewTokens", defaults.maxNewTokens()))
                .withTemperature(number(arguments, "temperature", defaults.temperature()))
                .withTopK(ArgumentsUtil.intValue(arguments, "topK", defaults.topK()))
                .withTopP(number(arguments, "topP", defaults.topP()))
                .withMinP(number(arguments, "minP", defaults.minP()))
                .withRepetitionPenalty(
                        number(arguments, "repetitionPenalty", defaults.repetitionPenalty()))
                .withSeed(ArgumentsUtil.longValue(arguments, "seed", defaults.seed()));
    }

    private static double number(Map<String, ?> arguments, String name, double otherwise) {
        String text = ArgumentsUtil.stringValue(arguments, name);
        try {
            return text == null ? otherwise : Double.parseDouble(text);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(
                    "text generation: the argument "
                            + name
                            + " is \""
                            + text
                            + "\"; expected a number",
                    e);
        }
    }

    /** Turns a request into the tokens of its prompt, all checked. */
    long[] promptIds(GenerationRequest request, LanguageModel model) {
        PromptState prefix = request.prefix();
        if (prefix != null) {
            prefix.check(model);
        }
        long[] ids = request.ids();
        if (ids == null) {
            ids = requireCodec().encode(request.prompt(), prefix == null);
        }
        if (ids.length == 0 && prefix == null) {
            throw new IllegalArgumentException(
                    "generation: the prompt is empty; give one token at least");
        }
        long most = model.options().vocabularySize() - 1;
        for (long id : ids) {
            if (id < 0 || id > most) {
                throw new IllegalArgumentException(
                        "generation: the prompt's id "
                                + id
                                + " is not in the model's vocabulary; expected 0 to "
                                + most);
            }
        }
        return ids;
    }

    TextCodec requireCodec() {
        if (codec == null) {
            throw new IllegalArgumentException(
                    "generation: this model has no tokenizer; give ids and ask for ids, or set the"
                            + " argument "
                            + TOKENIZER);
        }
        return codec;
    }

    /** Makes the sequence that a request asks for. */
    GeneratedSequence sequence(GenerationRequest request, LanguageModel model) {
        GenerationOptions chosen = request.options() == null ? options : request.options();
        if (!chosen.stopStrings().isEmpty()) {
            requireCodec();
        }
        return new GeneratedSequence(
                promptIds(request, model), request.prefix(), chosen, endOfSequence, codec);
    }

    /** The tokens of a prefix and of what follows it. */
    static long[] joined(PromptState prefix, long... ids) {
        if (prefix == null) {
            return ids;
        }
        long[] before = prefix.ids();
        long[] all = Arrays.copyOf(before, before.length + ids.length);
        System.arraycopy(ids, 0, all, before.length, ids.length);
        return all;
    }
}
