/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import ai.djl.ndarray.NDList;
import ai.djl.translate.Batchifier;
import java.util.List;

/** Joins requests to one task of many sequences, without padding. Thread safe. */
final class GenerationBatchifier implements Batchifier {

    private static final long serialVersionUID = 1L;

    static final GenerationBatchifier INSTANCE = new GenerationBatchifier();

    private GenerationBatchifier() {}

    /** {@inheritDoc} */
    @Override
    public NDList batchify(NDList[] inputs) {
        return switch (inputs.length) {
            case 0 -> new NDList();
            case 1 -> inputs[0];
            default -> GenerationTask.joined(inputs);
        };
    }

    /** {@inheritDoc} */
    @Override
    public NDList[] unbatchify(NDList inputs) {
        if (inputs.isEmpty() && !(inputs instanceof GenerationTask.Output)) {
            // What DJL makes of a batch without requests.
            return new NDList[0];
        }
        return ((GenerationTask.Output) inputs)
                .sequences().stream()
                        .map(sequence -> new GenerationTask.Output(List.of(sequence)))
                        .toArray(NDList[]::new);
    }
}
