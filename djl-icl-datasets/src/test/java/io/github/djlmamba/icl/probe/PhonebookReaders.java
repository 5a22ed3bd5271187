/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.probe;

import java.util.List;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Functions that answer phonebook prompts from their text alone, with known success. */
final class PhonebookReaders {

    private static final Pattern ENTRY = Pattern.compile("(?m)^(\\w+ \\w+): (\\d{10})$");
    private static final Pattern QUERY = Pattern.compile("(?m)^(\\w+ \\w+):\\z");

    private PhonebookReaders() {}

    record Entry(String name, String number) {}

    /** Returns the entries of a prompt's phonebook, without the examples. */
    static List<Entry> book(String prompt) {
        for (String paragraph : prompt.split("\n\n")) {
            List<Entry> entries =
                    ENTRY.matcher(paragraph)
                            .results()
                            .map(match -> new Entry(match.group(1), match.group(2)))
                            .toList();
            if (entries.size() > 2) {
                return entries;
            }
        }
        throw new AssertionError("no phonebook in: " + prompt);
    }

    static String query(String prompt) {
        Matcher matcher = QUERY.matcher(prompt);
        if (!matcher.find()) {
            throw new AssertionError("no name at the end of: " + prompt);
        }
        return matcher.group(1);
    }

    /** Knows the last entries of a phonebook and goes on after the number, as models do. */
    static TextContinuation lastEntries(int known) {
        return each(
                prompt -> {
                    List<Entry> entries = book(prompt);
                    return entries
                            .subList(Math.max(0, entries.size() - known), entries.size())
                            .stream()
                            .filter(entry -> entry.name().equals(query(prompt)))
                            .map(entry -> " " + entry.number() + "\nAnn")
                            .findFirst()
                            .orElse(" unknown");
                });
    }

    static TextContinuation perfect() {
        return lastEntries(Integer.MAX_VALUE);
    }

    static TextContinuation each(UnaryOperator<String> answer) {
        return (prompts, maxNewTokens) -> prompts.stream().map(answer).toList();
    }
}
