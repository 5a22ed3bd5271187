/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface;

import ai.djl.util.Progress;
import io.github.djlmamba.zoo.huggingface.hub.HubReference;
import io.github.djlmamba.zoo.huggingface.hub.HuggingFaceHub;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Where the files of a model come from. */
interface ModelSource {

    /** Returns a short name. */
    String name();

    /** Returns whether fetching may ask another machine. */
    boolean isRemote();

    /**
     * Sees to it that the files are there.
     *
     * @param progress shows how far that is; may be null
     * @throws IOException if they cannot be had
     */
    void fetch(Progress progress) throws IOException;

    /**
     * Returns the folder of the files; before they are fetched, one that does not exist.
     *
     * @throws IOException if that cannot be found out
     */
    Path folder() throws IOException;

    /** Returns a folder on this machine as a source. */
    static ModelSource of(Path folder) {
        Path absolute = folder.toAbsolutePath().normalize();
        Path last = absolute.getFileName();
        return new Folder(absolute, last == null ? "model" : last.toString());
    }

    /** Returns a repository of the Hub as a source. */
    static ModelSource of(HubReference reference, HuggingFaceHub hub) {
        return new Hub(reference, hub);
    }

    /** A folder on this machine. */
    record Folder(Path folder, String name) implements ModelSource {

        @Override
        public boolean isRemote() {
            return false;
        }

        @Override
        public void fetch(Progress progress) throws IOException {
            if (!Files.isRegularFile(folder.resolve(ModelConfig.FILE))) {
                throw new FileNotFoundException(
                        folder
                                + (Files.isDirectory(folder)
                                        ? " has no "
                                        : " does not exist or has no ")
                                + ModelConfig.FILE
                                + "; expected the folder of a model as the library transformers"
                                + " saves it");
            }
        }
    }

    /** A repository of the Hub. */
    final class Hub implements ModelSource {

        private final HubReference reference;
        private final HuggingFaceHub hub;
        private volatile Path fetched;

        private Hub(HubReference reference, HuggingFaceHub hub) {
            this.reference = reference;
            this.hub = hub;
        }

        @Override
        public String name() {
            return reference.name();
        }

        @Override
        public boolean isRemote() {
            return true;
        }

        @Override
        public void fetch(Progress progress) throws IOException {
            fetched = hub.fetch(reference, progress);
        }

        @Override
        public Path folder() throws IOException {
            Path folder = fetched;
            return folder != null
                    ? folder
                    : hub.cached(reference)
                            .orElseGet(
                                    () -> hub.getSettings().cacheFolder().resolve("not-fetched"));
        }
    }
}
