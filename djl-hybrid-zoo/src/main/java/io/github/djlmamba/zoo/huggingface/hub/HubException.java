/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface.hub;

import java.io.IOException;
import java.time.Duration;
import java.util.Set;
import org.apiguardian.api.API;

/** Says that the Hub answers, but not with what it was asked for. */
@API(status = API.Status.EXPERIMENTAL)
public final class HubException extends IOException {

    private static final long serialVersionUID = 1L;

    /** Answers after which the same request may succeed. */
    private static final Set<Integer> TRANSIENT = Set.of(408, 429, 500, 502, 503, 504);

    private final int statusCode;
    private final Duration retryAfter;

    HubException(int statusCode, String message, Duration retryAfter) {
        super(message);
        this.statusCode = statusCode;
        this.retryAfter = retryAfter;
    }

    HubException(int statusCode, String message) {
        this(statusCode, message, Duration.ZERO);
    }

    /**
     * Returns the status of the answer.
     *
     * @return the HTTP status code, such as 404 where there is no such repository, revision or
     *     file; 200 for an answer that makes no sense
     */
    public int getStatusCode() {
        return statusCode;
    }

    boolean isTransient() {
        return TRANSIENT.contains(statusCode);
    }

    /** How long the Hub asks to wait; zero where it does not say. */
    Duration getRetryAfter() {
        return retryAfter;
    }
}
