/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.internal;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.Strictness;
import java.util.Set;
import java.util.TreeSet;
import org.apiguardian.api.API;

/** How reports are written as JSON, and what is asked of a document that is read as one. */
@API(status = API.Status.INTERNAL)
public final class ReportJson {

    /**
     * Strict both ways: a number that is not finite is an error. Safe for use by several threads.
     */
    public static final Gson GSON =
            new GsonBuilder()
                    .setStrictness(Strictness.STRICT)
                    .setPrettyPrinting()
                    .disableHtmlEscaping()
                    .create();

    private ReportJson() {}

    /**
     * Returns why a document was refused.
     *
     * @param failure what was thrown; Gson wraps what the constructor of a record throws
     * @return the message of its innermost cause
     */
    public static String reason(Throwable failure) {
        Throwable cause = failure;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        return cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
    }

    /**
     * Checks that an object has exactly the keys that it must have.
     *
     * @param what what the object is, for the message
     * @param object the object
     * @param expected its keys
     * @throws JsonParseException if a key is missing or unknown
     */
    public static void checkKeys(String what, JsonObject object, Set<String> expected) {
        if (!object.keySet().equals(expected)) {
            throw new JsonParseException(
                    "a "
                            + what
                            + " must have the keys "
                            + new TreeSet<>(expected)
                            + ", but has "
                            + object.keySet());
        }
    }
}
