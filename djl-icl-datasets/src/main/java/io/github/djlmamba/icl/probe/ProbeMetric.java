/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.probe;

import org.apiguardian.api.API;

/**
 * How a model's continuation of a prompt is scored against the answer, from 0 to 1.
 *
 * <p>The number that a model gave is the first run of the digits 0 to 9 in its first line that is
 * not blank. What it writes after that does not count, since a language model that was not asked to
 * stop goes on.
 */
@API(status = API.Status.EXPERIMENTAL)
public enum ProbeMetric {

    /** 1 where the number given is the answer, else 0. */
    EXACT_MATCH("exact_match") {
        @Override
        public double score(String answer, String continuation) {
            return firstNumber(continuation).equals(answer) ? 1 : 0;
        }
    },

    /**
     * The share of the answer's digits that stand at the same place in the number given, counted
     * from its first digit; a digit that is not there is wrong. It tells a number that is nearly
     * right from one that is forgotten.
     */
    DIGIT_ACCURACY("digit_accuracy") {
        @Override
        public double score(String answer, String continuation) {
            String number = firstNumber(continuation);
            int right = 0;
            for (int i = 0; i < Math.min(answer.length(), number.length()); i++) {
                if (answer.charAt(i) == number.charAt(i)) {
                    right++;
                }
            }
            return (double) right / answer.length();
        }
    },

    /** 1 where the answer stands anywhere in the continuation, else 0. */
    CONTAINS("contains") {
        @Override
        public double score(String answer, String continuation) {
            return continuation.contains(answer) ? 1 : 0;
        }
    };

    private final String key;

    ProbeMetric(String key) {
        this.key = key;
    }

    /**
     * Returns the name that reports use.
     *
     * @return lower-case words joined by underscores
     */
    public String key() {
        return key;
    }

    /**
     * Scores a continuation.
     *
     * @param answer the digits that were asked for, at least one
     * @param continuation what the model wrote after the prompt
     * @return a number from 0, wrong, to 1, right
     */
    public abstract double score(String answer, String continuation);

    private static String firstNumber(String continuation) {
        String line = continuation.lines().filter(text -> !text.isBlank()).findFirst().orElse("");
        int start = 0;
        while (start < line.length() && !isDigit(line.charAt(start))) {
            start++;
        }
        int end = start;
        while (end < line.length() && isDigit(line.charAt(end))) {
            end++;
        }
        return line.substring(start, end);
    }

    /** Digits of other scripts than the prompt's are no answer. */
    private static boolean isDigit(char character) {
        return character >= '0' && character <= '9';
    }
}
