/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface;

import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import io.github.djlmamba.attention.AttentionOptions;
import io.github.djlmamba.language.LanguageModelOptions;
import io.github.djlmamba.ssm.Mamba2Options;
import io.github.djlmamba.state.MixerOptions;
import io.github.djlmamba.zoo.huggingface.StoredTensor.Range;
import io.github.djlmamba.zoo.huggingface.TensorTable.Part;
import java.util.List;

/** The rows of {@link TensorTable} that families share. */
final class CommonTensors {

    private static final List<String> KINDS = List.of(".weight", ".bias");

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
                .add("dt_norm_weight", "dt_layernorm.weight")
                .add("B_norm_weight", "b_layernorm.weight")
                .add("C_norm_weight", "c_layernorm.weight")
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

    /** Adds the tensors of a Mamba or Mamba-2 mixer. */
    static void stateSpace(TensorTable table, MixerOptions options) {
        if (options instanceof Mamba2Options) {
            mamba2(table);
        } else {
            mamba(table);
        }
    }

    /** Adds the tensors of attention, whose queries, keys and values are stored apart. */
    static void attention(TensorTable table, AttentionOptions options) {
        long queries = (long) options.heads() * options.headSize();
        long keys = (long) options.keyValueHeads() * options.headSize();
        for (String kind : KINDS) {
            table.addParts(
                            "qkv_proj" + kind,
                            new Part("q_proj" + kind, queries),
                            new Part("k_proj" + kind, keys),
                            new Part("v_proj" + kind, keys))
                    .add("out_proj" + kind, "o_proj" + kind);
        }
    }

    /** Adds the tensors of a gated MLP, whose gate and other half are stored apart. */
    static void gatedMlp(TensorTable table) {
        long hidden = table.parameter("gate_up_proj.weight").getShape().get(0) / 2;
        for (String kind : KINDS) {
            table.addParts(
                            "gate_up_proj" + kind,
                            new Part("gate_proj" + kind, hidden),
                            new Part("up_proj" + kind, hidden))
                    .add("down_proj" + kind, "down_proj" + kind);
        }
    }

    /** Adds the tensors of an MLP. */
    static void mlp(TensorTable table) {
        for (String kind : KINDS) {
            table.add("fc1" + kind, "up_proj" + kind).add("fc2" + kind, "down_proj" + kind);
        }
    }

    /** Adds the matrices of experts, each of which is stored by itself. */
    static void experts(TensorTable table, boolean gated) {
        if (gated) {
            expertMatrices(table, "gate_up_weight", "gate_proj.weight", "up_proj.weight");
        } else {
            expertMatrices(table, "up_weight", "up_proj.weight");
        }
        expertMatrices(table, "down_weight", "down_proj.weight");
    }

    private static void expertMatrices(TensorTable table, String parameter, String... names) {
        Parameter all = table.parameter(parameter);
        Shape shape = all.getShape();
        Shape one = new Shape(shape.get(1) / names.length, shape.get(2));
        long begin = 0;
        for (long expert = 0; expert < shape.get(0); expert++) {
            for (String name : names) {
                long end = begin + one.size();
                table.addRange(all, "experts." + expert + "." + name, one, new Range(begin, end));
                begin = end;
            }
        }
    }
}
