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
import java.nio.ByteBuffer;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.function.LongConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Fetches a file's content: on from where a connection broke, by size and hash what the Hub
 * announced, or not at all. For one thread.
 */
final class FileDownload {

    private static final Logger LOG = LoggerFactory.getLogger(FileDownload.class);

    /** So many bytes more end a row of failures. */
    private static final long WORTH_AN_ATTEMPT = 8 << 20;

    private final HubClient client;
    private final RetryPolicy retry;
    private final HubFile file;
    private final LongConsumer progress;
    private MessageDigest digest;
    private long written;

    /**
     * Prepares a download.
     *
     * @param progress called with the bytes that are there, which may become fewer again
     */
    FileDownload(HubClient client, RetryPolicy retry, HubFile file, LongConsumer progress) {
        this.client = client;
        this.retry = retry;
        this.file = file;
        this.progress = progress;
        this.digest = file.hash().newDigest(file.size());
    }

    /**
     * Fetches the content.
     *
     * @param target an empty file; it is complete and on the disk afterwards
     * @throws IOException if the content cannot be had, or is not what was announced
     */
    void to(PartialFile target) throws IOException {
        requireSpace(target.path());
        fetchAll(target);
        String actual = HexFormat.of().formatHex(digest.digest());
        if (!actual.equals(file.hash().hex())) {
            // A line may corrupt bytes, and parts may be those of two contents: once more, whole.
            LOG.warn("the content of {} has not the announced hash; fetching it again", file);
            restart(target);
            fetchAll(target);
            actual = HexFormat.of().formatHex(digest.digest());
        }
        if (!actual.equals(file.hash().hex())) {
            throw new IOException(
                    "the content of "
                            + file
                            + " has the hash "
                            + actual
                            + ", not "
                            + file.hash().hex()
                            + " as the Hub announced: it was changed on its way; nothing is kept");
        }
        target.complete();
    }

    private void fetchAll(PartialFile target) throws IOException {
        int failures = 0;
        long most = 0;
        while (written < file.size()) {
            try {
                fetch(target);
            } catch (IOException e) {
                failures++;
                // Beyond what was there before, for a server may send the same part again and
                // again.
                if (written - most >= WORTH_AN_ATTEMPT) {
                    most = written;
                    failures = 1;
                }
                LOG.debug("{} bytes of {}, then {}", written, file, e.toString());
                retry.pauseOrThrow(e, failures);
            }
        }
    }

    private void fetch(PartialFile target) throws IOException {
        try (HubClient.Response response = client.open(file, written)) {
            if (written > 0 && !continues(response)) {
                restart(target);
            }
            ResponseBody body = response.body();
            for (List<ByteBuffer> piece = body.next(); piece != null; piece = body.next()) {
                for (ByteBuffer buffer : piece) {
                    append(target, buffer);
                }
                progress.accept(written);
            }
        }
        if (written < file.size()) {
            throw new IOException(
                    "the connection ended after "
                            + written
                            + " of "
                            + file.size()
                            + " bytes of "
                            + file);
        }
    }

    private void append(PartialFile target, ByteBuffer buffer) throws IOException {
        int length = buffer.remaining();
        if (length > file.size() - written) {
            throw new HubException(
                    200,
                    "more bytes come than the "
                            + file.size()
                            + " that the Hub announced for "
                            + file);
        }
        digest.update(buffer.duplicate());
        target.write(buffer);
        written += length;
    }

    /** Whether an answer goes on from what is there: a server may send all of the file instead. */
    private boolean continues(HubClient.Response response) throws IOException {
        if (response.status() != 206) {
            return false;
        }
        String range = response.header("Content-Range").orElse("");
        if (!range.matches("bytes " + written + "-\\d+/(" + file.size() + "|\\*)")) {
            throw new IOException(
                    "asked for " + file + " from byte " + written + ", the answer is for " + range);
        }
        return true;
    }

    private void restart(PartialFile target) throws IOException {
        target.clear();
        digest = file.hash().newDigest(file.size());
        written = 0;
        progress.accept(0);
    }

    private void requireSpace(Path path) throws IOException {
        long usable = Files.getFileStore(path).getUsableSpace();
        // Some file systems do not know, and say 0.
        if (usable > 0 && usable < file.size()) {
            throw new FileSystemException(
                    path.getParent().toString(),
                    null,
                    file
                            + " has "
                            + file.size()
                            + " bytes, but "
                            + usable
                            + " are free; make room, or set HF_HUB_CACHE to a folder on another"
                            + " disk");
        }
    }
}
