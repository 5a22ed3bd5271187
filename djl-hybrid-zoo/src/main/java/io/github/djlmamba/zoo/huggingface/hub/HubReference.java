/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface.hub;

import java.net.URI;
import java.util.regex.Pattern;
import org.apiguardian.api.API;

/**
 * A model repository of the Hub at a revision.
 *
 * @param owner the user or organisation
 * @param name the repository's name
 * @param revision a branch, a tag, a commit, or a reference such as {@code refs/pr/1}
 */
@API(status = API.Status.EXPERIMENTAL)
public record HubReference(String owner, String name, String revision) {

    /** The scheme of addresses, {@code hf://owner/name@revision}. */
    public static final String SCHEME = "hf";

    /** The revision where none is given. */
    public static final String DEFAULT_REVISION = "main";

    private static final int MAX_NAME = 96;
    private static final int MAX_REVISION = 250;
    private static final Pattern NAME = Pattern.compile("[\\w.-]+", Pattern.CASE_INSENSITIVE);
    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");
    // What git forbids in the name of a reference, and what Windows forbids in that of a file.
    private static final Pattern NOT_IN_REVISION =
            Pattern.compile("[\\x00-\\x20\\x7f~^:?*\\[\\\\\"<>|]");

    /**
     * Checks the reference.
     *
     * @throws IllegalArgumentException if the Hub can have no such repository or revision
     */
    public HubReference {
        requireName(owner, "the owner of a repository");
        requireName(name, "the name of a repository");
        requireRevision(revision);
    }

    /**
     * Reads a reference.
     *
     * @param text {@code owner/name} or {@code owner/name@revision}, with {@code hf://} before it
     *     or not
     * @return the reference
     * @throws IllegalArgumentException if it is not of this form
     */
    public static HubReference parse(String text) {
        String rest = text.startsWith(SCHEME + "://") ? text.substring(5) : text;
        int slash = rest.indexOf('/');
        if (slash < 0) {
            throw malformed(text);
        }
        int at = rest.indexOf('@', slash);
        String name = rest.substring(slash + 1, at < 0 ? rest.length() : at);
        if (name.indexOf('/') >= 0) {
            throw malformed(text);
        }
        return new HubReference(
                rest.substring(0, slash), name, at < 0 ? DEFAULT_REVISION : rest.substring(at + 1));
    }

    /**
     * Reads the reference of an address; its query is left alone.
     *
     * @param uri {@code hf://owner/name} or {@code hf://owner/name@revision}
     * @return the reference
     * @throws IllegalArgumentException if it is not of this form
     */
    public static HubReference of(URI uri) {
        // Not the host, which is null for an owner with an underscore.
        if (!SCHEME.equalsIgnoreCase(uri.getScheme())
                || uri.getAuthority() == null
                || uri.getFragment() != null) {
            throw malformed(uri.toString());
        }
        return parse(SCHEME + "://" + uri.getAuthority() + uri.getPath());
    }

    /**
     * Returns how the Hub names the repository.
     *
     * @return {@code owner/name}
     */
    public String repository() {
        return owner + "/" + name;
    }

    /**
     * Returns whether the revision is a commit's full hash, which stays what it is, and not a name
     * that may move.
     *
     * @return whether it is
     */
    public boolean isCommit() {
        return isCommit(revision);
    }

    static boolean isCommit(String text) {
        return text != null && COMMIT.matcher(text).matches();
    }

    /**
     * Returns the reference as it is read.
     *
     * @return {@code owner/name@revision}
     */
    @Override
    public String toString() {
        return repository() + "@" + revision;
    }

    private static IllegalArgumentException malformed(String text) {
        return new IllegalArgumentException(
                "\""
                        + text
                        + "\" names no repository of the Hub; expected hf://owner/name or"
                        + " hf://owner/name@revision");
    }

    private static void requireName(String value, String what) {
        boolean holds =
                value.length() <= MAX_NAME
                        && NAME.matcher(value).matches()
                        && !value.contains("--")
                        && !value.contains("..")
                        && !value.matches("[.-].*|.*[.-]");
        if (!holds) {
            throw new IllegalArgumentException(
                    what
                            + " is \""
                            + value
                            + "\"; expected up to 96 letters, digits, \"-\", \"_\" and \".\", without"
                            + " \"--\" and \"..\", and neither \"-\" nor \".\" at an end");
        }
    }

    private static void requireRevision(String value) {
        boolean holds =
                !value.isEmpty()
                        && value.length() <= MAX_REVISION
                        && !NOT_IN_REVISION.matcher(value).find()
                        && !value.contains("..")
                        && !value.contains("@{")
                        && !value.endsWith("/");
        for (String part : value.split("/")) {
            holds =
                    holds
                            && !part.isEmpty()
                            && !part.startsWith(".")
                            && !part.matches(".*[.]|.*\\.lock");
        }
        if (!holds) {
            throw new IllegalArgumentException(
                    "the revision is \""
                            + value
                            + "\"; expected a branch, a tag, a commit or a reference such as"
                            + " refs/pr/1");
        }
    }
}
