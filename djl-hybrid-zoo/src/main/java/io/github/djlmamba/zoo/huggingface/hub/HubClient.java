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
import com.google.gson.JsonParseException;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Flow;

/**
 * Asks the Hub. Redirects are followed by hand: the access token goes to the Hub's own address and
 * nowhere else, and what the Hub says about a file stands in its answer that redirects to another
 * host. Thread safe.
 */
final class HubClient {

    private static final int MAX_REDIRECTS = 10;
    private static final int MAX_LISTING_BYTES = 64 << 20;
    private static final String USER_AGENT = "djl-mamba (Java " + Runtime.version().feature() + ")";

    private final HubSettings settings;
    private final HttpClient http;

    HubClient(HubSettings settings) {
        this.settings = settings;
        this.http =
                HttpClient.newBuilder()
                        .version(HttpClient.Version.HTTP_1_1)
                        .followRedirects(HttpClient.Redirect.NEVER)
                        .connectTimeout(settings.metadataTimeout())
                        .build();
    }

    /**
     * Asks for the commit and the files of a revision.
     *
     * @throws HubException if there is none, or it may not be read
     * @throws IOException if the Hub cannot be reached
     */
    Listing list(HubReference reference) throws IOException {
        URI uri =
                uri(
                        "/api/models/"
                                + reference.repository()
                                + "/revision/"
                                + encode(reference.revision()));
        try (Response response = send("GET", uri, 0, settings.metadataTimeout(), false)) {
            HubErrors.check(response, settings, reference, null);
            byte[] json = response.body().readAll(MAX_LISTING_BYTES);
            return listing(new String(json, StandardCharsets.UTF_8), reference);
        }
    }

    private Listing listing(String json, HubReference reference) throws HubException {
        ModelInfo info;
        try {
            info = JsonUtils.GSON.fromJson(json, ModelInfo.class);
        } catch (JsonParseException e) {
            info = null;
        }
        if (info == null || !HubReference.isCommit(info.sha) || info.siblings == null) {
            throw new HubException(
                    200,
                    "the answer of "
                            + settings.endpoint()
                            + " about "
                            + reference
                            + " is no list of files; is HF_ENDPOINT the address of a Hub?");
        }
        if (reference.isCommit() && !reference.revision().equals(info.sha)) {
            throw new HubException(
                    200, "asked for " + reference + ", the Hub answers with commit " + info.sha);
        }
        Set<String> names = new HashSet<>();
        for (Sibling sibling : info.siblings) {
            if (sibling != null && sibling.rfilename != null) {
                names.add(sibling.rfilename);
            }
        }
        return new Listing(info.sha, names);
    }

    /**
     * Asks for the hash and the size of a file.
     *
     * @throws HubException if there is no such file, or it may not be read
     * @throws IOException if the Hub cannot be reached
     */
    HubFile describe(HubReference reference, String commit, String name) throws IOException {
        try (Response response =
                send("HEAD", uri(reference, commit, name), 0, settings.metadataTimeout(), false)) {
            if (!response.isRedirect()) {
                HubErrors.check(response, settings, reference, name);
            }
            String stated = response.header("X-Repo-Commit").orElse(commit);
            if (!stated.equals(commit)) {
                throw new HubException(
                        200,
                        "asked for commit " + commit + ", the Hub answers with commit " + stated);
            }
            String hash =
                    response.header("X-Linked-Etag")
                            .or(() -> response.header("ETag"))
                            .map(tag -> tag.replaceFirst("^W/", "").replace("\"", ""))
                            .filter(ContentHash::isHash)
                            .orElseThrow(() -> incomplete("hash", name, reference));
            long size =
                    response.header("X-Linked-Size")
                            .or(
                                    () ->
                                            response.isRedirect()
                                                    ? Optional.empty()
                                                    : response.header("Content-Length"))
                            .flatMap(HubClient::size)
                            .orElseThrow(() -> incomplete("size", name, reference));
            return new HubFile(reference, commit, name, new ContentHash(hash), size);
        }
    }

    private HubException incomplete(String what, String name, HubReference reference) {
        return new HubException(
                200,
                settings.endpoint()
                        + " does not say the "
                        + what
                        + " of "
                        + name
                        + " of "
                        + reference
                        + ", by which its download would be checked; is HF_ENDPOINT the address of"
                        + " a Hub?");
    }

    /**
     * Asks for the content of a file from an offset on. The answer may be the whole file all the
     * same: its status then is 200 instead of 206.
     *
     * @throws HubException if the file may not be read
     * @throws IOException if the Hub cannot be reached
     */
    Response open(HubFile file, long offset) throws IOException {
        URI uri = uri(file.reference(), file.commit(), file.name());
        Response response = send("GET", uri, offset, settings.downloadTimeout(), true);
        try {
            HubErrors.check(response, settings, file.reference(), file.name());
            return response;
        } catch (IOException e) {
            response.close();
            throw e;
        }
    }

    private URI uri(HubReference reference, String commit, String name) {
        return uri("/" + reference.repository() + "/resolve/" + commit + "/" + encode(name));
    }

    private URI uri(String path) {
        return URI.create(settings.endpoint() + path);
    }

    private static String encode(String segment) {
        return URLEncoder.encode(segment, StandardCharsets.UTF_8).replace("+", "%20");
    }

    private Response send(
            String method, URI uri, long offset, Duration timeout, boolean toOtherHosts)
            throws IOException {
        URI next = uri;
        for (int hop = 0; hop <= MAX_REDIRECTS; hop++) {
            Response response = send(method, next, offset, timeout);
            if (!response.isRedirect()) {
                return response;
            }
            String location = response.header("Location").orElse("");
            URI target = target(next, location);
            if (!isHub(target) && !toOtherHosts) {
                return response;
            }
            response.close();
            next = target;
        }
        throw new HubException(
                302, "more than " + MAX_REDIRECTS + " redirects, which began at " + uri);
    }

    private Response send(String method, URI uri, long offset, Duration timeout)
            throws IOException {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(uri)
                        .method(method, HttpRequest.BodyPublishers.noBody())
                        .header("User-Agent", USER_AGENT)
                        // Sizes and ranges are those of the file only where it is not compressed.
                        .header("Accept-Encoding", "identity")
                        .timeout(timeout);
        if (offset > 0) {
            request.header("Range", "bytes=" + offset + "-");
        }
        if (settings.token() != null && isHub(uri)) {
            request.header("Authorization", "Bearer " + settings.token());
        }
        try {
            HttpResponse<Flow.Publisher<List<ByteBuffer>>> response =
                    http.send(request.build(), HttpResponse.BodyHandlers.ofPublisher());
            return new Response(
                    uri,
                    response.statusCode(),
                    response.headers(),
                    new ResponseBody(response.body(), timeout));
        } catch (InterruptedException e) {
            throw RetryPolicy.interrupted();
        } catch (HttpTimeoutException e) {
            throw new IOException(origin(uri) + " does not answer within " + timeout, e);
        } catch (ConnectException e) {
            // Its message is null where a name cannot be resolved.
            throw new IOException("no connection to " + origin(uri), e);
        } catch (IOException e) {
            throw new IOException(
                    "the request to " + origin(uri) + " failed: " + e.getMessage(), e);
        }
    }

    private static URI target(URI from, String location) throws HubException {
        try {
            URI target = from.resolve(location);
            boolean web =
                    "https".equalsIgnoreCase(target.getScheme())
                            || "http".equalsIgnoreCase(target.getScheme())
                                    && "http".equalsIgnoreCase(from.getScheme());
            if (!location.isEmpty() && web && target.getHost() != null) {
                return target;
            }
        } catch (IllegalArgumentException e) {
            // Told below.
        }
        throw new HubException(
                302, origin(from) + " redirects to what is no address to follow from there");
    }

    /** Whether an address is the Hub's own: scheme, host and port, since any may be another's. */
    private boolean isHub(URI uri) {
        return origin(uri).equals(origin(settings.endpoint()));
    }

    private static String origin(URI uri) {
        String scheme = uri.getScheme().toLowerCase(Locale.ROOT);
        int port = uri.getPort() >= 0 ? uri.getPort() : scheme.equals("https") ? 443 : 80;
        return scheme + "://" + uri.getHost().toLowerCase(Locale.ROOT) + ":" + port;
    }

    private static Optional<Long> size(String text) {
        return text.matches("\\d{1,18}") ? Optional.of(Long.parseLong(text)) : Optional.empty();
    }

    /**
     * What a revision is.
     *
     * @param commit the commit that it is at
     * @param names the names of its files, as the Hub gives them: not checked
     */
    record Listing(String commit, Set<String> names) {}

    /** An answer; closing it ends the connection unless its body has been read. */
    record Response(URI uri, int status, HttpHeaders headers, ResponseBody body)
            implements AutoCloseable {

        boolean isRedirect() {
            return status >= 300 && status < 400 && status != 304;
        }

        Optional<String> header(String name) {
            return headers.firstValue(name).map(String::strip);
        }

        @Override
        public void close() {
            body.close();
        }
    }

    /** The part of the Hub's answer that is needed. */
    private static final class ModelInfo {
        private String sha;
        private List<Sibling> siblings;
    }

    private static final class Sibling {
        private String rfilename;
    }
}
