/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import java.util.List;

/**
 * Puts the text of one sequence together, token by token, and finds stop strings in it. Text that
 * may become a stop string is held back. Not thread safe.
 */
final class TextAssembler {

    private final TextDecoder decoder;
    private final List<String> stopStrings;
    private final int longestStop;
    private final StringBuilder text = new StringBuilder();
    private int taken;
    private boolean stopped;
    private boolean ended;

    TextAssembler(TextDecoder decoder, List<String> stopStrings) {
        this.decoder = decoder;
        this.stopStrings = stopStrings;
        longestStop = stopStrings.stream().mapToInt(String::length).max().orElse(0);
    }

    /** Takes a token, and says whether the text goes on after it. */
    boolean accept(long id) {
        append(decoder.next(id));
        return !stopped;
    }

    /** Ends the text: nothing is held back any more. Says whether no stop string came. */
    boolean end() {
        if (!ended && !stopped) {
            append(decoder.end());
        }
        ended = true;
        return !stopped;
    }

    private void append(String more) {
        if (more.isEmpty() || stopped) {
            return;
        }
        int from = Math.max(0, text.length() - longestStop + 1);
        text.append(more);
        int first = -1;
        for (String stop : stopStrings) {
            int found = text.indexOf(stop, from);
            if (found >= 0 && (first < 0 || found < first)) {
                first = found;
            }
        }
        if (first >= 0) {
            text.setLength(first);
            stopped = true;
        }
    }

    /** Returns the text that has come since the last call and is certain. */
    String take() {
        int certain = stopped || ended ? text.length() : text.length() - heldBack();
        String piece = text.substring(taken, certain);
        taken = certain;
        return piece;
    }

    /** The length of the longest end of the text that is the start of a stop string. */
    private int heldBack() {
        for (int length = Math.min(longestStop - 1, text.length()); length > 0; length--) {
            for (String stop : stopStrings) {
                if (length < stop.length()
                        && stop.startsWith(text.substring(text.length() - length))) {
                    return length;
                }
            }
        }
        return 0;
    }

    /** Returns all text so far that is certain. */
    String text() {
        return text.substring(0, stopped || ended ? text.length() : text.length() - heldBack());
    }
}
