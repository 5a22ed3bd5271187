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
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The cache's folders (see the package). Every change is a renaming: a reader, in this process or
 * another, sees a file as a whole or not at all. Nothing is kept in memory. Thread safe.
 */
final class HubCache {

    private static final Logger LOG = LoggerFactory.getLogger(HubCache.class);

    private final Path root;
    private final boolean symbolicLinks;

    HubCache(HubSettings settings) {
        this.root = settings.cacheFolder().toAbsolutePath().normalize();
        this.symbolicLinks = settings.symbolicLinks();
    }

    /** Returns the commit that a revision was at when it was last fetched. */
    Optional<String> commit(HubReference reference) throws IOException {
        if (reference.isCommit()) {
            return Optional.of(reference.revision());
        }
        try {
            Path ref = ref(reference);
            return Files.isRegularFile(ref)
                    ? Optional.of(Files.readString(ref).strip()).filter(HubReference::isCommit)
                    : Optional.empty();
        } catch (NoSuchFileException e) {
            return Optional.empty();
        }
    }

    /**
     * Remembers the commit that a revision is at. Where that fails, as in a folder that may only be
     * read, the revision is just not known offline.
     */
    void setCommit(HubReference reference, String commit) throws IOException {
        if (commit(reference).equals(Optional.of(commit))) {
            return;
        }
        Path ref = ref(reference);
        try {
            Files.createDirectories(ref.getParent());
            Path partial = beside(ref);
            try {
                Files.writeString(partial, commit);
                rename(partial, ref);
            } finally {
                Files.deleteIfExists(partial);
            }
        } catch (IOException e) {
            LOG.warn("cannot remember that {} is at {}: {}", reference, commit, e.toString());
        }
    }

    /** Returns the folder of a commit's files, which may not be there yet. */
    Path snapshot(HubReference reference, String commit) {
        return repository(reference).resolve("snapshots").resolve(commit);
    }

    /** Returns whether a commit's file is there. A link to a blob that is gone is not. */
    boolean holds(HubReference reference, String commit, String name) {
        return Files.isRegularFile(snapshot(reference, commit).resolve(name));
    }

    /** Returns whether a commit is known not to have a file. */
    boolean isAbsent(HubReference reference, String commit, String name) {
        return Files.exists(absent(reference, commit).resolve(name));
    }

    /** Remembers that a commit does not have a file; that this fails matters as little as above. */
    void setAbsent(HubReference reference, String commit, String name) {
        Path file = absent(reference, commit).resolve(name);
        try {
            if (!Files.exists(file)) {
                Files.createDirectories(file.getParent());
                Files.write(file, new byte[0]);
            }
        } catch (IOException e) {
            LOG.debug("cannot remember that {} has no {}", reference, name, e);
        }
    }

    /** Returns whether a file's content is there, whole as far as its size tells. */
    boolean holdsBlob(HubFile file) {
        try {
            return Files.size(blob(file)) == file.size();
        } catch (IOException e) {
            return false;
        }
    }

    Path blob(HubFile file) {
        return repository(file.reference()).resolve("blobs").resolve(file.hash().hex());
    }

    /** Returns the file whose lock a download of a file's content is to hold. */
    Path lockFile(HubFile file) {
        return root.resolve(".locks")
                .resolve(repository(file.reference()).getFileName())
                .resolve(file.hash().hex() + ".lock");
    }

    /** Makes a complete file in the folder of blobs the blob of its name. */
    void install(Path complete, HubFile file) throws IOException {
        Path blob = blob(file);
        rename(complete, blob);
        forceFolder(blob.getParent());
    }

    /** Makes a snapshot's file that of a blob: a symbolic link, else a hard one, else a copy. */
    void link(HubFile file) throws IOException {
        Path blob = blob(file);
        Path target = snapshot(file.reference(), file.commit()).resolve(file.name());
        Files.createDirectories(target.getParent());
        Path partial = beside(target);
        try {
            if (!symbolicLinks || !linkSymbolically(partial, target, blob)) {
                try {
                    Files.createLink(partial, blob.toRealPath());
                } catch (IOException | UnsupportedOperationException e) {
                    Files.copy(blob, partial);
                }
            }
            rename(partial, target);
        } finally {
            Files.deleteIfExists(partial);
        }
    }

    private static boolean linkSymbolically(Path link, Path target, Path blob) {
        try {
            // Relative, so that the cache may be moved.
            Files.createSymbolicLink(link, target.getParent().relativize(blob));
            return true;
        } catch (IOException | UnsupportedOperationException e) {
            LOG.debug("no symbolic link to {}", blob, e);
            return false;
        }
    }

    private Path repository(HubReference reference) {
        return root.resolve("models--" + reference.owner() + "--" + reference.name());
    }

    private Path ref(HubReference reference) {
        return repository(reference).resolve("refs").resolve(reference.revision());
    }

    private Path absent(HubReference reference, String commit) {
        return repository(reference).resolve(".no_exist").resolve(commit);
    }

    private static Path beside(Path file) {
        String suffix = UUID.randomUUID().toString().substring(0, 8);
        return file.resolveSibling(file.getFileName() + "." + suffix + ".tmp");
    }

    private static void rename(Path from, Path to) throws IOException {
        Files.move(from, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    /** Makes a renaming outlast a loss of power, where the system lets a folder be opened. */
    private static void forceFolder(Path folder) {
        try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
            channel.force(true);
        } catch (IOException e) {
            LOG.trace("{} cannot be forced to the disk", folder, e);
        }
    }
}
