/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.nativeops;

import ai.djl.engine.Engine;
import ai.djl.pytorch.jni.LibUtils;
import ai.djl.util.Platform;
import ai.djl.util.Utils;
import java.io.IOException;
import java.io.InputStream;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Properties;

/**
 * The loader of the library. It loads after DJL's engine, from this class so that the natives bind
 * here whichever class loader holds it, and never throws: what goes wrong becomes the reason why
 * the native ops do not work.
 *
 * <p>The library is a resource of the platform's jar. It is extracted once to a folder of DJL's
 * cache that is named by its content, through a temporary file that is renamed, so that several
 * processes may do so at once.
 *
 * @param reason why the library is not loaded, in one line; null if it is
 * @param libtorchVersion the version that it was built for; null if that is not known
 */
record NativeLibrary(String reason, String libtorchVersion) {

    private static final String FILE_NAME = "libdjlmamba.so";
    private static final String PROPERTIES_NAME = "djlmamba.properties";

    /** Loads the library on the first call. */
    static NativeLibrary load() {
        return Loaded.LIBRARY;
    }

    /**
     * Loads the library, which an op is about to call.
     *
     * @throws IllegalStateException if it cannot be loaded
     */
    static void require() {
        String reason = load().reason;
        if (reason != null) {
            throw new IllegalStateException("the native ops do not work here: " + reason);
        }
    }

    /** Where a library is found. */
    interface Source {

        /** Opens a file of the given name, or returns null if there is none. */
        InputStream open(String name) throws IOException;
    }

    /** Loads the library of the class path for the platform that this process runs on. */
    private static NativeLibrary fromClassPath() {
        String platform = Platform.fromSystem("pytorch").getClassifier();
        String folder = "native/djlmamba/" + platform + '/';
        ClassLoader loader = NativeLibrary.class.getClassLoader();
        return load(
                name -> loader.getResourceAsStream(folder + name),
                platform,
                Utils.getEngineCacheDir("djlmamba"));
    }

    static NativeLibrary load(Source source, String platform, Path cache) {
        String builtFor = null;
        try {
            builtFor = builtFor(source);
            if (builtFor == null) {
                return failure(
                        "there is no library for "
                                + platform
                                + " on the class path; add io.github.djlmamba:djl-mamba-native-ops"
                                + " with the classifier "
                                + platform
                                + ", from a build that had cmake and a C++ compiler",
                        null);
            }
            Engine.getEngine("PyTorch");
            String mismatch = mismatch(builtFor, LibUtils.getVersion());
            if (mismatch != null) {
                return failure(mismatch, builtFor);
            }
            link(extract(source, cache.resolve("native-ops")));
            mismatch = mismatch(builtFor, NativeBindings.runningLibtorchVersion());
            return mismatch == null
                    ? new NativeLibrary(null, builtFor)
                    : failure(mismatch, builtFor);
        } catch (IOException | UncheckedIOException e) {
            return failure(
                    "the library cannot be extracted to "
                            + cache
                            + " ("
                            + e
                            + "); name a writable folder by DJL_CACHE_DIR",
                    builtFor);
        } catch (UnsatisfiedLinkError e) {
            return failure(
                    "the library does not link with libtorch in "
                            + libtorchFolder()
                            + " ("
                            + firstLine(e)
                            + "); it was built for libtorch "
                            + builtFor,
                    builtFor);
        } catch (RuntimeException | LinkageError | AssertionError e) {
            return failure("DJL's PyTorch engine does not start (" + firstLine(e) + ")", builtFor);
        }
    }

    private static NativeLibrary failure(String reason, String builtFor) {
        return new NativeLibrary(reason, builtFor);
    }

    private static String builtFor(Source source) throws IOException {
        try (InputStream in = source.open(PROPERTIES_NAME)) {
            if (in == null) {
                return null;
            }
            Properties properties = new Properties();
            properties.load(
                    new StringReader(new String(in.readAllBytes(), StandardCharsets.UTF_8)));
            return properties.getProperty("libtorch.version");
        }
    }

    private static String mismatch(String builtFor, String running) {
        if (running == null || running.isEmpty() || running.equals(builtFor)) {
            return null;
        }
        return "the library was built for libtorch "
                + builtFor
                + " but "
                + running
                + " runs, from "
                + libtorchFolder()
                + "; use that version, or build the library with LIBTORCH_HOME";
    }

    private static String libtorchFolder() {
        try {
            return LibUtils.getLibtorchPath();
        } catch (RuntimeException e) {
            return "an unknown folder";
        }
    }

    private static String firstLine(Throwable e) {
        return e.toString().lines().findFirst().orElse("");
    }

    static Path extract(Source source, Path folder) throws IOException {
        byte[] content;
        try (InputStream in = source.open(FILE_NAME)) {
            if (in == null) {
                throw new IOException(FILE_NAME + " is missing beside " + PROPERTIES_NAME);
            }
            content = in.readAllBytes();
        }
        Path file = folder.resolve(sha256(content)).resolve(FILE_NAME).toAbsolutePath();
        if (!Files.isRegularFile(file) || !Arrays.equals(Files.readAllBytes(file), content)) {
            Files.createDirectories(file.getParent());
            write(content, file);
        }
        return file;
    }

    private static void write(byte[] content, Path file) throws IOException {
        Path temporary = Files.createTempFile(file.getParent(), FILE_NAME, ".tmp");
        try {
            Files.write(temporary, content);
            try {
                Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
            } catch (AtomicMoveNotSupportedException e) {
                Files.move(temporary, file, StandardCopyOption.REPLACE_EXISTING);
            }
        } finally {
            Files.deleteIfExists(temporary);
        }
    }

    /**
     * Loads a file. The JVM refuses one that another class loader has loaded, so then a copy of our
     * own is loaded; it finds the ops registered already.
     */
    private static void link(Path file) throws IOException {
        try {
            System.load(file.toString());
        } catch (UnsatisfiedLinkError e) {
            if (e.getMessage() == null || !e.getMessage().contains("another classloader")) {
                throw e;
            }
            Path copy = Files.createTempFile(file.getParent(), FILE_NAME, ".copy");
            try {
                Files.copy(file, copy, StandardCopyOption.REPLACE_EXISTING);
                System.load(copy.toAbsolutePath().toString());
            } finally {
                Files.deleteIfExists(copy);
            }
        }
    }

    private static String sha256(byte[] content) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(content);
            return HexFormat.of().formatHex(digest, 0, 12);
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every JVM has SHA-256", e);
        }
    }

    /** Holds the library of the class path. */
    private static final class Loaded {

        private static final NativeLibrary LIBRARY = fromClassPath();
    }
}
