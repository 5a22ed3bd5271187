/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface.hub;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.http.HttpTimeoutException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * The body of an answer, taken piece by piece with a longest wait for each: the timeout of the
 * JDK's client ends with the headers. For one reading thread.
 */
final class ResponseBody implements Flow.Subscriber<List<ByteBuffer>>, AutoCloseable {

    private static final Object END = new Object();

    private final Duration timeout;
    private final BlockingQueue<Object> pieces = new LinkedBlockingQueue<>();
    private Flow.Subscription subscription;
    private boolean closed;

    ResponseBody(Flow.Publisher<List<ByteBuffer>> publisher, Duration timeout) {
        this.timeout = timeout;
        publisher.subscribe(this);
    }

    /**
     * Returns the next piece; null at the end.
     *
     * @throws IOException if the connection breaks or nothing comes in time
     */
    @SuppressWarnings("unchecked") // nothing else is queued
    List<ByteBuffer> next() throws IOException {
        Object piece;
        try {
            piece = pieces.poll(timeout.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            throw RetryPolicy.interrupted();
        }
        if (piece == null) {
            throw new HttpTimeoutException("no more bytes came within " + timeout);
        }
        if (piece == END) {
            pieces.add(END);
            return null;
        }
        if (piece instanceof Throwable failure) {
            throw new IOException("the connection broke: " + failure.getMessage(), failure);
        }
        request();
        return (List<ByteBuffer>) piece;
    }

    /**
     * Returns all of the body.
     *
     * @param limit the most bytes that are taken
     * @throws IOException if there are more, the connection breaks, or nothing comes in time
     */
    byte[] readAll(int limit) throws IOException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (List<ByteBuffer> piece = next(); piece != null; piece = next()) {
            for (ByteBuffer buffer : piece) {
                if (buffer.remaining() > limit - all.size()) {
                    throw new HubException(
                            200, "the Hub's answer is longer than the " + limit + " bytes allowed");
                }
                byte[] bytes = new byte[buffer.remaining()];
                buffer.get(bytes);
                all.writeBytes(bytes);
            }
        }
        return all.toByteArray();
    }

    @Override
    public void onSubscribe(Flow.Subscription newSubscription) {
        synchronized (this) {
            subscription = newSubscription;
        }
        request();
    }

    @Override
    public void onNext(List<ByteBuffer> piece) {
        pieces.add(piece);
    }

    @Override
    public void onError(Throwable failure) {
        pieces.add(failure);
    }

    @Override
    public void onComplete() {
        pieces.add(END);
    }

    /** Breaks the connection, unless the body came to its end. */
    @Override
    public synchronized void close() {
        closed = true;
        if (subscription != null) {
            subscription.cancel();
        }
    }

    private synchronized void request() {
        if (closed) {
            subscription.cancel();
        } else {
            subscription.request(1);
        }
    }
}
