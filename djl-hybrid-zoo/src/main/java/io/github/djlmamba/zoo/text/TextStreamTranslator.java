/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import ai.djl.inference.streaming.StreamingTranslator;
import ai.djl.ndarray.NDList;
import ai.djl.translate.TranslatorContext;
import java.util.Collections;
import java.util.Iterator;
import java.util.function.Function;
import java.util.stream.Stream;

/** Translates requests to text that is generated while it is read. Thread safe. */
final class TextStreamTranslator<I> extends GenerationTranslator<I, TextStream>
        implements StreamingTranslator<I, TextStream> {

    private static final String SEQUENCE = "sequence";

    TextStreamTranslator(TextGeneration generation, Function<I, GenerationRequest> input) {
        super(
                generation,
                input,
                sequence -> new TextStream(sequence, Collections.emptyIterator(), () -> {}),
                true);
    }

    /** {@inheritDoc} */
    @Override
    public NDList processInput(TranslatorContext ctx, I request) {
        NDList task = super.processInput(ctx, request);
        ctx.setAttachment(SEQUENCE, ((GenerationTask) task).sequences().get(0));
        return task;
    }

    /** {@inheritDoc} */
    @Override
    public StreamOutput<TextStream> processStreamOutput(
            TranslatorContext ctx, Stream<NDList> steps) {
        GeneratedSequence sequence = (GeneratedSequence) ctx.getAttachment(SEQUENCE);
        Iterator<NDList> iterator = steps.iterator();
        return new Output(new TextStream(sequence, iterator, steps::close));
    }

    /** {@inheritDoc} */
    @Override
    public Support getSupport() {
        return Support.ITERATIVE;
    }

    private static final class Output extends StreamOutput<TextStream> {

        private final TextStream stream;

        Output(TextStream stream) {
            this.stream = stream;
        }

        @Override
        protected TextStream buildAsyncOutput() {
            throw new UnsupportedOperationException(
                    "a TextStream is iterative; call getIterativeOutput");
        }

        @Override
        protected void computeAsyncOutputInternal(TextStream output) {
            throw new UnsupportedOperationException(
                    "a TextStream is iterative; call getIterativeOutput");
        }

        @Override
        public TextStream getIterativeOutputInternal() {
            return stream;
        }
    }
}
