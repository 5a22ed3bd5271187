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
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Lets one thread of one process at a time fetch a file. It only saves traffic: what is fetched is
 * whole without it too, so that nobody waits for an owner that has stopped, nor where a file system
 * has no locks.
 */
final class HubLock implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(HubLock.class);
    private static final Duration POLL = Duration.ofMillis(50);

    /** Locks are the process's: its threads are kept apart by this. */
    private static final Set<Path> HELD = ConcurrentHashMap.newKeySet();

    private final Path file;
    private final FileChannel channel;

    private HubLock(Path file, FileChannel channel) {
        this.file = file;
        this.channel = channel;
    }

    /**
     * Waits for the lock, as long as its owner makes progress.
     *
     * @param file the file to lock; it is created
     * @param progress what grows as long as the owner works
     * @param patience the longest wait while nothing grows
     * @throws IOException if the waiting thread is interrupted
     */
    static HubLock acquire(Path file, LongSupplier progress, Duration patience) throws IOException {
        long seen = progress.getAsLong();
        long deadline = System.nanoTime() + patience.toNanos();
        while (true) {
            HubLock lock = tryAcquire(file);
            if (lock != null) {
                return lock;
            }
            RetryPolicy.sleep(POLL);
            long now = progress.getAsLong();
            if (now != seen) {
                seen = now;
                deadline = System.nanoTime() + patience.toNanos();
            } else if (System.nanoTime() - deadline > 0) {
                LOG.warn("the owner of {} has stopped; going on without the lock", file);
                return new HubLock(null, null);
            }
        }
    }

    /** Returns the lock; null if another thread or process has it. */
    private static HubLock tryAcquire(Path file) {
        if (!HELD.add(file)) {
            return null;
        }
        FileChannel channel = null;
        boolean taken = false;
        try {
            Files.createDirectories(file.getParent());
            channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            FileLock lock = channel.tryLock();
            taken = lock != null;
        } catch (OverlappingFileLockException e) {
            LOG.trace("{} is locked by another class loader", file, e);
        } catch (IOException e) {
            LOG.debug("no lock on {}: going on without", file, e);
            taken = true;
        } finally {
            if (!taken) {
                release(file, channel);
            }
        }
        return taken ? new HubLock(file, channel) : null;
    }

    @Override
    public void close() {
        if (file != null) {
            release(file, channel);
        }
    }

    private static void release(Path file, FileChannel channel) {
        try {
            if (channel != null) {
                channel.close();
            }
        } catch (IOException e) {
            LOG.debug("closing {}", file, e);
        } finally {
            HELD.remove(file);
        }
    }
}
