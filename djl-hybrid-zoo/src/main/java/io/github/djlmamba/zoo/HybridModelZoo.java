/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo;

import ai.djl.repository.zoo.ModelZoo;
import java.util.Set;
import org.apiguardian.api.API;

/**
 * The zoo of state space models and hybrids. Its models load by DJL's criteria:
 *
 * <pre>
 *   Criteria.builder()
 *       .setTypes(InContextPrompt.class, float[].class)
 *       .optGroupId(HybridModelZoo.GROUP_ID)
 *       .optArtifactId("mambaformer-linear-regression")
 *       .build()
 *       .loadModel();
 * </pre>
 *
 * <p>Criteria should always name the group: without it DJL asks the zoos of other projects too,
 * over the network. Thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class HybridModelZoo extends ModelZoo {

    /** The group of every model of this zoo. */
    public static final String GROUP_ID = "io.github.djlmamba";

    private static final String VERSION = "0.0.1";

    HybridModelZoo() {
        BundledRepository bundled = new BundledRepository();
        for (String artifactId : bundled.artifactIds()) {
            addModel(bundled.model(bundled.application(artifactId), GROUP_ID, artifactId, VERSION));
        }
    }

    /** {@inheritDoc} */
    @Override
    public String getGroupId() {
        return GROUP_ID;
    }

    /** {@inheritDoc} */
    @Override
    public Set<String> getSupportedEngines() {
        return Set.of("PyTorch");
    }
}
