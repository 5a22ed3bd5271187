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
import io.github.djlmamba.zoo.safetensors.TensorEntry;
import io.github.djlmamba.zoo.safetensors.TensorSource;
import io.github.djlmamba.zoo.safetensors.TensorType;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** Which tensors a checkpoint has, for the rows of a {@link TensorTable}. */
final class CheckpointLayout {

    private CheckpointLayout() {}

    /** Returns the tensors that a new checkpoint has. */
    static List<StoredTensor> usual(List<TensorTable.Row> rows) {
        List<StoredTensor> tensors = new ArrayList<>();
        for (TensorTable.Row row : rows) {
            if (!row.copy()) {
                tensors.add(tensor(row, row.names().get(0), TensorType.F32));
            }
        }
        return tensors;
    }

    /**
     * Returns the tensors that are stored, in the order of the rows.
     *
     * @throws MalformedModelException if tensors are missing, not expected, or of another shape or
     *     type; the message names each of them
     */
    static List<StoredTensor> stored(List<TensorTable.Row> rows, TensorSource source)
            throws MalformedModelException {
        Map<String, TensorEntry> entries = source.entries();
        Set<String> used = new HashSet<>();
        List<StoredTensor> tensors = new ArrayList<>();
        List<String> problems = new ArrayList<>();
        for (TensorTable.Row row : rows) {
            String name = row.names().stream().filter(entries::containsKey).findFirst().orElse("");
            if (name.isEmpty()) {
                if (!row.copy()) {
                    problems.add(
                            "missing "
                                    + String.join(" or ", row.names())
                                    + " of shape "
                                    + row.shape());
                }
                continue;
            }
            used.add(name);
            TensorEntry entry = entries.get(name);
            if (!entry.shape().equals(row.shape()) || !entry.type().isFloating()) {
                problems.add(
                        "wrong "
                                + name
                                + ", which is "
                                + entry.type()
                                + " of shape "
                                + entry.shape()
                                + " where a floating type and shape "
                                + row.shape()
                                + " was expected");
            } else {
                tensors.add(tensor(row, name, entry.type()));
            }
        }
        for (String name : new TreeSet<>(entries.keySet())) {
            if (!used.contains(name)) {
                problems.add("unexpected " + name + " of shape " + entries.get(name).shape());
            }
        }
        if (!problems.isEmpty()) {
            throw new MalformedModelException(
                    source
                            + " does not hold the tensors that its "
                            + ModelConfig.FILE
                            + " asks for: "
                            + String.join("; ", problems));
        }
        return tensors;
    }

    private static StoredTensor tensor(TensorTable.Row row, String name, TensorType type) {
        return new StoredTensor(
                name, type, row.shape(), row.parameter(), row.ranges(), row.run(), row.copy());
    }
}
