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
import java.io.InterruptedIOException;
import java.nio.file.FileSystemException;
import java.time.Duration;

/**
 * How often a request is repeated, and after which pause: the first one doubles with each failure.
 *
 * @param attempts the attempts in all
 * @param firstPause the pause after the first failure
 * @param longestPause the longest pause, also where the Hub asks for a longer one
 */
record RetryPolicy(int attempts, Duration firstPause, Duration longestPause) {

    static final RetryPolicy DEFAULT =
            new RetryPolicy(5, Duration.ofSeconds(1), Duration.ofSeconds(60));

    /** The same pauses, but no second attempt. */
    RetryPolicy once() {
        return new RetryPolicy(1, firstPause, longestPause);
    }

    /** Runs a request, again while its failure may pass. */
    <T> T run(Request<T> request) throws IOException {
        for (int failures = 1; ; failures++) {
            try {
                return request.run();
            } catch (IOException e) {
                pauseOrThrow(e, failures);
            }
        }
    }

    /**
     * Pauses before the next attempt.
     *
     * @param failure the last attempt's
     * @param failures the failures in a row
     * @throws IOException the failure, if no attempt is left or another would fail alike
     */
    void pauseOrThrow(IOException failure, int failures) throws IOException {
        boolean lasts =
                failure instanceof HubException refusal && !refusal.isTransient()
                        || failure instanceof FileSystemException
                        || failure instanceof InterruptedIOException;
        if (failures >= attempts || lasts) {
            throw failure;
        }
        Duration pause = firstPause.multipliedBy(1L << Math.min(failures - 1, 20));
        if (failure instanceof HubException e && e.getRetryAfter().compareTo(pause) > 0) {
            pause = e.getRetryAfter();
        }
        sleep(pause.compareTo(longestPause) < 0 ? pause : longestPause);
    }

    static void sleep(Duration pause) throws InterruptedIOException {
        try {
            Thread.sleep(pause.toMillis());
        } catch (InterruptedException e) {
            throw interrupted();
        }
    }

    /** Turns the interrupt of a thread into what a caller of this package expects. */
    static InterruptedIOException interrupted() {
        Thread.currentThread().interrupt();
        return new InterruptedIOException("interrupted while files of the Hub were fetched");
    }

    /** A request that may be repeated. */
    @FunctionalInterface
    interface Request<T> {

        T run() throws IOException;
    }
}
