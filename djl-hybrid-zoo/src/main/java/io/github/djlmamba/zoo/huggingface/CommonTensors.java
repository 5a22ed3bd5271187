/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface;

import io.github.djlmamba.language.LanguageModelOptions;

/** The rows of {@link TensorTable} that families share. */
final class CommonTensors {

    private CommonTensors() {}

    /** Adds what stands before and after the layers. */
    static void ends(
            LanguageModelOptions options, TensorTable table, String embedding, String norm) {
        // Checkpoints of the authors' own code say embedding where the public library says
        // embeddings.
        table.add("embedding", embedding, embedding.replace("embeddings.", "embedding."))
                .add("stack.norm.weight", norm);
        if (options.tiedEmbeddings()) {
            table.addCopy("embedding", "lm_head.weight");
        } else {
            table.add("head.weight", "lm_head.weight");
        }
    }

    /** Adds the tensors of a Mamba mixer. */
    static void mamba(TensorTable table) {
        table.add("in_proj.weight", "in_proj.weight")
                .add("in_proj.bias", "in_proj.bias")
                .addConvolution("conv1d_weight", "conv1d.weight")
                .add("conv1d_bias", "conv1d.bias")
                .add("x_proj.weight", "x_proj.weight")
                .add("dt_proj.weight", "dt_proj.weight")
                .add("dt_bias", "dt_proj.bias")
                .add("A_log", "A_log")
                .add("D", "D")
                .add("out_proj.weight", "out_proj.weight")
                .add("out_proj.bias", "out_proj.bias");
    }

    /** Adds the tensors of a Mamba-2 mixer. */
    static void mamba2(TensorTable table) {
        table.add("in_proj.weight", "in_proj.weight")
                .add("in_proj.bias", "in_proj.bias")
                .addConvolution("conv1d_weight", "conv1d.weight")
                .add("conv1d_bias", "conv1d.bias")
                .add("dt_bias", "dt_bias")
                .add("A_log", "A_log")
                .add("D", "D")
                .add("norm_weight", "norm.weight")
                .add("out_proj.weight", "out_proj.weight")
                .add("out_proj.bias", "out_proj.bias");
    }
}
