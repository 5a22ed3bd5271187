/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface.hub;

import ai.djl.util.Utils;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apiguardian.api.API;

/**
 * Where the Hub is, where its files are kept, and how it is asked.
 *
 * @param endpoint the Hub's address, http or https; a path in it is kept
 * @param cacheFolder the folder of the cache
 * @param token the access token; null for none. It is sent to the endpoint alone
 * @param offline whether nothing is asked and the cache alone is used
 * @param symbolicLinks whether snapshots are made of symbolic links; where the system has none,
 *     they are not in any case
 * @param metadataTimeout the longest wait for a connection, and for an answer about a file
 * @param downloadTimeout the longest wait for the next bytes of a file
 */
@API(status = API.Status.EXPERIMENTAL)
public record HubSettings(
        URI endpoint,
        Path cacheFolder,
        String token,
        boolean offline,
        boolean symbolicLinks,
        Duration metadataTimeout,
        Duration downloadTimeout) {

    private static final String DEFAULT_ENDPOINT = "https://huggingface.co";
    private static final String DEFAULT_TIMEOUT_SECONDS = "10";
    private static final long MAX_TIMEOUT_SECONDS = 24 * 60 * 60;
    private static final Set<String> TRUE = Set.of("1", "ON", "YES", "TRUE");
    private static final Pattern VARIABLE = Pattern.compile("\\$(?:(\\w+)|\\{([^}]*)\\})");
    private static final Pattern TOKEN = Pattern.compile("[!-~]+");

    /**
     * Checks the settings.
     *
     * @throws IllegalArgumentException if one is missing or out of its range
     */
    public HubSettings {
        Objects.requireNonNull(cacheFolder, "the cache folder");
        boolean web =
                "http".equalsIgnoreCase(endpoint.getScheme())
                        || "https".equalsIgnoreCase(endpoint.getScheme());
        if (!web
                || endpoint.getHost() == null
                || endpoint.getUserInfo() != null
                || endpoint.getQuery() != null
                || endpoint.getFragment() != null) {
            throw new IllegalArgumentException(
                    "the address of the Hub (HF_ENDPOINT) is \""
                            + endpoint
                            + "\"; expected one such as "
                            + DEFAULT_ENDPOINT);
        }
        if (token != null && !TOKEN.matcher(token).matches()) {
            // Its value stays out of the message: it is a secret.
            throw new IllegalArgumentException(
                    "the access token (HF_TOKEN or the file of HF_TOKEN_PATH) holds a blank or a"
                            + " character outside of ASCII; copy it again from the Hub's settings");
        }
        requirePositive(metadataTimeout, "the timeout for metadata");
        requirePositive(downloadTimeout, "the timeout for downloads");
    }

    /**
     * Returns the settings that the environment gives: {@code HF_ENDPOINT}, {@code HF_HUB_CACHE},
     * {@code HF_HOME}, {@code XDG_CACHE_HOME}, {@code HF_TOKEN}, {@code HF_TOKEN_PATH}, {@code
     * HF_HUB_OFFLINE}, {@code HF_HUB_ETAG_TIMEOUT}, {@code HF_HUB_DOWNLOAD_TIMEOUT}, {@code
     * HF_HUB_DISABLE_SYMLINKS} and {@code HF_HUB_DISABLE_IMPLICIT_TOKEN}, with the older names that
     * the library {@code huggingface_hub} still reads. A variable that is not set may be given as a
     * system property of the same name. DJL's offline mode holds here too.
     *
     * @return the settings
     * @throws IllegalArgumentException if a variable's value makes no sense
     * @throws UncheckedIOException if the file of the token cannot be read
     */
    public static HubSettings fromEnvironment() {
        HubSettings settings = fromEnvironment(Utils::getEnvOrSystemProperty);
        return Utils.isOfflineMode() ? settings.withOffline(true) : settings;
    }

    /**
     * Returns the settings that an environment gives.
     *
     * @param environment from a variable's name to its value, null where it is not set
     * @return the settings
     * @throws IllegalArgumentException if a variable's value makes no sense
     * @throws UncheckedIOException if the file of the token cannot be read
     */
    public static HubSettings fromEnvironment(UnaryOperator<String> environment) {
        Environment variables = new Environment(environment);
        Path home =
                variables.path(
                        variables
                                        .get("XDG_CACHE_HOME", variables.home() + "/.cache")
                                        .replaceFirst("/+$", "")
                                + "/huggingface",
                        "HF_HOME");
        return new HubSettings(
                endpoint(variables.get("HF_ENDPOINT", DEFAULT_ENDPOINT)),
                variables.path(
                        home.resolve("hub").toString(), "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"),
                token(variables, home),
                variables.isTrue("HF_HUB_OFFLINE") || variables.isTrue("TRANSFORMERS_OFFLINE"),
                !variables.isTrue("HF_HUB_DISABLE_SYMLINKS"),
                variables.seconds("HF_HUB_ETAG_TIMEOUT"),
                variables.seconds("HF_HUB_DOWNLOAD_TIMEOUT"));
    }

    /**
     * Returns the same settings, offline or not.
     *
     * @param newOffline whether the cache alone is used
     * @return a copy with it
     */
    public HubSettings withOffline(boolean newOffline) {
        return new HubSettings(
                endpoint,
                cacheFolder,
                token,
                newOffline,
                symbolicLinks,
                metadataTimeout,
                downloadTimeout);
    }

    /**
     * Returns a description without the token.
     *
     * @return the description
     */
    @Override
    public String toString() {
        return "HubSettings[endpoint="
                + endpoint
                + ", cacheFolder="
                + cacheFolder
                + ", token="
                + (token == null ? "none" : "given")
                + ", offline="
                + offline
                + ", symbolicLinks="
                + symbolicLinks
                + ", metadataTimeout="
                + metadataTimeout
                + ", downloadTimeout="
                + downloadTimeout
                + "]";
    }

    private static URI endpoint(String value) {
        try {
            return URI.create(value.replaceFirst("/+$", ""));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "HF_ENDPOINT is \""
                            + value
                            + "\"; expected an address such as "
                            + DEFAULT_ENDPOINT,
                    e);
        }
    }

    private static String token(Environment variables, Path home) {
        String token = variables.first("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN");
        if (token == null && !variables.isTrue("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
            Path file = variables.path(home.resolve("token").toString(), "HF_TOKEN_PATH");
            if (Files.isRegularFile(file)) {
                try {
                    token = Files.readString(file);
                } catch (IOException e) {
                    throw new UncheckedIOException(
                            "the access token of the Hub cannot be read from " + file, e);
                }
            }
        }
        return token == null || token.isBlank() ? null : token.strip();
    }

    private static void requirePositive(Duration timeout, String name) {
        if (timeout.isNegative() || timeout.isZero() || timeout.toSeconds() > MAX_TIMEOUT_SECONDS) {
            throw new IllegalArgumentException(
                    name + " is " + timeout + "; expected more than nothing and at most a day");
        }
    }

    /** Reads variables as the library does; one that is set to nothing counts as not set. */
    private record Environment(UnaryOperator<String> values) {

        String first(String... names) {
            for (String name : names) {
                String value = values.apply(name);
                if (value != null && !value.isBlank()) {
                    return value.strip();
                }
            }
            return null;
        }

        String get(String name, String defaultValue) {
            String value = first(name);
            return value == null ? defaultValue : value;
        }

        boolean isTrue(String name) {
            return TRUE.contains(get(name, "").toUpperCase(Locale.ROOT));
        }

        String home() {
            // The user's home as other programs see it, which the JVM takes from elsewhere.
            return get(
                    File.separatorChar == '/' ? "HOME" : "USERPROFILE",
                    System.getProperty("user.home"));
        }

        Duration seconds(String name) {
            String value = get(name, DEFAULT_TIMEOUT_SECONDS);
            try {
                return Duration.ofSeconds(Long.parseLong(value));
            } catch (NumberFormatException e) {
                throw new IllegalArgumentException(
                        name + " is \"" + value + "\"; expected a number of seconds, such as 10",
                        e);
            }
        }

        /** A path, with a leading tilde and the variables in it replaced. */
        Path path(String defaultValue, String... names) {
            String value = first(names);
            value = value == null ? defaultValue : value;
            if (value.equals("~") || value.startsWith("~/")) {
                value = home() + value.substring(1);
            }
            String expanded =
                    VARIABLE.matcher(value)
                            .replaceAll(
                                    match -> {
                                        String name =
                                                match.group(1) != null
                                                        ? match.group(1)
                                                        : match.group(2);
                                        return Matcher.quoteReplacement(get(name, match.group()));
                                    });
            try {
                return Path.of(expanded).toAbsolutePath().normalize();
            } catch (InvalidPathException e) {
                throw new IllegalArgumentException(
                        names[0] + " gives \"" + expanded + "\"; expected a folder", e);
            }
        }
    }
}
