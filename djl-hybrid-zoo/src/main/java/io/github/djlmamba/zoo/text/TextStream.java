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
import java.util.Iterator;
import java.util.NoSuchElementException;
import org.apiguardian.api.API;

/**
 * Generated text, piece by piece, each computed when it is asked for.
 *
 * <p>Pieces are whole characters and never empty; side by side they are the text. The stream frees
 * what it holds at its end, where something goes wrong, and when it is closed; until then it holds
 * memory of the predictor that made it, and must end before that is closed. Not thread safe, but
 * need not stay on the thread that made it.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class TextStream implements Iterator<String>, AutoCloseable {

    private final GeneratedSequence sequence;
    private final Iterator<NDList> steps;
    private final Runnable onClose;
    private String piece = "";
    private boolean closed;

    TextStream(GeneratedSequence sequence, Iterator<NDList> steps, Runnable onClose) {
        this.sequence = sequence;
        this.steps = steps;
        this.onClose = onClose;
    }

    /**
     * Says whether another piece comes, and computes it.
     *
     * @return true if there is one
     * @throws IllegalStateException if the predictor or its model has been closed
     */
    @Override
    public boolean hasNext() {
        while (piece.isEmpty() && !closed) {
            try {
                if (!sequence.isFinished()) {
                    steps.next();
                }
            } catch (RuntimeException e) {
                close();
                throw e;
            }
            piece = sequence.takeText();
            if (sequence.isFinished()) {
                close();
            }
        }
        return !piece.isEmpty();
    }

    /**
     * Returns the next piece.
     *
     * @return the piece
     * @throws NoSuchElementException if the text has ended
     */
    @Override
    public String next() {
        if (!hasNext()) {
            throw new NoSuchElementException("the text has ended");
        }
        String next = piece;
        piece = "";
        return next;
    }

    /**
     * Returns all of the text, those pieces that have been taken included, after computing what is
     * missing.
     *
     * @return the text
     */
    public String text() {
        return result().text();
    }

    /**
     * Returns the tokens that have come so far.
     *
     * @return their ids
     */
    public long[] ids() {
        return sequence.ids();
    }

    /**
     * Returns the number of tokens that have come so far.
     *
     * @return the number
     */
    public int tokens() {
        return sequence.tokens();
    }

    /**
     * Returns the whole result, after computing what is missing; of a stream that was closed
     * before, what had come by then.
     *
     * @return the result
     */
    public GenerationResult result() {
        StringBuilder rest = new StringBuilder();
        while (hasNext()) {
            rest.append(next());
        }
        piece = rest.toString();
        return sequence.result();
    }

    /** Ends the text and frees what it holds. Closing twice has no effect. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            sequence.finish(FinishReason.CLOSED);
            onClose.run();
        }
    }
}
