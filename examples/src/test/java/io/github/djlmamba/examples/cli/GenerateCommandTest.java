/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Runs {@code generate} as a user types it, on a checkpoint without a tokenizer. */
class GenerateCommandTest {

    private static final String CHECKPOINT =
            Path.of(
                            "..",
                            "djl-hybrid-zoo/src/test/resources/io/github/djlmamba/zoo/huggingface",
                            "mamba")
                    .toString();

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @Test
    void idsAsJson() {
        assertEquals(
                0,
                run("--model", CHECKPOINT, "--prompt-ids", "5,6,7", "--max-new-tokens=4", "--json"),
                err::toString);
        JsonObject result = JsonParser.parseString(out.toString()).getAsJsonObject();
        assertEquals(
                Set.of("prompt_ids", "ids", "text", "prefill_tokens_per_s", "decode_tokens_per_s"),
                result.keySet());
        assertEquals("[5,6,7]", result.get("prompt_ids").toString());
        assertEquals(4, result.getAsJsonArray("ids").size());
        assertTrue(result.get("text").isJsonNull());
        assertTrue(result.get("prefill_tokens_per_s").getAsDouble() > 0);
        assertTrue(result.get("decode_tokens_per_s").getAsDouble() > 0);
    }

    @Test
    void idsAsALine() {
        assertEquals(
                0,
                run("--model", CHECKPOINT, "--prompt-ids", "5,6", "--max-new-tokens", "3"),
                err::toString);
        assertTrue(out.toString().matches("\\d+ \\d+ \\d+\\R"), out.toString());
        assertTrue(err.toString().contains("3 tokens after 2"), err.toString());
    }

    @Test
    void whatCannotBeDoneIsOneLine() {
        assertEquals(1, run("--model", CHECKPOINT, "--prompt", "In the beginning"));
        assertTrue(err.toString().startsWith("error: generation: this model has no tokenizer"));
        assertEquals(1, err.toString().lines().count());
        assertEquals(1, run("--model", CHECKPOINT, "--prompt-ids", "1,100000"));
        assertTrue(err.toString().contains("100000 is not in the model's vocabulary"));
        assertEquals(1, run("--model", CHECKPOINT, "--prompt-ids", "1", "--top-p", "2"));
        assertTrue(err.toString().contains("top-p is 2.0"), err.toString());
        assertEquals(2, run("--model", CHECKPOINT));
        assertEquals(2, run("--model", CHECKPOINT, "--prompt", "x", "--prompt-ids", "1"));
        assertEquals(1, run("--model", "no-such-model", "--prompt", "x"));
        assertTrue(err.toString().contains("no-such-model"), err.toString());
        assertEquals("", out.toString());
    }

    private int run(String... arguments) {
        String[] all = new String[arguments.length + 1];
        all[0] = "generate";
        System.arraycopy(arguments, 0, all, 1, arguments.length);
        return DjlMamba.run(new PrintWriter(out, true), new PrintWriter(err, true), all);
    }
}
