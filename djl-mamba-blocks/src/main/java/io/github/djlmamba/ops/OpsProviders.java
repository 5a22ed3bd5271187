/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import ai.djl.Device;
import ai.djl.ndarray.types.DataType;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.apiguardian.api.API;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The lookup of the {@link OpsProvider} that runs an op.
 *
 * <p>The choice is made once for each pair of device and data type: the provider of highest
 * priority that takes it. When that is the reference provider, one line of log says why and how to
 * get a better one. The system property {@value #PROPERTY}, else the environment variable {@value
 * #ENVIRONMENT_VARIABLE}, forces a provider by name. Thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class OpsProviders {

    /** The system property that forces a provider, by its name. */
    public static final String PROPERTY = "djlmamba.ops";

    /** The environment variable that forces a provider, by its name. */
    public static final String ENVIRONMENT_VARIABLE = "DJLMAMBA_OPS";

    private static final Logger logger = LoggerFactory.getLogger(OpsProviders.class);
    private static final Map<Key, OpsProvider> CHOICES = new ConcurrentHashMap<>();

    private static volatile String forced = configured();

    private OpsProviders() {}

    /**
     * Returns the provider for arrays of the given kind.
     *
     * @param device where the arrays are
     * @param dataType their type
     * @return the forced provider, else the best that takes such arrays
     * @throws IllegalStateException if a forced provider is unknown, does not work here, or does
     *     not take such arrays
     */
    public static OpsProvider forArrays(Device device, DataType dataType) {
        return CHOICES.computeIfAbsent(new Key(device, dataType), OpsProviders::choose);
    }

    /**
     * Returns what computes in less than float32. It does not depend on which provider is forced:
     * the naive forms use it, too.
     *
     * @return what the best provider offers that offers something
     * @throws IllegalStateException if none does
     */
    static ReducedPrecision reducedPrecision() {
        List<String> reasons = new ArrayList<>();
        for (OpsProvider provider : all()) {
            String reason = provider.unavailableReason();
            ReducedPrecision offer = reason == null ? provider.reducedPrecision() : null;
            if (offer != null) {
                return offer;
            }
            if (reason != null) {
                reasons.add(provider.name() + " ops: " + reason);
            }
        }
        throw new IllegalStateException("bfloat16 needs the native ops: " + missing(reasons));
    }

    /**
     * Returns every provider on the class path, usable or not, the preferred first.
     *
     * @return the providers
     */
    public static List<OpsProvider> all() {
        return Found.PROVIDERS;
    }

    /**
     * Returns the provider of the given name.
     *
     * @param name a provider's name
     * @return the provider
     * @throws IllegalStateException if there is no such provider, or it does not work here
     */
    public static OpsProvider named(String name) {
        for (OpsProvider provider : all()) {
            if (provider.name().equals(name)) {
                String reason = provider.unavailableReason();
                if (reason != null) {
                    throw new IllegalStateException(
                            "the ops provider \"" + name + "\" does not work here: " + reason);
                }
                return provider;
            }
        }
        throw new IllegalStateException(
                "no ops provider is named \""
                        + name
                        + "\"; there are: "
                        + all().stream().map(OpsProvider::name).collect(Collectors.joining(", "))
                        + ". Is the artifact that holds it on the class path?");
    }

    /**
     * Forces a provider for all threads from now on, or returns to the automatic choice.
     *
     * @param name the provider's name; null for what the system property or environment variable
     *     says, else the best
     * @throws IllegalStateException if there is no such provider, or it does not work here
     */
    public static void force(String name) {
        if (name != null) {
            named(name);
        }
        forced = name == null ? configured() : name;
        CHOICES.clear();
    }

    private static String configured() {
        String property = System.getProperty(PROPERTY);
        String value = property != null ? property : System.getenv(ENVIRONMENT_VARIABLE);
        return value == null || value.isBlank() ? null : value.trim();
    }

    private static OpsProvider choose(Key key) {
        String name = forced;
        if (name != null) {
            OpsProvider provider = named(name);
            if (!provider.supports(key.device, key.dataType)) {
                throw new IllegalStateException(
                        "the ops provider \""
                                + name
                                + "\", which was forced, does not take "
                                + key.dataType
                                + " arrays on "
                                + key.device);
            }
            return provider;
        }
        List<String> reasons = new ArrayList<>();
        for (OpsProvider provider : all()) {
            String reason = provider.unavailableReason();
            if (reason != null) {
                reasons.add(provider.name() + " ops: " + reason);
            } else if (!provider.supports(key.device, key.dataType)) {
                reasons.add(provider.name() + " ops: no kernels for " + key.dataType);
            } else {
                report(provider, key, reasons);
                return provider;
            }
        }
        throw new AssertionError("the reference provider takes everything");
    }

    private static void report(OpsProvider chosen, Key key, List<String> reasons) {
        if (!chosen.name().equals(ReferenceOps.NAME)) {
            logger.debug("{} arrays on {} use {}", key.dataType, key.device, chosen.description());
            return;
        }
        logger.info(
                "Using the slower reference ops for {} on {}: {}",
                key.dataType,
                key.device,
                missing(reasons));
    }

    private static String missing(List<String> reasons) {
        return reasons.isEmpty()
                ? "djl-mamba-native-ops is not on the class path; add it, with the classifier of"
                        + " your platform, for the fused ops"
                : String.join("; ", reasons);
    }

    private record Key(Device device, DataType dataType) {}

    /** Loads the services on first use. */
    private static final class Found {

        private static final List<OpsProvider> PROVIDERS = load();

        private static List<OpsProvider> load() {
            List<OpsProvider> providers = new ArrayList<>();
            providers.add(new ReferenceOps());
            var services =
                    ServiceLoader.load(OpsProvider.class, OpsProvider.class.getClassLoader())
                            .iterator();
            while (true) {
                try {
                    if (!services.hasNext()) {
                        break;
                    }
                    providers.add(services.next());
                } catch (ServiceConfigurationError | LinkageError e) {
                    logger.warn("Ignoring an ops provider that cannot be loaded: {}", e.toString());
                }
            }
            providers.sort(Comparator.comparingInt(OpsProvider::priority).reversed());
            return List.copyOf(providers);
        }
    }
}
