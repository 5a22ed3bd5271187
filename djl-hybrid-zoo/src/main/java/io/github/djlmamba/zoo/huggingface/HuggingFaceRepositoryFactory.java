/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface;

import ai.djl.repository.Repository;
import ai.djl.repository.RepositoryFactory;
import io.github.djlmamba.zoo.huggingface.hub.HubReference;
import io.github.djlmamba.zoo.huggingface.hub.HubSettings;
import io.github.djlmamba.zoo.huggingface.hub.HuggingFaceHub;
import java.io.File;
import java.net.URI;
import java.nio.file.Path;
import java.util.Set;
import java.util.function.Supplier;
import org.apiguardian.api.API;

/**
 * Makes addresses of the scheme {@code hf} known to DJL, which finds this class on the class path:
 *
 * <pre>
 *   Criteria.builder()
 *       .setTypes(String.class, String.class)
 *       .optModelUrls("hf://owner/name@revision")   // or "hf:/absolute/folder"
 *       .build()
 *       .loadModel();
 * </pre>
 *
 * <p>The first kind of address is that of a repository of the Hub, at the branch main where no
 * revision is given; its files are fetched into the Hub's cache, by the environment's {@link
 * HubSettings}. The second is that of a folder on this machine. In a query, {@code
 * hf://owner/name?maxNewTokens=40}, arguments of text generation may follow. As in every address,
 * blanks and the like are written as escapes, and DJL takes a comma for the end of it: {@link
 * HuggingFaceModels} takes folders as they are. Thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class HuggingFaceRepositoryFactory implements RepositoryFactory {

    private final Supplier<HubSettings> settings;

    /** Makes a factory that takes its settings from the environment, anew for each model. */
    public HuggingFaceRepositoryFactory() {
        settings = HubSettings::fromEnvironment;
    }

    /**
     * Makes a factory of other settings. {@link Repository#registerRepositoryFactory} lets DJL use
     * it, for the whole process.
     *
     * @param settings the settings
     */
    public HuggingFaceRepositoryFactory(HubSettings settings) {
        this.settings = () -> settings;
    }

    /**
     * {@inheritDoc}
     *
     * @throws IllegalArgumentException if the address is of neither kind
     */
    @Override
    public Repository newInstance(String name, URI uri) {
        if (uri.getAuthority() != null) {
            HuggingFaceHub hub = new HuggingFaceHub(settings.get());
            return new HuggingFaceRepository(name, uri, ModelSource.of(HubReference.of(uri), hub));
        }
        if (uri.getPath() == null || !uri.getPath().startsWith("/")) {
            throw new IllegalArgumentException(
                    "\""
                            + uri
                            + "\" names no model; expected hf://owner/name, hf://owner/name@revision"
                            + " or hf:/absolute/folder");
        }
        // An absolute path of Windows has a slash before its drive in an address.
        String path = uri.getPath();
        boolean drive = File.separatorChar == '\\' && path.matches("/[A-Za-z]:.*");
        return new HuggingFaceRepository(
                name, uri, ModelSource.of(Path.of(drive ? path.substring(1) : path)));
    }

    /** {@inheritDoc} */
    @Override
    public Set<String> getSupportedScheme() {
        return Set.of(HubReference.SCHEME);
    }
}
