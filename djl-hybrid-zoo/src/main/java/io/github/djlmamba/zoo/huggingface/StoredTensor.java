/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDScope;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import io.github.djlmamba.zoo.safetensors.TensorSource;
import io.github.djlmamba.zoo.safetensors.TensorType;
import java.io.IOException;
import java.util.List;
import java.util.Objects;
import org.apiguardian.api.API;

/**
 * A tensor of a checkpoint, and where its numbers lie in a parameter of the model: in ranges of the
 * parameter's elements, row by row. Immutable and thread safe.
 *
 * @param name its name in the checkpoint
 * @param type the type in which it is stored
 * @param shape its shape in the checkpoint
 * @param parameter the parameter that holds it
 * @param ranges the elements of the parameter that it consists of, in the order in which it stores
 *     them
 * @param run how many elements the tensor takes from one range before it takes as many from the
 *     next one, and again from the first after the last; 0 where it takes each range as a whole
 * @param copy whether another tensor holds the same numbers, as of a head that is tied to the
 *     embedding
 */
@API(status = API.Status.EXPERIMENTAL)
public record StoredTensor(
        String name,
        TensorType type,
        Shape shape,
        Parameter parameter,
        List<Range> ranges,
        long run,
        boolean copy) {

    /**
     * Elements of a parameter that lie side by side.
     *
     * @param begin the first one
     * @param end the one after the last
     */
    public record Range(long begin, long end) {}

    /**
     * Checks and copies the components.
     *
     * @throws IllegalArgumentException if the ranges have not as many elements as the shape, or
     *     cannot be taken in turn
     */
    public StoredTensor {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(type, "type");
        Objects.requireNonNull(parameter, "parameter");
        ranges = List.copyOf(ranges);
        long elements = ranges.stream().mapToLong(range -> range.end() - range.begin()).sum();
        if (elements != shape.size()) {
            throw new IllegalArgumentException(
                    "the tensor "
                            + name
                            + " of shape "
                            + shape
                            + " was mapped to "
                            + elements
                            + " elements of "
                            + parameter.getName()
                            + "; expected as many as it has");
        }
        long each = ranges.isEmpty() ? 0 : elements / ranges.size();
        boolean alike = ranges.stream().allMatch(range -> range.end() - range.begin() == each);
        if (run < 0 || run > 0 && (!alike || each % run != 0)) {
            throw new IllegalArgumentException(
                    "the tensor "
                            + name
                            + " was to take "
                            + run
                            + " elements in turn from each of "
                            + ranges
                            + "; expected ranges of one length, which is a multiple of that");
        }
    }

    /**
     * Returns this tensor's part of an array of the parameter's shape: of its value or its
     * gradient.
     *
     * @param array the array
     * @return the part, of this tensor's shape; a view where it is one range taken as a whole
     */
    public NDArray part(NDArray array) {
        NDArray flat = array.reshape(-1);
        NDList parts = new NDList(ranges.size());
        for (Range range : ranges) {
            parts.add(
                    ranges.size() == 1 && range.end() - range.begin() == flat.size()
                            ? flat
                            : flat.get(new NDIndex("{}:{}", range.begin(), range.end())));
        }
        NDArray joined = parts.size() == 1 ? parts.get(0) : NDArrays.concat(parts);
        return (run == 0 ? joined : joined.reshape(ranges.size(), -1, run).swapAxes(0, 1))
                .reshape(shape);
    }

    /** Returns this tensor stored in another type. */
    StoredTensor as(TensorType other) {
        return new StoredTensor(name, other, shape, parameter, ranges, run, copy);
    }

    /** Reads this tensor into its part of an array of the parameter's shape. */
    void read(TensorSource source, NDArray array) throws IOException {
        try (NDScope scope = new NDScope()) {
            scope.suppressNotUsedWarning();
            if (ranges.size() == 1) {
                // A view: the file is read straight into the parameter's memory.
                source.readInto(name, part(array));
                return;
            }
            NDArray stored = source.read(name, array.getManager(), array.getDataType());
            NDArray whole =
                    (run == 0 ? stored : stored.reshape(-1, ranges.size(), run).swapAxes(0, 1))
                            .reshape(-1);
            NDArray flat = array.reshape(-1);
            long from = 0;
            for (Range range : ranges) {
                long to = from + range.end() - range.begin();
                // Not copyTo, which gives a view memory of its own.
                flat.set(
                        new NDIndex("{}:{}", range.begin(), range.end()),
                        whole.get(new NDIndex("{}:{}", from, to)));
                from = to;
            }
        }
    }
}
