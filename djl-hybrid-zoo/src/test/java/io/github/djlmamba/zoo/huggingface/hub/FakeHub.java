/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface.hub;

import ai.djl.util.JsonUtils;
import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * A server that behaves like the Hub, with a second one that large files are redirected to, and
 * that can be told to misbehave. It keeps what it was asked.
 */
public final class FakeHub implements AutoCloseable {

    private static final int CHUNK = 16 << 10;

    /** What a server was asked. */
    record Request(boolean hub, String method, String path, Headers headers) {

        String header(String name) {
            return headers.getFirst(name);
        }
    }

    /** The bytes of a file, which need not be in memory. */
    interface Content {

        long length();

        void copy(long from, byte[] to, int count);

        static Content of(byte[] bytes) {
            return new Content() {
                @Override
                public long length() {
                    return bytes.length;
                }

                @Override
                public void copy(long from, byte[] to, int count) {
                    System.arraycopy(bytes, (int) from, to, 0, count);
                }
            };
        }
    }

    private final HttpServer hub;
    private final HttpServer cdn;
    private final ExecutorService executor = Executors.newCachedThreadPool();
    private final Map<String, Map<String, Content>> commits = new ConcurrentHashMap<>();
    private final Map<String, String> revisions = new ConcurrentHashMap<>();
    private final Map<String, Content> blobs = new ConcurrentHashMap<>();
    private final List<Request> requests = new CopyOnWriteArrayList<>();

    /** The token that is required; null for none. */
    volatile String token;

    /** Whether the repository is for those alone who have asked for access. */
    volatile boolean gated;

    /** The status of the next answers of the hub, and how many they are. */
    volatile int failure = 500;

    final AtomicInteger failures = new AtomicInteger();

    /** After how many bytes the next answers with large files break off, and how many they are. */
    volatile long cutAfter;

    final AtomicInteger cuts = new AtomicInteger();

    /** Whether large files are always sent from their beginning. */
    volatile boolean ignoresRanges;

    /** The pause after each 16 KiB of a large file; the bytes after which nothing more comes. */
    volatile Duration pause = Duration.ZERO;

    volatile long stallAfter = Long.MAX_VALUE;

    /** How many of the next large files come with a wrong byte. */
    final AtomicInteger corruptions = new AtomicInteger();

    /** Other values of headers that the hub sends about files. */
    final Map<String, String> overrides = new ConcurrentHashMap<>();

    /** A repository's new name, to which the old one's files are redirected. */
    volatile String renamedTo;

    volatile boolean renamesAlways;

    /** What is answered instead of a list of files; null for the list. */
    volatile String listing;

    public FakeHub() throws IOException {
        InetSocketAddress any = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
        hub = HttpServer.create(any, 0);
        cdn = HttpServer.create(any, 0);
        hub.createContext("/", exchange -> answer(exchange, true));
        cdn.createContext("/", exchange -> answer(exchange, false));
        hub.setExecutor(executor);
        cdn.setExecutor(executor);
        hub.start();
        cdn.start();
    }

    /** The address. */
    public URI endpoint() {
        return URI.create("http://localhost:" + hub.getAddress().getPort());
    }

    /** Settings that keep files in a folder. */
    public HubSettings settings(Path cache) {
        return new HubSettings(
                endpoint(),
                cache,
                null,
                false,
                true,
                Duration.ofSeconds(20),
                Duration.ofSeconds(20));
    }

    /** Puts files in a repository, as a commit that a revision is at from now on. */
    public String commit(String repository, String revision, Map<String, byte[]> files) {
        byte[] state =
                new TreeMap<>(files)
                        .entrySet().stream()
                                .map(e -> e.getKey() + Arrays.hashCode(e.getValue()))
                                .collect(Collectors.joining("\n", repository, ""))
                                .getBytes(StandardCharsets.UTF_8);
        String commit = digest("SHA-1", new byte[0], Content.of(state));
        Map<String, Content> contents = new HashMap<>();
        files.forEach((name, content) -> contents.put(name, Content.of(content)));
        put(repository, revision, commit, contents);
        return commit;
    }

    /** Puts files in a repository, as the commit with that name. */
    void put(String repository, String revision, String commit, Map<String, Content> files) {
        commits.put(repository + "@" + commit, Map.copyOf(files));
        revisions.put(repository + "@" + commit, commit);
        revisions.put(repository + "@" + revision, commit);
        files.forEach((name, content) -> blobs.put(hash(name, content), content));
    }

    /** Gives another repository a commit of one. */
    void copy(String from, String to, String commit) {
        commits.put(to + "@" + commit, commits.get(from + "@" + commit));
    }

    List<Request> requests() {
        return requests;
    }

    /** How often something was asked for. */
    long asked(String method, String pathEnd) {
        return requests.stream()
                .filter(r -> r.method().equals(method) && r.path().endsWith(pathEnd))
                .count();
    }

    /** Stops to answer. */
    @Override
    public void close() {
        hub.stop(0);
        cdn.stop(0);
        executor.shutdownNow();
    }

    /** Returns the hash that names a content: git's, or that of git LFS for large files. */
    static String hash(String name, byte[] content) {
        return hash(name, Content.of(content));
    }

    static String hash(String name, Content content) {
        String header = "blob " + content.length() + "\0";
        return isLarge(name)
                ? digest("SHA-256", new byte[0], content)
                : digest("SHA-1", header.getBytes(StandardCharsets.US_ASCII), content);
    }

    private static boolean isLarge(String name) {
        return name.endsWith(".safetensors");
    }

    private static String digest(String algorithm, byte[] header, Content content) {
        try {
            MessageDigest digest = MessageDigest.getInstance(algorithm);
            digest.update(header);
            byte[] chunk = new byte[CHUNK];
            for (long at = 0; at < content.length(); at += CHUNK) {
                int count = (int) Math.min(CHUNK, content.length() - at);
                content.copy(at, chunk, count);
                digest.update(chunk, 0, count);
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    private void answer(HttpExchange exchange, boolean byHub) throws IOException {
        try (exchange) {
            String path = exchange.getRequestURI().getPath();
            requests.add(
                    new Request(
                            byHub,
                            exchange.getRequestMethod(),
                            path,
                            exchange.getRequestHeaders()));
            if (byHub) {
                answerAsHub(exchange, path);
            } else {
                sendLarge(exchange, path.substring(1));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void answerAsHub(HttpExchange exchange, String path) throws IOException {
        if (failures.getAndUpdate(n -> Math.max(0, n - 1)) > 0) {
            refuse(exchange, failure, "");
            return;
        }
        String given = exchange.getRequestHeaders().getFirst("Authorization");
        if (token != null && !("Bearer " + token).equals(given)) {
            refuse(exchange, 401, gated ? "GatedRepo" : "RepoNotFound");
            return;
        }
        if (gated) {
            refuse(exchange, 403, "GatedRepo");
            return;
        }
        Matcher api = Pattern.compile("/api/models/([^/]+/[^/]+)/revision/(.+)").matcher(path);
        Matcher file =
                Pattern.compile("/([^/]+/[^/]+)/resolve/(refs/pr/\\d+|[^/]+)/(.+)").matcher(path);
        if (api.matches()) {
            list(exchange, api.group(1), api.group(2));
        } else if (file.matches()) {
            resolve(exchange, file.group(1), file.group(2), file.group(3));
        } else {
            refuse(exchange, 404, "");
        }
    }

    private void list(HttpExchange exchange, String repository, String revision)
            throws IOException {
        if (listing != null) {
            send(exchange, listing.getBytes(StandardCharsets.UTF_8));
            return;
        }
        String commit = revisions.get(repository + "@" + revision);
        if (commit == null) {
            boolean known =
                    revisions.keySet().stream().anyMatch(k -> k.startsWith(repository + "@"));
            refuse(exchange, 404, known ? "RevisionNotFound" : "RepoNotFound");
            return;
        }
        String siblings =
                commits.get(repository + "@" + commit).keySet().stream()
                        .map(name -> "{\"rfilename\":" + JsonUtils.GSON.toJson(name) + "}")
                        .collect(Collectors.joining(","));
        String json =
                "{\"id\":\""
                        + repository
                        + "\",\"sha\":\""
                        + commit
                        + "\",\"siblings\":["
                        + siblings
                        + "]}";
        send(exchange, json.getBytes(StandardCharsets.UTF_8));
    }

    private void resolve(HttpExchange exchange, String repository, String revision, String name)
            throws IOException {
        String commit = revisions.getOrDefault(repository + "@" + revision, revision);
        if (renamedTo != null && (renamesAlways || !renamedTo.equals(repository))) {
            exchange.getResponseHeaders()
                    .set("Location", "/" + renamedTo + "/resolve/" + commit + "/" + name);
            exchange.sendResponseHeaders(307, -1);
            return;
        }
        Content content = commits.getOrDefault(repository + "@" + commit, Map.of()).get(name);
        if (content == null) {
            refuse(exchange, 404, "EntryNotFound");
            return;
        }
        Headers headers = exchange.getResponseHeaders();
        String hash = hash(name, content);
        headers.set("X-Repo-Commit", commit);
        headers.set("Accept-Ranges", "bytes");
        if (!isLarge(name)) {
            headers.set("ETag", "\"" + hash + "\"");
            override(headers);
            byte[] bytes = new byte[(int) content.length()];
            content.copy(0, bytes, bytes.length);
            send(exchange, bytes);
            return;
        }
        headers.set("ETag", "\"" + hash.substring(0, 32) + "\"");
        headers.set("X-Linked-Etag", "\"" + hash + "\"");
        headers.set("X-Linked-Size", Long.toString(content.length()));
        headers.set("Location", "http://localhost:" + cdn.getAddress().getPort() + "/" + hash);
        override(headers);
        exchange.sendResponseHeaders(302, -1);
    }

    private void override(Headers headers) {
        overrides.forEach(
                (name, value) -> {
                    if (headers.containsKey(name)) {
                        headers.set(name, value);
                    }
                });
    }

    private static void send(HttpExchange exchange, byte[] content) throws IOException {
        if (exchange.getRequestMethod().equals("HEAD")) {
            exchange.getResponseHeaders().set("Content-Length", Integer.toString(content.length));
            exchange.sendResponseHeaders(200, -1);
        } else {
            exchange.sendResponseHeaders(200, content.length == 0 ? -1 : content.length);
            exchange.getResponseBody().write(content);
        }
    }

    private void sendLarge(HttpExchange exchange, String hash)
            throws IOException, InterruptedException {
        Content content = blobs.get(hash);
        long length = content.length();
        boolean corrupt = corruptions.getAndUpdate(n -> Math.max(0, n - 1)) > 0;
        String range = exchange.getRequestHeaders().getFirst("Range");
        long from = 0;
        if (range != null && !ignoresRanges) {
            from = Long.parseLong(range.replaceAll("\\D", ""));
            if (from >= length) {
                refuse(exchange, 416, "");
                return;
            }
            exchange.getResponseHeaders()
                    .set("Content-Range", "bytes " + from + "-" + (length - 1) + "/" + length);
        }
        boolean cut = cuts.getAndUpdate(n -> Math.max(0, n - 1)) > 0;
        long to = cut ? Math.min(length, from + cutAfter) : length;
        exchange.sendResponseHeaders(from > 0 ? 206 : 200, length - from);
        OutputStream out = exchange.getResponseBody();
        byte[] chunk = new byte[CHUNK];
        for (long at = from; at < to; at += CHUNK) {
            if (at >= stallAfter) {
                Thread.sleep(60_000);
            }
            int count = (int) Math.min(CHUNK, to - at);
            content.copy(at, chunk, count);
            long wrong = length / 2 - at;
            if (corrupt && wrong >= 0 && wrong < count) {
                chunk[(int) wrong] ^= 1;
            }
            out.write(chunk, 0, count);
            out.flush();
            Thread.sleep(pause.toMillis());
        }
    }

    private static void refuse(HttpExchange exchange, int status, String code) throws IOException {
        exchange.getResponseHeaders().set("X-Error-Code", code);
        exchange.getResponseHeaders().set("X-Error-Message", "said by the server");
        exchange.sendResponseHeaders(status, -1);
    }
}
