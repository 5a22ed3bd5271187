/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.safetensors;

import ai.djl.MalformedModelException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.regex.Pattern;
import org.apiguardian.api.API;

/**
 * The files of a model's folder, by names that other files may have given: nothing outside of the
 * folder is reached.
 *
 * <p>A file may be a symbolic link to another one of the same folder. In the cache of the Hugging
 * Face Hub, {@code models--OWNER--NAME/snapshots/REVISION}, it may be one to {@code
 * models--OWNER--NAME/blobs/HASH}, too, which is where the hub's own tools put all content, and by
 * it to {@code blobs/XX/HASH}, where they put what repositories share; other links are refused.
 *
 * <p>Immutable and thread safe.
 */
@API(status = API.Status.INTERNAL)
public final class ModelFolder {

    private static final Pattern PLAIN_NAME = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9_.+-]{0,254}");
    private static final Pattern BLOB = Pattern.compile("[0-9a-f]{40}|[0-9a-f]{64}");

    private final Path folder;
    private final Path real;

    private ModelFolder(Path folder, Path real) {
        this.folder = folder;
        this.real = real;
    }

    /**
     * Opens a folder.
     *
     * @param folder the folder
     * @return its files
     * @throws IOException if there is no such folder
     */
    public static ModelFolder of(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            throw new FileNotFoundException("there is no folder " + folder);
        }
        return new ModelFolder(folder, folder.toRealPath());
    }

    /**
     * Returns the folder.
     *
     * @return the folder as it was given
     */
    public Path path() {
        return folder;
    }

    /**
     * Returns whether there is a file, or a link, of a name.
     *
     * @param name the name
     * @return whether it exists
     * @throws MalformedModelException if it is no plain file name
     */
    public boolean has(String name) throws MalformedModelException {
        return Files.exists(checked(name), LinkOption.NOFOLLOW_LINKS);
    }

    /**
     * Returns a file of the folder.
     *
     * @param name its name
     * @return where its content lies
     * @throws IOException if there is no such file
     * @throws MalformedModelException if it is no plain file name, or leads out of the folder
     */
    public Path file(String name) throws IOException, MalformedModelException {
        Path named = checked(name);
        if (!Files.exists(named)) {
            throw new FileNotFoundException(
                    folder
                            + (Files.isSymbolicLink(named)
                                    ? " has a link " + name + " that leads nowhere"
                                    : " has no file " + name));
        }
        Path file = named.toRealPath();
        if (!Files.isRegularFile(file)) {
            throw new MalformedModelException(named + " is no regular file");
        }
        if (!real.equals(file.getParent()) && !isBlobOfHub(file)) {
            throw new MalformedModelException(
                    named
                            + " is a link out of the folder; put the file there instead (links are"
                            + " followed within the folder and to the blobs of a hub's cache)");
        }
        return file;
    }

    private Path checked(String name) throws MalformedModelException {
        if (!PLAIN_NAME.matcher(name).matches()) {
            throw new MalformedModelException(
                    folder
                            + ": \""
                            + StrictJson.shown(name)
                            + "\" is no plain file name; expected letters, digits and _ . + -"
                            + " alone, beginning with a letter, digit or _");
        }
        return folder.resolve(name);
    }

    private boolean isBlobOfHub(Path file) {
        Path snapshots = real.getParent();
        return snapshots != null
                && snapshots.endsWith("snapshots")
                && snapshots.getParent() != null
                && BLOB.matcher(file.getFileName().toString()).matches()
                && (snapshots.resolveSibling("blobs").equals(file.getParent())
                        || snapshots
                                .getParent()
                                .resolveSibling("blobs")
                                .equals(file.getParent().getParent()));
    }
}
