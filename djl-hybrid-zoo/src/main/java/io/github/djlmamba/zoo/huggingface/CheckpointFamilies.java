/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface;

import ai.djl.MalformedModelException;
import java.util.List;
import java.util.stream.Collectors;

/** The families that there are. */
final class CheckpointFamilies {

    private static final List<CheckpointFamily> ALL =
            List.of(
                    new MambaFamily(),
                    new Mamba2Family(),
                    new FalconMambaFamily(),
                    new JambaFamily(),
                    new BambaFamily(),
                    new FalconH1Family(),
                    new NemotronHFamily(),
                    new GraniteMoeHybridFamily(),
                    new Mamba2HybridFamily(),
                    new ZambaFamily(),
                    new Zamba2Family());

    private CheckpointFamilies() {}

    /** Returns the family of a configuration. */
    static CheckpointFamily of(ModelConfig config) throws MalformedModelException {
        String type = config.modelType();
        for (CheckpointFamily family : ALL) {
            if (family.modelType().equals(type)) {
                return family;
            }
        }
        throw config.wrong("model_type", "one of " + names());
    }

    private static String names() {
        return ALL.stream()
                .map(CheckpointFamily::modelType)
                .sorted()
                .collect(Collectors.joining(", "));
    }
}
