/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.language.LanguageModelOutput;
import io.github.djlmamba.language.LanguageModelTask;
import io.github.djlmamba.state.MixerState;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;

/**
 * Generates sequences, one or a batch.
 *
 * <p>Each prompt is read by itself, so that none is padded; then all are decoded as one batch of
 * joined states, which the finished leave. A step gives one token to each sequence that goes on.
 */
final class GenerationTask extends LanguageModelTask {

    private static final long serialVersionUID = 1L;

    private final transient List<GeneratedSequence> sequences;
    private final transient NDManager manager;

    /**
     * Makes a task.
     *
     * @param manager the manager that all arrays go to
     * @param sequences the sequences
     */
    GenerationTask(NDManager manager, List<GeneratedSequence> sequences) {
        this.manager = manager;
        this.sequences = List.copyOf(sequences);
        // DJL does not run a block on nothing, so the prompts' lengths stand for the prompts.
        add(
                manager.create(
                        this.sequences.stream()
                                .mapToInt(GeneratedSequence::promptLength)
                                .toArray()));
    }

    /** Joins tasks to one of all their sequences. */
    static GenerationTask joined(NDList... tasks) {
        List<GeneratedSequence> all = new ArrayList<>();
        for (NDList task : tasks) {
            all.addAll(((GenerationTask) task).sequences);
        }
        return new GenerationTask(((GenerationTask) tasks[0]).manager, all);
    }

    List<GeneratedSequence> sequences() {
        return sequences;
    }

    /** {@inheritDoc} */
    @Override
    public Iterator<NDList> steps(LanguageModel model, ParameterStore parameterStore) {
        return new Steps(model, parameterStore);
    }

    /** The result of a step: the sequences, as far as they have come. */
    static final class Output extends NDList {

        private static final long serialVersionUID = 1L;

        private final transient List<GeneratedSequence> sequences;

        Output(List<GeneratedSequence> sequences) {
            this.sequences = sequences;
        }

        List<GeneratedSequence> sequences() {
            return sequences;
        }
    }

    private final class Steps implements Iterator<NDList> {

        private final LanguageModel model;
        private final ParameterStore parameterStore;
        private final NDManager states = manager.newSubManager();
        private final NDList output = new Output(sequences);

        /** Those that go on, by length, so that attention takes those of one length at once. */
        private List<GeneratedSequence> active;

        private MixerState state;

        /** Whether the state is not a saved one's, which others may continue from as well. */
        private boolean owned;

        Steps(LanguageModel model, ParameterStore parameterStore) {
            this.model = model;
            this.parameterStore = parameterStore;
        }

        @Override
        public boolean hasNext() {
            return active == null || !active.isEmpty();
        }

        @Override
        public NDList next() {
            if (!hasNext()) {
                throw new NoSuchElementException("the sequences have ended");
            }
            checkOpen(null);
            try {
                if (active == null) {
                    prefill();
                } else {
                    decode();
                }
            } catch (RuntimeException e) {
                active = List.of();
                checkOpen(e);
                states.close();
                throw e;
            }
            if (active.isEmpty()) {
                states.close();
            }
            return output;
        }

        private void checkOpen(RuntimeException cause) {
            if (!states.isOpen()) {
                throw new IllegalStateException(
                        "generation: the predictor or its model was closed before the text had"
                                + " ended; keep both open until then, or close the stream",
                        cause);
            }
        }

        private void prefill() {
            List<GeneratedSequence> ordered = new ArrayList<>(sequences);
            ordered.sort(Comparator.comparingInt(GeneratedSequence::promptLength));
            List<GeneratedSequence> goingOn = new ArrayList<>();
            List<Prefill> prefills = new ArrayList<>();
            for (GeneratedSequence sequence : ordered) {
                long begin = System.nanoTime();
                Prefill prefill =
                        Prefill.run(
                                model,
                                parameterStore,
                                states,
                                sequence.newPromptIds(),
                                sequence.prefix());
                sequence.prefilled(System.nanoTime() - begin);
                sequence.choose(prefill.logits());
                if (!sequence.isFinished()) {
                    goingOn.add(sequence);
                    prefills.add(prefill);
                } else if (prefill.owned()) {
                    prefill.state().close();
                }
            }
            if (!goingOn.isEmpty()) {
                join(prefills);
            }
            active = goingOn;
        }

        private void join(List<Prefill> prefills) {
            state = prefills.get(0).state();
            owned = prefills.get(0).owned();
            if (prefills.size() > 1) {
                MixerState joined =
                        state.join(
                                prefills.subList(1, prefills.size()).stream()
                                        .map(Prefill::state)
                                        .toList());
                for (Prefill prefill : prefills) {
                    if (prefill.owned()) {
                        prefill.state().close();
                    }
                }
                replace(joined, false);
            }
        }

        private void decode() {
            long begin = System.nanoTime();
            int rows = active.size();
            float[] logits;
            try (NDManager step = states.newSubManager()) {
                NDArray ids =
                        step.create(
                                active.stream().mapToLong(GeneratedSequence::lastId).toArray(),
                                new Shape(rows, 1));
                LanguageModelOutput result =
                        model.run(
                                parameterStore,
                                ids,
                                state,
                                LanguageModel.Positions.LAST,
                                true,
                                false);
                replace(result.state(), owned);
                logits = Prefill.floats(result.logits());
            }
            int size = logits.length / rows;
            List<GeneratedSequence> goingOn = new ArrayList<>();
            int[] kept = new int[rows];
            for (int row = 0; row < rows; row++) {
                GeneratedSequence sequence = active.get(row);
                sequence.choose(
                        rows == 1
                                ? logits
                                : Arrays.copyOfRange(logits, row * size, (row + 1) * size));
                if (!sequence.isFinished()) {
                    kept[goingOn.size()] = row;
                    goingOn.add(sequence);
                }
            }
            if (!goingOn.isEmpty() && goingOn.size() < rows) {
                replace(state.select(Arrays.copyOf(kept, goingOn.size())), true);
            }
            long nanos = System.nanoTime() - begin;
            active.forEach(sequence -> sequence.decoded(nanos));
            active = goingOn;
        }

        private void replace(MixerState next, boolean close) {
            next.attach(states);
            if (close) {
                state.close();
            }
            state = next;
            owned = true;
        }
    }
}
