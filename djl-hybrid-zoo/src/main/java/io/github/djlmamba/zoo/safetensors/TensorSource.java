/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.safetensors;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import java.io.IOException;
import java.util.Map;
import org.apiguardian.api.API;

/**
 * Stored tensors that are read one at a time. Implementations are thread safe, and are closed when
 * all is read; arrays that were read remain.
 */
@API(status = API.Status.EXPERIMENTAL)
public interface TensorSource extends AutoCloseable {

    /**
     * Returns what is stored.
     *
     * @return the entries by name, in the order in which they are stored
     */
    Map<String, TensorEntry> entries();

    /**
     * Returns what the writer has noted beside the tensors.
     *
     * @return the notes by key; empty where there are none
     */
    Map<String, String> metadata();

    /**
     * Reads a tensor as an array of the type {@link TensorType#dataType()}, in which half precision
     * becomes float32.
     *
     * @param name its name
     * @param manager the manager of the result
     * @return a new array with the tensor's name and shape
     * @throws IOException if the file cannot be read, or was cut since it was opened
     * @throws IllegalArgumentException if there is no such tensor
     */
    default NDArray read(String name, NDManager manager) throws IOException {
        return read(name, manager, entry(name).type().dataType());
    }

    /**
     * Reads a tensor as an array of a type.
     *
     * @param name its name
     * @param manager the manager of the result
     * @param type the type of the result; see {@link #readInto}
     * @return a new array with the tensor's name and shape
     * @throws IOException if the file cannot be read, or was cut since it was opened
     * @throws IllegalArgumentException if there is no such tensor, or it cannot have that type
     */
    default NDArray read(String name, NDManager manager, DataType type) throws IOException {
        TensorEntry entry = entry(name);
        if (type == DataType.BFLOAT16) {
            throw new IllegalArgumentException(
                    "DJL makes no bfloat16 arrays; read "
                            + name
                            + " as float32 and convert it by Precision.BFLOAT16.cast");
        }
        TensorReader.checkType(entry, TensorType.of(type));
        NDArray array = manager.create(entry.shape(), type);
        try {
            readInto(name, array);
        } catch (IOException | RuntimeException | Error e) {
            array.close();
            throw e;
        }
        array.setName(name);
        return array;
    }

    /**
     * Reads a tensor into the memory of an array, which keeps its type. Floating numbers are read
     * into any floating type, rounded to nearest even where that is narrower; integers into their
     * own type or a wider one.
     *
     * @param name the tensor's name
     * @param target the array, of the tensor's shape; fastest where it is contiguous and on the CPU
     * @throws IOException if the file cannot be read, or was cut since it was opened; part of the
     *     array may then be overwritten
     * @throws IllegalArgumentException if there is no such tensor, or the array's shape or type do
     *     not fit; the array is then as it was
     */
    void readInto(String name, NDArray target) throws IOException;

    /**
     * Returns the entry of a tensor.
     *
     * @param name its name
     * @return the entry
     * @throws IllegalArgumentException if there is no such tensor; the message names some that
     *     there are
     */
    TensorEntry entry(String name);

    /**
     * Closes the files.
     *
     * @throws IOException if the system reports a failure
     */
    @Override
    void close() throws IOException;
}
