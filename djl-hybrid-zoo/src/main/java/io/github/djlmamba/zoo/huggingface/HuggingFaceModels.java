/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface;

import ai.djl.repository.MRL;
import ai.djl.repository.Repository;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ModelLoader;
import ai.djl.repository.zoo.ModelZoo;
import io.github.djlmamba.zoo.HybridModelZoo;
import io.github.djlmamba.zoo.huggingface.hub.HubReference;
import io.github.djlmamba.zoo.huggingface.hub.HuggingFaceHub;
import io.github.djlmamba.zoo.text.TextGenerationTranslatorFactory;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.Collectors;
import org.apiguardian.api.API;

/**
 * The criteria that load language models: by folder, from the Hub, or by a name in the zoo. The
 * types of the input and the output are those of {@link TextGenerationTranslatorFactory}, or {@code
 * NDList} for both: ids (B, L) to logits (B, L, V). Thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class HuggingFaceModels {

    private HuggingFaceModels() {}

    /**
     * Returns the criteria that load a folder.
     *
     * @param folder the folder, with config.json and safetensors
     * @param input the type of the input
     * @param output the type of the output
     * @return the criteria's builder
     * @param <I> the type of the input
     * @param <O> the type of the output
     */
    public static <I, O> Criteria.Builder<I, O> criteria(
            Path folder, Class<I> input, Class<O> output) {
        return criteria(ModelSource.of(folder), input, output);
    }

    /**
     * Returns the criteria that load a model of the Hub, which is asked when the model is loaded.
     *
     * @param reference the model
     * @param hub the Hub
     * @param input the type of the input
     * @param output the type of the output
     * @return the criteria's builder
     * @param <I> the type of the input
     * @param <O> the type of the output
     */
    public static <I, O> Criteria.Builder<I, O> criteria(
            HubReference reference, HuggingFaceHub hub, Class<I> input, Class<O> output) {
        return criteria(ModelSource.of(reference, hub), input, output);
    }

    /**
     * Returns the criteria that load a model.
     *
     * @param model a folder, the name of a model in the zoo, or an address as {@link
     *     HuggingFaceRepositoryFactory} describes it
     * @param input the type of the input
     * @param output the type of the output
     * @return the criteria's builder
     * @throws IllegalArgumentException if it is none of them
     * @param <I> the type of the input
     * @param <O> the type of the output
     */
    public static <I, O> Criteria.Builder<I, O> criteria(
            String model, Class<I> input, Class<O> output) {
        if (model.startsWith(HubReference.SCHEME + ":")) {
            Repository repository =
                    new HuggingFaceRepositoryFactory().newInstance(model, URI.create(model));
            return criteria(repository, input, output);
        }
        if (Files.isDirectory(Path.of(model))) {
            return criteria(Path.of(model), input, output);
        }
        ModelZoo zoo = ModelZoo.getModelZoo(HybridModelZoo.GROUP_ID);
        if (zoo.getModelLoader(model) == null) {
            throw new IllegalArgumentException(
                    "\""
                            + model
                            + "\" is neither a folder nor an address such as hf://owner/name nor a"
                            + " model of the zoo, which holds "
                            + zoo.getModelLoaders().stream()
                                    .map(ModelLoader::getArtifactId)
                                    .sorted()
                                    .collect(Collectors.joining(", ")));
        }
        return Criteria.builder()
                .setTypes(input, output)
                .optGroupId(HybridModelZoo.GROUP_ID)
                .optArtifactId(model);
    }

    private static <I, O> Criteria.Builder<I, O> criteria(
            ModelSource source, Class<I> input, Class<O> output) {
        URI none = URI.create(HubReference.SCHEME + ":/");
        return criteria(new HuggingFaceRepository(source.name(), none, source), input, output);
    }

    private static <I, O> Criteria.Builder<I, O> criteria(
            Repository repository, Class<I> input, Class<O> output) {
        return Criteria.builder()
                .setTypes(input, output)
                .optModelZoo(new SingleModelZoo(repository))
                .optTranslatorFactory(new TextGenerationTranslatorFactory());
    }

    /**
     * A repository as a zoo. DJL's own way from an address to a model cuts it at a comma, and knows
     * the scheme only where the thread's class loader sees this library.
     */
    private static final class SingleModelZoo extends ModelZoo {

        SingleModelZoo(Repository repository) {
            for (MRL model : repository.getResources()) {
                addModel(model);
            }
        }

        @Override
        public String getGroupId() {
            return HybridModelZoo.GROUP_ID;
        }

        @Override
        public Set<String> getSupportedEngines() {
            return Set.of("PyTorch");
        }
    }
}
