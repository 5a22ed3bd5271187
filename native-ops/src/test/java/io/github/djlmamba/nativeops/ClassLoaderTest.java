/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.nativeops;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertNull;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import io.github.djlmamba.ops.Linear;
import io.github.djlmamba.ops.OpsProviders;
import java.io.File;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * The library in several class loaders of one process, as in a servlet container, a Spark executor
 * or a notebook.
 */
class ClassLoaderTest {

    @Test
    void worksFromEveryClassLoader() throws Exception {
        NativeTests.provider();
        try (OwnClasses second = new OwnClasses();
                OwnClasses third = new OwnClasses()) {
            works(second);
            works(third);
            works(second);
        }
        worksHere();
    }

    @Test
    void worksAfterAClassLoaderIsGone() throws Exception {
        NativeTests.provider();
        for (int i = 0; i < 3; i++) {
            try (OwnClasses loader = new OwnClasses()) {
                works(loader);
            }
            System.gc();
        }
        worksHere();
    }

    private static void worksHere() {
        try (NDManager manager = NDManager.newBaseManager()) {
            NDArray x = manager.ones(new Shape(2, 3));
            NDArray y = OpsProviders.named(NativeOps.NAME).linear(Linear.of(x, x));
            assertEquals(manager.full(new Shape(2, 2), 3f), y);
        }
    }

    private static void works(OwnClasses loader) throws ReflectiveOperationException {
        Class<?> bindings = loader.loadClass(NativeOps.class.getName());
        assertNotSame(NativeOps.class, bindings);
        Class<?> providers = loader.loadClass(OpsProviders.class.getName());
        Object provider = providers.getMethod("named", String.class).invoke(null, NativeOps.NAME);
        assertEquals(bindings, provider.getClass());
        assertNull(bindings.getMethod("unavailableReason").invoke(provider));
        Class<?> linear = loader.loadClass(Linear.class.getName());
        try (NDManager manager = NDManager.newBaseManager()) {
            NDArray x = manager.ones(new Shape(2, 3));
            x.setRequiresGradient(true);
            try (GradientCollector collector = manager.getEngine().newGradientCollector()) {
                Object op =
                        linear.getMethod("of", NDArray.class, NDArray.class)
                                .invoke(null, x, manager.ones(new Shape(4, 3)));
                NDArray y = (NDArray) linear.getMethod("run").invoke(op);
                assertEquals(manager.full(new Shape(2, 4), 3f), y.stopGradient());
                collector.backward(y.sum());
            }
            assertEquals(manager.full(new Shape(2, 3), 4f), x.getGradient());
        }
    }

    /** Holds this project's classes itself, and leaves DJL's to the application's class loader. */
    private static final class OwnClasses extends URLClassLoader {

        OwnClasses() throws IOException {
            super(classPath(), ClassLoaderTest.class.getClassLoader());
        }

        private static URL[] classPath() throws IOException {
            List<URL> urls = new ArrayList<>();
            for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
                urls.add(Path.of(entry).toUri().toURL());
            }
            return urls.toArray(URL[]::new);
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            if (!name.startsWith("io.github.djlmamba.")) {
                return super.loadClass(name, resolve);
            }
            synchronized (getClassLoadingLock(name)) {
                Class<?> loaded = findLoadedClass(name);
                return loaded != null ? loaded : findClass(name);
            }
        }
    }
}
