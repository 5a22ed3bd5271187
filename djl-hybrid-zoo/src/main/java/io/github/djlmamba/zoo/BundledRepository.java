/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo;

import ai.djl.Application;
import ai.djl.repository.AbstractRepository;
import ai.djl.repository.Artifact;
import ai.djl.repository.MRL;
import ai.djl.repository.Metadata;
import ai.djl.repository.Version;
import ai.djl.repository.VersionRange;
import ai.djl.util.JsonUtils;
import ai.djl.util.Progress;
import ai.djl.util.Utils;
import java.io.BufferedInputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/**
 * The models that this jar carries, as a DJL repository.
 *
 * <p>DJL reads models from files alone, so a model is extracted on its first use to a folder of
 * DJL's cache that is named by a hash of its metadata, which holds the hash of each file: another
 * build's model never shares a folder with it. DJL extracts to a temporary folder, checks each
 * file's hash and renames.
 */
final class BundledRepository extends AbstractRepository {

    private static final String METADATA = "metadata.json";
    private static final String ROOT = "/io/github/djlmamba/zoo/bundled/";

    BundledRepository() {
        super("djl-mamba-bundled", URI.create("bundled:/"));
    }

    /**
     * Returns the names of the models, which an index beside them lists: a jar cannot be walked.
     */
    List<String> artifactIds() {
        try {
            return new String(read(ROOT + "index.txt"), StandardCharsets.UTF_8)
                    .lines()
                    .map(String::trim)
                    .filter(line -> !line.isEmpty())
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException("the jar of djl-hybrid-zoo is damaged", e);
        }
    }

    /** {@inheritDoc} */
    @Override
    public boolean isRemote() {
        return true;
    }

    /** Returns what a model is for, by its metadata. */
    Application application(String artifactId) {
        try {
            return metadata(read(folder(artifactId) + METADATA)).getApplication();
        } catch (IOException e) {
            throw new UncheckedIOException("the jar of djl-hybrid-zoo is damaged", e);
        }
    }

    private static Metadata metadata(byte[] json) {
        return JsonUtils.GSON_PRETTY.fromJson(
                new String(json, StandardCharsets.UTF_8), Metadata.class);
    }

    /** {@inheritDoc} */
    @Override
    public Metadata locate(MRL mrl) throws IOException {
        byte[] json = read(folder(mrl.getArtifactId()) + METADATA);
        Metadata metadata = metadata(json);
        metadata.init(arguments);
        metadata.setRepositoryUri(URI.create(hash(json) + "/" + mrl.getArtifactId() + "/"));
        return metadata;
    }

    /** {@inheritDoc} */
    @Override
    public Artifact resolve(MRL mrl, Map<String, String> filter) throws IOException {
        VersionRange range = VersionRange.parse(mrl.getVersion());
        return locate(mrl).search(range, filter).stream()
                .max(Comparator.comparing(artifact -> new Version(artifact.getVersion())))
                .orElse(null);
    }

    /** {@inheritDoc} */
    @Override
    public Path getCacheDirectory() throws IOException {
        return Files.createDirectories(Utils.getCacheDir().resolve("djl-mamba/bundled"));
    }

    /** {@inheritDoc} */
    @Override
    public List<MRL> getResources() {
        return artifactIds().stream()
                .map(id -> model(application(id), HybridModelZoo.GROUP_ID, id))
                .toList();
    }

    /** {@inheritDoc} */
    @Override
    protected void download(Path folder, URI baseUri, Artifact.Item item, Progress progress)
            throws IOException {
        String artifactId = item.getArtifact().getMetadata().getArtifactId();
        try (InputStream in = open(folder(artifactId) + item.getUri())) {
            save(in, folder, item, progress);
        }
    }

    private static String folder(String artifactId) {
        return ROOT + artifactId + "/";
    }

    private static byte[] read(String resource) throws IOException {
        try (InputStream in = open(resource)) {
            return in.readAllBytes();
        }
    }

    private static InputStream open(String resource) throws IOException {
        InputStream in = BundledRepository.class.getResourceAsStream(resource);
        if (in == null) {
            throw new FileNotFoundException("the jar of djl-hybrid-zoo does not hold " + resource);
        }
        return new BufferedInputStream(in);
    }

    private static String hash(byte[] bytes) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(bytes);
            return HexFormat.of().formatHex(digest).substring(0, 16);
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
    }
}
