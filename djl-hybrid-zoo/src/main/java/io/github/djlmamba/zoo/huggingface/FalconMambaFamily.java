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
import io.github.djlmamba.language.LanguageModelOptions;
import io.github.djlmamba.ssm.MambaOptions;

/**
 * FalconMamba (Zuo et al., 2024, "Falcon Mamba: The First Competitive Attention-free 7B Language
 * Model"): Mamba with norms of the scan's inputs, section 3.1, which have no weights.
 */
final class FalconMambaFamily implements CheckpointFamily {

    /** {@inheritDoc} */
    @Override
    public String modelType() {
        return "falcon_mamba";
    }

    /** {@inheritDoc} */
    @Override
    public LanguageModelOptions options(ModelConfig config) throws MalformedModelException {
        float epsilon = (float) config.positive("mixer_rms_eps", 1e-6);
        return MambaFamily.options(
                config,
                MambaFamily.mixer(config)
                        .withSelectionNorm(MambaOptions.SelectionNorm.PLAIN, epsilon));
    }

    /** {@inheritDoc} */
    @Override
    public void map(ModelConfig config, LanguageModelOptions options, TensorTable table) {
        MambaFamily.mapBackbone(options, table);
    }
}
