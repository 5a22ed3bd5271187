/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface;

import ai.djl.Application;
import ai.djl.repository.AbstractRepository;
import ai.djl.repository.Artifact;
import ai.djl.repository.MRL;
import ai.djl.repository.Metadata;
import ai.djl.util.Progress;
import io.github.djlmamba.zoo.HybridModelZoo;
import io.github.djlmamba.zoo.text.TextGenerationTranslatorFactory;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * One model in the layout of Hugging Face, as a DJL repository.
 *
 * <p>The block's factory is given as an instance: for a class name DJL would search the jars of the
 * model's folder. A translator's factory it takes by name alone, and looks for no jars. What stands
 * in the query of the address are arguments of the model, which the translators read.
 */
final class HuggingFaceRepository extends AbstractRepository {

    private final ModelSource source;

    HuggingFaceRepository(String name, URI uri, ModelSource source) {
        super(name, uri);
        this.source = source;
    }

    /** {@inheritDoc} */
    @Override
    public boolean isRemote() {
        return source.isRemote();
    }

    /** {@inheritDoc} */
    @Override
    public List<MRL> getResources() {
        return List.of(
                model(Application.NLP.TEXT_GENERATION, HybridModelZoo.GROUP_ID, source.name()));
    }

    /** {@inheritDoc} */
    @Override
    public Metadata locate(MRL mrl) {
        Artifact artifact = new Artifact();
        artifact.setName(source.name());
        Map<String, Object> modelArguments = artifact.getArguments();
        modelArguments.put("engine", "PyTorch");
        modelArguments.put("translatorFactory", TextGenerationTranslatorFactory.class.getName());
        modelArguments.putAll(arguments);
        modelArguments.put("blockFactory", new LanguageModelBlockFactory());
        // The parameters come with the block.
        artifact.setOptions(Map.of("hasParameter", "false"));
        Metadata metadata = new Metadata.MatchAllMetadata();
        metadata.setApplication(Application.NLP.TEXT_GENERATION);
        metadata.setArtifactId(source.name());
        metadata.setRepositoryUri(URI.create(""));
        metadata.setArtifacts(List.of(artifact));
        artifact.setMetadata(metadata);
        return metadata;
    }

    /** {@inheritDoc} */
    @Override
    public Artifact resolve(MRL mrl, Map<String, String> filter) {
        return locate(mrl).getArtifacts().get(0);
    }

    /** {@inheritDoc} */
    @Override
    public void prepare(Artifact artifact, Progress progress) throws IOException {
        source.fetch(progress);
    }

    /**
     * {@inheritDoc}
     *
     * <p>DJL takes a folder that exists for one that is prepared.
     */
    @Override
    public Path getResourceDirectory(Artifact artifact) throws IOException {
        return source.folder();
    }

    /** {@inheritDoc} */
    @Override
    public Path getCacheDirectory() throws IOException {
        return source.folder();
    }
}
