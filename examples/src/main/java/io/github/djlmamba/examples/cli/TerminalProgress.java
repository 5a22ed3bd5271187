/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import ai.djl.util.Progress;
import java.util.concurrent.CancellationException;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/**
 * A progress bar on standard error, where that is a terminal; otherwise nothing. It also is where
 * long work notices that the user has interrupted it.
 */
final class TerminalProgress implements Progress, AutoCloseable {

    private ProgressBar bar;

    /** {@inheritDoc} */
    @Override
    public void reset(String message, long max, String trailingMessage) {
        close();
        if (System.console() != null) {
            bar =
                    new ProgressBarBuilder()
                            .setTaskName(message)
                            .setInitialMax(max)
                            .setStyle(ProgressBarStyle.ASCII)
                            .setUpdateIntervalMillis(200)
                            .build();
        }
    }

    /** {@inheritDoc} */
    @Override
    public void start(long initialProgress) {
        update(initialProgress);
    }

    /** {@inheritDoc} */
    @Override
    public void end() {
        close();
    }

    /** {@inheritDoc} */
    @Override
    public void increment(long increment) {
        checkInterrupted();
        if (bar != null) {
            bar.stepBy(increment);
        }
    }

    /** {@inheritDoc} */
    @Override
    public void update(long progress, String message) {
        checkInterrupted();
        if (bar != null) {
            bar.stepTo(progress);
            if (message != null) {
                bar.setExtraMessage(" " + message);
            }
        }
    }

    private static void checkInterrupted() {
        if (Thread.interrupted()) {
            throw new CancellationException("interrupted");
        }
    }

    /** Takes the bar off the terminal. */
    @Override
    public void close() {
        if (bar != null) {
            bar.close();
            bar = null;
        }
    }
}
