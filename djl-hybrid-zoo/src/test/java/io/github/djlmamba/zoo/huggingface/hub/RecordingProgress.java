package io.github.djlmamba.zoo.huggingface.hub;

import ai.djl.util.Progress;

/** Keeps what it is told. */
final class RecordingProgress implements Progress {

    String message = "";
    long max;
    long last;
    long most;
    int ends;

    @Override
    public void reset(String newMessage, long newMax, String trailingMessage) {
        message = newMessage;
        max = newMax;
    }

    @Override
    public void start(long initialProgress) {
        last = initialProgress;
    }

    @Override
    public void end() {
        ends++;
    }

    @Override
    public void increment(long increment) {
        update(last + increment);
    }

    @Override
    public void update(long progress, String newMessage) {
        last = progress;
        most = Math.max(most, progress);
    }
}
