/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import java.util.Arrays;
import java.util.BitSet;
import java.util.Set;

/** One sequence that is being generated: all of it that the host keeps. Not thread safe. */
final class GeneratedSequence {

    private final long[] promptIds;
    private final long[] newPromptIds;
    private final PromptState prefix;
    private final GenerationOptions options;
    private final Set<Long> endIds;
    private final TokenSampler sampler;
    private final TextAssembler assembler;
    private final BitSet seen = new BitSet();
    private long[] ids = new long[16];
    private int count;
    private FinishReason finishReason;
    private long prefillNanos;
    private long decodeNanos;
    private int decoded;

    /**
     * Makes a sequence.
     *
     * @param newPromptIds the prompt's tokens
     * @param prefix the state after the tokens before the prompt, or null
     * @param options the options
     * @param endIds the model's end-of-sequence tokens
     * @param codec what turns tokens into text, or null
     */
    GeneratedSequence(
            long[] newPromptIds,
            PromptState prefix,
            GenerationOptions options,
            Set<Long> endIds,
            TextCodec codec) {
        this.newPromptIds = newPromptIds;
        this.prefix = prefix;
        this.options = options;
        this.endIds = options.ignoreEndOfSequence() ? Set.of() : endIds;
        promptIds = TextGeneration.joined(prefix, newPromptIds);
        sampler = new TokenSampler(options);
        assembler =
                codec == null
                        ? null
                        : new TextAssembler(codec.newDecoder(promptIds), options.stopStrings());
        for (long id : promptIds) {
            seen.set(Math.toIntExact(id));
        }
    }

    long[] newPromptIds() {
        return newPromptIds;
    }

    PromptState prefix() {
        return prefix;
    }

    /** How many tokens stand before the generated ones. */
    int promptLength() {
        return promptIds.length;
    }

    /** Chooses the next token from the model's scores and takes it. */
    void choose(float[] logits) {
        int id = sampler.next(logits, seen);
        if (count == ids.length) {
            ids = Arrays.copyOf(ids, 2 * count);
        }
        ids[count++] = id;
        seen.set(id);
        if (endIds.contains((long) id) || options.stopIds().contains((long) id)) {
            finish(FinishReason.END_OF_SEQUENCE);
        } else if (assembler != null && !assembler.accept(id)) {
            finish(FinishReason.STOP_STRING);
        } else if (count == options.maxNewTokens()) {
            finish(FinishReason.LENGTH);
        }
    }

    /** Ends the sequence, unless it has ended. */
    void finish(FinishReason reason) {
        if (finishReason == null) {
            finishReason = reason;
            if (assembler != null && !assembler.end()) {
                finishReason = FinishReason.STOP_STRING;
            }
        }
    }

    boolean isFinished() {
        return finishReason != null;
    }

    long lastId() {
        return ids[count - 1];
    }

    void prefilled(long nanos) {
        prefillNanos = nanos;
    }

    void decoded(long nanos) {
        decodeNanos += nanos;
        decoded++;
    }

    /** The text that has come since the last call; empty without a codec. */
    String takeText() {
        return assembler == null ? "" : assembler.take();
    }

    int tokens() {
        return count;
    }

    long[] ids() {
        return Arrays.copyOf(ids, count);
    }

    GenerationResult result() {
        return new GenerationResult(
                promptIds.clone(),
                ids(),
                assembler == null ? null : assembler.text(),
                finishReason,
                rate(newPromptIds.length, prefillNanos),
                rate(decoded, decodeNanos));
    }

    private static double rate(int tokens, long nanos) {
        return tokens == 0 ? 0 : tokens * 1e9 / Math.max(1, nanos);
    }
}
