/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.URI;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What names a repository of the Hub, and what does not. */
class HubReferenceTest {

    @ParameterizedTest
    @CsvSource({
        "state-spaces/mamba-130m-hf, state-spaces, mamba-130m-hf, main",
        "hf://tiiuae/Falcon-H1-0.5B@v1.0, tiiuae, Falcon-H1-0.5B, v1.0",
        "a_b/c@refs/pr/1, a_b, c, refs/pr/1",
        "hf://a_b/c_d.e@feature/x@y, a_b, c_d.e, feature/x@y",
        "a/b@0123456789abcdef0123456789abcdef01234567, a, b,"
                + " 0123456789abcdef0123456789abcdef01234567",
    })
    void readsWhatTheHubHas(String text, String owner, String name, String revision) {
        HubReference expected = new HubReference(owner, name, revision);
        assertEquals(expected, HubReference.parse(text));
        assertEquals(expected, HubReference.parse(expected.toString()));
        String address = text.startsWith("hf://") ? text : "hf://" + text;
        assertEquals(expected, HubReference.of(URI.create(address + "?modelName=x")));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "a",
                "hf://a",
                "/b",
                "a/",
                "a/b/c",
                "a/b/c@main",
                "a/b@",
                "a b/c",
                "../b",
                "a/..",
                "a/.b",
                "a/b.",
                "-a/b",
                "a/b--c",
                "a/b@../../x",
                "a/b@/x",
                "a/b@x/",
                "a/b@x//y",
                "a/b@.git",
                "a/b@x/.y",
                "a/b@x.lock",
                "a/b@x\\y",
                "a/b@c:d",
                "a/b@x y",
                "a/b@x\0",
                "a/b@x~1",
                "a/b@x^",
                "a/b@x@{1}",
                "a/b@*",
                "hf:/a/b",
                "http://a/b",
                "a/é"
            })
    void refusesWhatTheHubCannotHave(String text) {
        Exception e = assertThrows(IllegalArgumentException.class, () -> HubReference.parse(text));
        assertTrue(e.getMessage().contains("expected"), e.getMessage());
    }

    @Test
    void refusesNamesThatAreTooLong() {
        String name = "n".repeat(97);
        assertThrows(IllegalArgumentException.class, () -> HubReference.parse("a/" + name));
        String revision = "r".repeat(251);
        assertThrows(IllegalArgumentException.class, () -> HubReference.parse("a/b@" + revision));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "hf://a",
                "hf://a/",
                "hf://x@a/b",
                "hf://a:80/b",
                "http://a/b",
                "hf://a/b#c"
            })
    void refusesOtherAddresses(String uri) {
        assertThrows(IllegalArgumentException.class, () -> HubReference.of(URI.create(uri)));
    }

    @Test
    void onlyAFullHashIsACommit() {
        String hash = "0123456789abcdef0123456789abcdef01234567";
        assertTrue(HubReference.parse("a/b@" + hash).isCommit());
        assertFalse(HubReference.parse("a/b@" + hash.substring(1)).isCommit());
        assertFalse(HubReference.parse("a/b@main").isCommit());
    }
}
