/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface.hub;

import java.time.Duration;

/** Says what the Hub's refusals mean, and what may be done. */
final class HubErrors {

    private HubErrors() {}

    /**
     * Checks the status of an answer.
     *
     * @param name the file that was asked for; null for the list of files
     * @throws HubException if it is no success
     */
    static void check(
            HubClient.Response response, HubSettings settings, HubReference reference, String name)
            throws HubException {
        int status = response.status();
        if (status == 200 || status == 206) {
            return;
        }
        String what = name == null ? reference.toString() : name + " of " + reference;
        String said = response.header("X-Error-Message").map(HubErrors::printable).orElse("");
        throw new HubException(
                status,
                message(response, settings, reference, what)
                        + " (HTTP "
                        + status
                        + (said.isEmpty() ? "" : ": " + said)
                        + ")",
                retryAfter(response));
    }

    private static String message(
            HubClient.Response response,
            HubSettings settings,
            HubReference reference,
            String what) {
        String code = response.header("X-Error-Code").orElse("");
        String page = settings.endpoint() + "/" + reference.repository();
        boolean gated = code.equals("GatedRepo");
        String host = response.uri().getHost();
        if (!host.equalsIgnoreCase(settings.endpoint().getHost())) {
            return host + ", to which the Hub redirects, does not give " + what;
        }
        switch (response.status()) {
            case 401:
                if (settings.token() != null && !gated) {
                    return "the Hub takes the access token not for "
                            + what
                            + ": it is wrong or has expired, or there is no such repository; check"
                            + " the name, and HF_TOKEN or the file of HF_TOKEN_PATH";
                }
                return gated
                        ? what
                                + " is gated: ask for access at "
                                + page
                                + " and give an access"
                                + " token by HF_TOKEN"
                        : "there is no "
                                + what
                                + ", or it is private: check the name, or give an access token by"
                                + " HF_TOKEN";
            case 403:
                return gated
                        ? what
                                + " is gated and the access token's account has no access yet; ask"
                                + " for it at "
                                + page
                        : "the Hub refuses "
                                + what
                                + ": the access token (HF_TOKEN) needs the right to read it";
            case 404:
                return switch (code) {
                    case "RevisionNotFound" ->
                            reference.repository()
                                    + " has no revision "
                                    + reference.revision()
                                    + "; its branches and tags are at "
                                    + page
                                    + "/tree/main";
                    case "EntryNotFound" -> "there is no " + what;
                    default ->
                            "there is no "
                                    + what
                                    + " at "
                                    + settings.endpoint()
                                    + "; check the name";
                };
            case 429:
                return "the Hub takes no more requests for now, the last one for "
                        + what
                        + "; wait, or give an access token by HF_TOKEN, which allows more";
            default:
                return response.status() >= 500
                        ? "the Hub fails at " + what + "; try again later"
                        : "the Hub does not give " + what;
        }
    }

    private static Duration retryAfter(HubClient.Response response) {
        return response.header("Retry-After")
                .filter(text -> text.matches("\\d{1,6}"))
                .map(text -> Duration.ofSeconds(Long.parseLong(text)))
                .orElse(Duration.ZERO);
    }

    /** What a server says goes into logs and terminals. */
    static String printable(String text) {
        String plain = text.replaceAll("[^ -~]", "?");
        return plain.length() <= 200 ? plain : plain.substring(0, 200) + "...";
    }
}
