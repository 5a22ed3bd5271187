/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface;

import ai.djl.MalformedModelException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.nn.Parameter;
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.zoo.safetensors.TensorSource;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Reads parameters from the tensors of a checkpoint, each by itself and several at once: most of
 * the time goes to the system's copy into memory that it maps page by page, which one thread does
 * at a part of the rate of memory.
 */
final class ParameterReader {

    private static final int MOST_THREADS = 8;

    private final TensorSource source;
    private final NDManager manager;
    private final Set<Parameter> narrow;

    /**
     * Makes a reader.
     *
     * @param source the tensors
     * @param manager the manager of what is read
     * @param narrow the parameters that are kept in bfloat16
     */
    ParameterReader(TensorSource source, NDManager manager, Set<Parameter> narrow) {
        this.source = source;
        this.manager = manager;
        this.narrow = narrow;
    }

    /** Sets the parameters that the tensors make up; none of them if one cannot be read. */
    void read(List<StoredTensor> tensors) throws IOException, MalformedModelException {
        Map<Parameter, List<StoredTensor>> parts = new LinkedHashMap<>();
        for (StoredTensor tensor : tensors) {
            parts.computeIfAbsent(tensor.parameter(), key -> new ArrayList<>()).add(tensor);
        }
        Map<Parameter, NDArray> arrays = read(parts);
        arrays.forEach(
                (parameter, array) -> {
                    parameter.setShape(null);
                    parameter.setArray(array);
                });
    }

    private Map<Parameter, NDArray> read(Map<Parameter, List<StoredTensor>> parts)
            throws IOException, MalformedModelException {
        int threads = Math.min(MOST_THREADS, Runtime.getRuntime().availableProcessors());
        ExecutorService pool = Executors.newFixedThreadPool(threads);
        // Not by cancelling: what a read leaves that is under way could not be closed then.
        AtomicBoolean failed = new AtomicBoolean();
        Map<Parameter, Future<NDArray>> reads = new LinkedHashMap<>();
        parts.forEach(
                (parameter, of) ->
                        reads.put(
                                parameter,
                                pool.submit(() -> failed.get() ? null : read(parameter, of))));
        pool.shutdown();
        Map<Parameter, NDArray> arrays = new LinkedHashMap<>();
        Throwable failure = null;
        for (Map.Entry<Parameter, Future<NDArray>> read : reads.entrySet()) {
            try {
                NDArray array = finished(read.getValue());
                if (array != null) {
                    arrays.put(read.getKey(), array);
                }
            } catch (ExecutionException e) {
                failed.set(true);
                failure = failure == null ? e.getCause() : failure;
            }
        }
        if (failure != null) {
            arrays.values().forEach(NDArray::close);
            throwAsItIs(failure);
        }
        return arrays;
    }

    /** Waits for a read even when interrupted, since it writes to memory that is ours. */
    private static NDArray finished(Future<NDArray> read) throws ExecutionException {
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return read.get();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static void throwAsItIs(Throwable failure) throws IOException, MalformedModelException {
        if (failure instanceof IOException e) {
            throw e;
        }
        if (failure instanceof MalformedModelException e) {
            throw e;
        }
        if (failure instanceof Error e) {
            throw e;
        }
        throw (RuntimeException) failure;
    }

    private NDArray read(Parameter parameter, List<StoredTensor> parts)
            throws IOException, MalformedModelException {
        NDArray array = manager.create(parameter.getShape(), DataType.FLOAT32);
        boolean whole = false;
        try {
            for (StoredTensor part : parts) {
                if (part.copy()) {
                    checkCopy(part, array);
                } else {
                    part.read(source, array);
                }
            }
            whole = true;
        } finally {
            if (!whole) {
                array.close();
            }
        }
        if (!narrow.contains(parameter)) {
            return array;
        }
        try (array) {
            return Precision.BFLOAT16.cast(array);
        }
    }

    private void checkCopy(StoredTensor tensor, NDArray array)
            throws IOException, MalformedModelException {
        try (NDArray copy = source.read(tensor.name(), manager, DataType.FLOAT32)) {
            if (!copy.contentEquals(array)) {
                throw new MalformedModelException(
                        source
                                + ": the tensor "
                                + tensor.name()
                                + " differs from the one that it is tied to by"
                                + " \"tie_word_embeddings\"; set that to false in "
                                + ModelConfig.FILE
                                + " to use both");
            }
        }
    }
}
