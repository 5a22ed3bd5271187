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
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.LongConsumer;
import java.util.stream.Collectors;
import org.apiguardian.api.API;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings the files of a model from the Hub into the cache that is shared with the library {@code
 * huggingface_hub}: the configuration, the tokenizer and the safetensors, no others.
 *
 * <p>A file is written under another name, checked by its size and its hash, forced to the disk and
 * then renamed: neither a broken connection nor the end of the process leaves half a file under a
 * name that is read. A broken download goes on from where it broke. Processes and threads that want
 * the same file wait for the one that fetches it. Thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class HuggingFaceHub {

    private static final Logger LOG = LoggerFactory.getLogger(HuggingFaceHub.class);

    private final HubSettings settings;
    private final RetryPolicy retry;
    private final HubClient client;
    private final HubCache cache;

    /**
     * Makes a hub.
     *
     * @param settings where it is and where its files are kept
     */
    public HuggingFaceHub(HubSettings settings) {
        this(settings, RetryPolicy.DEFAULT);
    }

    HuggingFaceHub(HubSettings settings, RetryPolicy retry) {
        this.settings = settings;
        this.retry = retry;
        this.client = new HubClient(settings);
        this.cache = new HubCache(settings);
    }

    /**
     * Returns the settings.
     *
     * @return the settings
     */
    public HubSettings getSettings() {
        return settings;
    }

    /**
     * Returns the folder of a model in the cache, without asking the Hub.
     *
     * @param reference the model
     * @return the folder, of the commit that the revision was last seen at; empty if something is
     *     missing there
     * @throws IOException if the cache cannot be read
     */
    public Optional<Path> cached(HubReference reference) throws IOException {
        Optional<String> commit = cache.commit(reference);
        return commit.isPresent() && missing(reference, commit.get()).isEmpty()
                ? commit.map(hash -> cache.snapshot(reference, hash))
                : Optional.empty();
    }

    /**
     * Returns the folder of a model, after fetching what of it is not in the cache. The Hub is
     * asked which commit the revision is at; if it cannot be reached, the commit that the revision
     * was last seen at is used, with a warning. Offline the cache alone is used.
     *
     * @param reference the model
     * @param progress shows the bytes of the weights; null for no progress
     * @return the folder
     * @throws HubException if the Hub has no such model or does not give it
     * @throws FileNotFoundException if offline something is missing in the cache
     * @throws IOException if files cannot be fetched or written
     */
    public Path fetch(HubReference reference, Progress progress) throws IOException {
        Optional<Path> cached = cached(reference);
        if (settings.offline()) {
            return cached.orElseThrow(() -> missingOffline(reference));
        }
        if (cached.isPresent() && reference.isCommit() && knowsAll(reference)) {
            return cached.get();
        }
        HubClient.Listing listing;
        try {
            RetryPolicy patience = cached.isPresent() ? retry.once() : retry;
            listing = patience.run(() -> client.list(reference));
        } catch (IOException e) {
            boolean refused = e instanceof HubException refusal && !refusal.isTransient();
            if (cached.isEmpty() || refused || e instanceof InterruptedIOException) {
                throw e;
            }
            LOG.warn(
                    "{} may be out of date: it is taken from the cache, since the Hub did not"
                            + " answer: {}",
                    reference,
                    e.getMessage());
            return cached.get();
        }
        fetch(reference, listing, progress);
        cache.setCommit(reference, listing.commit());
        return cache.snapshot(reference, listing.commit());
    }

    private void fetch(HubReference reference, HubClient.Listing listing, Progress progress)
            throws IOException {
        Set<String> names = listing.names();
        String commit = listing.commit();
        boolean single = names.contains(ModelFiles.SINGLE);
        requireModel(reference, names);
        List<String> small = new ArrayList<>(ModelFiles.SMALL);
        if (!single) {
            small.add(ModelFiles.INDEX);
        }
        for (String name : small) {
            if (!names.contains(name)) {
                cache.setAbsent(reference, commit, name);
            } else if (!cache.holds(reference, commit, name)) {
                obtain(describeSmall(reference, commit, name), bytes -> {});
            }
        }
        List<String> weights =
                single
                        ? List.of(ModelFiles.SINGLE)
                        : ModelFiles.weights(cache.snapshot(reference, commit));
        List<HubFile> files = new ArrayList<>();
        for (String name : weights) {
            if (!names.contains(name)) {
                throw new HubException(
                        200,
                        ModelFiles.INDEX
                                + " of "
                                + reference
                                + " names "
                                + name
                                + ", which is not there");
            }
            if (!cache.holds(reference, commit, name)) {
                files.add(describe(reference, commit, name));
            }
        }
        obtainAll(reference, files, progress);
    }

    private void obtainAll(HubReference reference, List<HubFile> files, Progress progress)
            throws IOException {
        if (files.isEmpty()) {
            return;
        }
        if (progress != null) {
            long bytes = files.stream().mapToLong(HubFile::size).sum();
            progress.reset("Downloading " + reference, bytes);
            progress.start(0);
        }
        try {
            long before = 0;
            for (HubFile file : files) {
                long done = before;
                obtain(
                        file,
                        bytes -> {
                            if (progress != null) {
                                progress.update(done + bytes);
                            }
                        });
                before += file.size();
            }
        } finally {
            if (progress != null) {
                progress.end();
            }
        }
    }

    /** Makes a file part of its snapshot, after fetching its content if it is not there. */
    private void obtain(HubFile file, LongConsumer progress) throws IOException {
        if (!cache.holdsBlob(file)) {
            Path blob = cache.blob(file);
            try (HubLock lock =
                    HubLock.acquire(
                            cache.lockFile(file),
                            () -> PartialFile.bytesOf(blob),
                            settings.downloadTimeout().multipliedBy(3))) {
                LOG.trace("{} holds {}", file, lock);
                // Whoever had the lock before may have fetched it.
                if (!cache.holdsBlob(file)) {
                    PartialFile.removeAbandoned(blob);
                    try (PartialFile partial = PartialFile.create(blob)) {
                        new FileDownload(client, retry, file, progress).to(partial);
                        cache.install(partial.path(), file);
                    }
                }
            }
        }
        progress.accept(file.size());
        cache.link(file);
    }

    private HubFile describe(HubReference reference, String commit, String name)
            throws IOException {
        return retry.run(() -> client.describe(reference, commit, name));
    }

    private HubFile describeSmall(HubReference reference, String commit, String name)
            throws IOException {
        HubFile file = describe(reference, commit, name);
        if (file.size() > ModelFiles.MAX_SMALL_BYTES) {
            throw new HubException(
                    200,
                    file
                            + " has "
                            + file.size()
                            + " bytes; expected at most "
                            + ModelFiles.MAX_SMALL_BYTES);
        }
        return file;
    }

    /** Whether every file of a commit is there or known not to be in the repository. */
    private boolean knowsAll(HubReference reference) {
        String commit = reference.revision();
        return ModelFiles.SMALL.stream()
                .allMatch(
                        name ->
                                cache.holds(reference, commit, name)
                                        || cache.isAbsent(reference, commit, name));
    }

    /** Returns the files without which a commit's folder is of no use, and which are not there. */
    private List<String> missing(HubReference reference, String commit) throws IOException {
        List<String> needed = new ArrayList<>(List.of(ModelFiles.CONFIG));
        if (cache.holds(reference, commit, ModelFiles.INDEX)) {
            needed.addAll(ModelFiles.weights(cache.snapshot(reference, commit)));
        } else {
            needed.add(ModelFiles.SINGLE);
        }
        needed.removeIf(name -> cache.holds(reference, commit, name));
        return needed;
    }

    private FileNotFoundException missingOffline(HubReference reference) {
        String found;
        try {
            Optional<String> commit = cache.commit(reference);
            found =
                    commit.isEmpty()
                            ? "not in the cache"
                            : "not complete in the cache: "
                                    + String.join(", ", missing(reference, commit.get()))
                                    + " of commit "
                                    + commit.get()
                                    + " is missing";
        } catch (IOException e) {
            found = "not readable in the cache: " + e.getMessage();
        }
        return new FileNotFoundException(
                reference
                        + " is "
                        + found
                        + ", and the offline mode is on (HF_HUB_OFFLINE, or DJL's); the cache is "
                        + settings.cacheFolder());
    }

    private static void requireModel(HubReference reference, Set<String> names)
            throws HubException {
        String missing = null;
        if (!names.contains(ModelFiles.CONFIG)) {
            missing = ModelFiles.CONFIG;
        } else if (!names.contains(ModelFiles.SINGLE) && !names.contains(ModelFiles.INDEX)) {
            missing = ModelFiles.SINGLE + " and no " + ModelFiles.INDEX;
        }
        if (missing != null) {
            throw new HubException(
                    404,
                    reference
                            + " has no "
                            + missing
                            + "; expected a model as the library transformers saves it, in"
                            + " safetensors. It has "
                            + HubErrors.printable(
                                    names.stream().sorted().collect(Collectors.joining(", "))));
        }
    }
}
