/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
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
