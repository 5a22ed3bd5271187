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
import ai.djl.ndarray.NDManager;
import ai.djl.training.ParameterStore;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.language.LanguageModelTask;
import java.util.Iterator;
import java.util.stream.Stream;

/** Reads a prefix and leaves the state after it. */
final class PromptStateTask extends LanguageModelTask {

    private static final long serialVersionUID = 1L;

    private final transient NDManager manager;
    private final transient long[] newIds;
    private final transient long[] allIds;
    private final transient PromptState prefix;

    PromptStateTask(NDManager manager, long[] newIds, long[] allIds, PromptState prefix) {
        this.manager = manager;
        this.newIds = newIds;
        this.allIds = allIds;
        this.prefix = prefix;
        // DJL does not run a block on nothing.
        add(manager.create(allIds));
    }

    /** {@inheritDoc} */
    @Override
    public Iterator<NDList> steps(LanguageModel model, ParameterStore parameterStore) {
        return Stream.generate(
                        () ->
                                (NDList)
                                        new Output(
                                                PromptState.of(
                                                        model,
                                                        parameterStore,
                                                        manager,
                                                        newIds,
                                                        allIds,
                                                        prefix)))
                .limit(1)
                .iterator();
    }

    /** The result. */
    static final class Output extends NDList {

        private static final long serialVersionUID = 1L;

        private final transient PromptState state;

        Output(PromptState state) {
            this.state = state;
        }

        PromptState state() {
            return state;
        }
    }
}
